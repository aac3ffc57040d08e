import Foundation
import Glibc
import Logging
import Support
import Synchronization

extension HostKeyPolicy {
  /// Reading and adding are one step, or two connections could each keep a different first key.
  private static let file = Mutex<Void>(())

  /// The algorithms to ask a host for: first those of the keys that are known of it, then the others.
  func algorithms(for destination: Destination) throws(SSHError) -> [String] {
    let all = ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa"]
    let known = try knownHosts(for: destination).kinds(host: destination.host, port: destination.port)
    let kinds = all.filter(known.contains) + all.filter { !known.contains($0) }
    // An RSA key signs in three ways (RFC 8332); the first two came to libssh2 with version 1.11.
    return kinds.flatMap { $0 == "ssh-rsa" ? ["rsa-sha2-512", "rsa-sha2-256", $0] : [$0] }
  }

  /// Throws unless the key that a host offers is trusted, or becomes so now because it is the first.
  func check(_ blob: [UInt8], of destination: Destination, logger: Logger) throws(SSHError) {
    guard let offered = KnownHosts.Key(blob: blob) else {
      throw .hostKeyRefused(destination, reason: "it is malformed")
    }
    try Self.file.withLock { (_) throws(SSHError) in
      let known = try knownHosts(for: destination)
      switch known.verdict(on: offered, host: destination.host, port: destination.port) {
      case .trusted:
        return
      case .revoked:
        throw .hostKeyRefused(destination, reason: "\(offered.fingerprint) is marked @revoked in \(path)")
      case .changed(let known):
        throw .hostKeyChanged(destination, offered: offered.fingerprint, known: known, file: path)
      case .certificateAuthorityOnly:
        throw .hostKeyRefused(
          destination,
          reason: "\(path) has only a @cert-authority line for it, and host certificates are not supported: add the"
            + " host's own key, \(offered.fingerprint)")
      case .unknown:
        try unknown(offered, of: destination, logger: logger)
      }
    }
  }

  private func unknown(_ offered: KnownHosts.Key, of destination: Destination, logger: Logger) throws(SSHError) {
    guard case .trustOnFirstUse = self else {
      throw .hostKeyUnknown(destination, offered: offered.fingerprint, file: path)
    }
    let name = KnownHosts.name(host: destination.host, port: destination.port)
    do {
      try append("\(name) \(offered.kind) \(Data(offered.blob).base64EncodedString())\n")
    } catch {
      throw .hostKeyRefused(destination, reason: "\(offered.fingerprint) cannot be saved in \(path) (\(error))")
    }
    logger.notice(
      "trusting the first host key of \(name): \(offered.fingerprint)",
      metadata: ["file": .string(path)])
  }

  private func knownHosts(for destination: Destination) throws(SSHError) -> KnownHosts {
    do {
      return KnownHosts(try read())
    } catch {
      throw .hostKeyRefused(destination, reason: "the known hosts file \(path) cannot be read (\(error))")
    }
  }

  /// More than a file with the keys of a hundred thousand hosts has.
  private static let longest = 64 << 20

  private func read() throws(FileError) -> [UInt8] {
    // Not to wait for a writer, should it be a pipe.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      if case .trustOnFirstUse = self, errno == ENOENT { return [] }
      throw FileError(errno: errno)
    }
    defer { _ = close(descriptor) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      let count = Glibc.read(descriptor, &chunk, chunk.count)
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw FileError(errno: errno) }
      guard count > 0 else { return bytes }
      bytes += chunk[..<count]
      guard bytes.count <= Self.longest else { throw FileError(reason: "larger than \(Self.longest) bytes") }
    }
  }

  /// On disk before it counts: after a crash the same key must still be the known one.
  private func append(_ line: String) throws(FileError) {
    let descriptor = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw FileError(errno: errno) }
    defer { _ = close(descriptor) }
    // Somebody may have left the last line without its end, and it must not become one with ours.
    var last = UInt8(ascii: "\n")
    let end = lseek(descriptor, 0, SEEK_END)
    if end > 0 { _ = pread(descriptor, &last, 1, end - 1) }
    let bytes = Array((last == UInt8(ascii: "\n") ? line : "\n" + line).utf8)
    guard write(descriptor, bytes, bytes.count) == bytes.count, fsync(descriptor) == 0 else {
      throw FileError(errno: errno)
    }
  }
}

private struct FileError: Error, CustomStringConvertible {
  let reason: String
  init(reason: String) { self.reason = reason }
  init(errno: Int32) { reason = SystemError.text(errno) }
  var description: String { reason }
}
