import Foundation
import Glibc
import Logging
import Synchronization

extension HostKeyPolicy {
  /// Reading and adding are one step, or two connections could each keep a different first key.
  private static let file = Mutex<Void>(())

  /// The algorithms to ask a host for: first the kinds that are known of it, then the others that libssh2 has.
  func algorithms(for destination: Destination) -> [String] {
    let all = ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa"]
    let text = (try? read()) ?? ""
    let known = KnownHosts(text).kinds(host: destination.host, port: destination.port)
    return all.filter(known.contains) + all.filter { !known.contains($0) }
  }

  /// Throws unless the key that a host offers is trusted, or becomes so now because it is the first.
  func check(_ blob: [UInt8], of destination: Destination, logger: Logger) throws(SSHError) {
    guard let offered = KnownHosts.Key(blob: blob) else {
      throw .unreachable(destination, reason: "it shows a malformed host key")
    }
    try Self.file.withLock { (_) throws(SSHError) in
      let known: KnownHosts
      do {
        known = KnownHosts(try read())
      } catch {
        throw .unreachable(destination, reason: "the known hosts file \(path) cannot be read (\(error))")
      }
      switch known.verdict(on: offered, host: destination.host, port: destination.port) {
      case .trusted:
        return
      case .revoked:
        throw .unreachable(destination, reason: "its host key \(offered.fingerprint) is marked @revoked in \(path)")
      case .changed(let known):
        throw .hostKeyChanged(destination, offered: offered.fingerprint, known: known, file: path)
      case .certificateAuthorityOnly:
        throw .unreachable(
          destination,
          reason: "\(path) vouches for it only by @cert-authority, which is not supported: add its own key,"
            + " \(offered.fingerprint)")
      case .unknown(let others):
        try unknown(offered, others: others, of: destination, logger: logger)
      }
    }
  }

  private func unknown(
    _ offered: KnownHosts.Key, others: [String], of destination: Destination, logger: Logger
  ) throws(SSHError) {
    guard case .trustOnFirstUse = self else {
      throw .hostKeyUnknown(destination, offered: offered.fingerprint, file: path)
    }
    // The host was met before and had a key of another kind: this is not its first.
    guard others.isEmpty else {
      throw .hostKeyChanged(destination, offered: offered.fingerprint, known: others, file: path)
    }
    let name = KnownHosts.name(host: destination.host, port: destination.port)
    do {
      try append("\(name) \(offered.kind) \(Data(offered.blob).base64EncodedString())\n")
    } catch {
      throw .unreachable(destination, reason: "its host key cannot be kept in \(path) (\(error))")
    }
    logger.notice(
      "Trusting the first host key seen of \(name): \(offered.fingerprint)",
      metadata: ["file": .string(path)])
  }

  private func read() throws(FileError) -> String {
    guard let data = FileManager.default.contents(atPath: path) else {
      if case .trustOnFirstUse = self, !FileManager.default.fileExists(atPath: path) { return "" }
      throw FileError(reason: FileManager.default.fileExists(atPath: path) ? "no permission" : "no such file")
    }
    return String(decoding: data, as: UTF8.self)
  }

  /// On disk before it counts: after a crash the same key must still be the known one.
  private func append(_ line: String) throws(FileError) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw FileError(errno: errno) }
    defer { _ = close(descriptor) }
    let bytes = Array(line.utf8)
    guard write(descriptor, bytes, bytes.count) == bytes.count, fsync(descriptor) == 0 else {
      throw FileError(errno: errno)
    }
  }
}

private struct FileError: Error, CustomStringConvertible {
  let reason: String
  init(reason: String) { self.reason = reason }
  init(errno: Int32) { reason = String(cString: strerror(errno)) }
  var description: String { reason }
}
