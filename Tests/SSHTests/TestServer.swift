import Foundation
import Logging
import SSH
import Support
import TestSupport
import Testing

/// A real sshd on a free port of the loopback interface, in a directory of its own, for the user who runs the tests.
final class TestServer: @unchecked Sendable {
  let directory: URL
  let port: Int
  private var child: Child?
  private let configuration: URL

  /// - Parameter options: lines for sshd_config before the usual ones; sshd takes the first of two.
  static func start(options: [String] = [], hostKeys: [TestKeys.Kind] = [.ed25519]) async throws -> TestServer {
    try await onThread { try TestServer(options: options, hostKeys: hostKeys) }
  }

  private init(options: [String], hostKeys: [TestKeys.Kind]) throws {
    directory = FileManager.default.temporaryDirectory.appendingPathComponent("sshd-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    // sshd insists on its privilege separation directory when started by root.
    if getuid() == 0 {
      try? FileManager.default.createDirectory(atPath: "/run/sshd", withIntermediateDirectories: true)
    }
    port = try Self.freePort()
    configuration = directory.appendingPathComponent("sshd_config")
    try Data().write(to: directory.appendingPathComponent("log"))
    var lines = options
    for kind in hostKeys {
      let file = directory.appendingPathComponent("host_\(kind.rawValue)").path
      try Child(["/usr/bin/ssh-keygen", "-q", "-t", kind.rawValue, "-N", "", "-f", file]).wait()
      lines.append("HostKey \(file)")
    }
    lines += [
      "Port \(port)", "ListenAddress 127.0.0.1", "StrictModes no", "UsePAM no", "LogLevel VERBOSE",
      "PidFile \(directory.path)/pid", "AuthorizedKeysFile \(directory.path)/authorized_keys",
      "PermitRootLogin prohibit-password",
      // Not the shell's start files of whoever runs the tests, which may take long, and may not like to be killed.
      "SetEnv HOME=\(directory.path)",
    ]
    if !options.contains(where: { $0.hasPrefix("Subsystem") }) { lines.append("Subsystem sftp internal-sftp") }
    try (lines.joined(separator: "\n") + "\n").write(to: configuration, atomically: true, encoding: .utf8)
    let authorized = try TestKeys.accepted.map { try TestKeys.publicText($0) }.joined()
    try authorized.write(to: directory.appendingPathComponent("authorized_keys"), atomically: true, encoding: .utf8)
    try startNow()
  }

  deinit {
    kill()
    try? FileManager.default.removeItem(at: directory)
  }

  /// Gives it another host key of a kind, with effect from the next start; the one that it had.
  @discardableResult
  func setHostKey(_ text: String, kind: TestKeys.Kind = .ed25519) throws -> String {
    let file = directory.appendingPathComponent("host_\(kind.rawValue)")
    defer { try? Data(text.utf8).write(to: file) }  // In place, with its mode.
    return try String(contentsOf: file, encoding: .utf8)
  }

  func start() async throws { try await onThread { try self.startNow() } }

  private func startNow() throws {
    child = try Child([
      "/usr/sbin/sshd", "-D", "-f", configuration.path, "-E", directory.appendingPathComponent("log").path,
    ])
    for _ in 0..<500 {
      if log.contains("Server listening on") { return }
      usleep(10_000)
    }
  }

  /// Kills sshd and every process that serves a connection.
  func kill() {
    guard let child else { return }
    for pid in [child.pid] + descendants() { Glibc.kill(pid, SIGKILL) }
    child.wait()
    self.child = nil
    try? Data().write(to: directory.appendingPathComponent("log"))
  }

  /// The processes that sshd has started, at any remove.
  func descendants() -> [pid_t] {
    guard let child else { return [] }
    var parents: [pid_t: pid_t] = [:]
    for name in (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? [] {
      guard let pid = pid_t(name), let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
        let fields = stat.lastIndex(of: ")").map({ stat[$0...].split(separator: " ") }), fields.count > 2
      else { continue }
      parents[pid] = pid_t(fields[2])
    }
    var found: [pid_t] = []
    var front = [child.pid]
    while !front.isEmpty {
      front = parents.filter { front.contains($0.value) }.map(\.key)
      found += front
    }
    return found
  }

  var log: String { (try? String(contentsOf: directory.appendingPathComponent("log"), encoding: .utf8)) ?? "" }

  func count(_ text: String) -> Int { log.components(separatedBy: text).count - 1 }

  var logins: Int { count("Accepted publickey") }

  /// Commands that were started; a shell that is kept for many counts as one.
  var sessions: Int { count("Starting session: ") }

  var destination: Destination { Destination(host: "127.0.0.1", port: port, user: NSUserName()) }

  /// A known hosts file with this server's keys.
  func knownHosts(_ kinds: [TestKeys.Kind] = [.ed25519]) throws -> String {
    let lines = try kinds.map { kind in
      let text = try String(
        contentsOf: directory.appendingPathComponent("host_\(kind.rawValue).pub"), encoding: .utf8)
      return "[127.0.0.1]:\(port) " + text
    }
    let file = directory.appendingPathComponent("known_hosts").path
    try lines.joined().write(toFile: file, atomically: true, encoding: .utf8)
    return file
  }

  func pool(_ adjust: (inout PoolConfiguration) -> Void = { _ in }) throws -> ConnectionPool {
    var configuration = PoolConfiguration()
    adjust(&configuration)
    return ConnectionPool(
      hostKeys: .knownHosts(path: try knownHosts()), configuration: configuration, logger: .silent)
  }

  static func freePort() throws -> Int {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let result = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
        bind(descriptor, pointer, length) == 0 ? getsockname(descriptor, pointer, &length) : -1
      }
    }
    try #require(result == 0)
    return Int(UInt16(bigEndian: address.sin_port))
  }
}

/// Keys made by ssh-keygen, once for all tests.
enum TestKeys {
  enum Kind: String {
    case ed25519, ecdsa, rsa
  }

  enum Name: String, CaseIterable {
    case ed25519, ecdsa256, ecdsa384, ecdsa521, encrypted, rsa, stranger, pem, pkcs8
  }

  static let passphrase = "open sesame"
  static let accepted: [Name] = [.ed25519, .ecdsa256, .ecdsa384, .ecdsa521, .encrypted]

  private static let directory: Result<URL, any Error> = Result {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("keys-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    for name in Name.allCases {
      let arguments: [String]
      switch name {
      case .ed25519, .stranger: arguments = ["-t", "ed25519", "-N", ""]
      case .ecdsa256: arguments = ["-t", "ecdsa", "-b", "256", "-N", ""]
      case .ecdsa384: arguments = ["-t", "ecdsa", "-b", "384", "-N", ""]
      case .ecdsa521: arguments = ["-t", "ecdsa", "-b", "521", "-N", ""]
      case .encrypted: arguments = ["-t", "ed25519", "-N", passphrase]
      case .rsa: arguments = ["-t", "rsa", "-b", "2048", "-N", ""]
      case .pem: arguments = ["-t", "ecdsa", "-m", "PEM", "-N", ""]
      case .pkcs8: arguments = ["-t", "ecdsa", "-m", "PKCS8", "-N", ""]
      }
      let file = directory.appendingPathComponent(name.rawValue).path
      try Child(["/usr/bin/ssh-keygen", "-q", "-f", file] + arguments).wait()
    }
    atexit { if let made = try? TestKeys.directory.get() { try? FileManager.default.removeItem(at: made) } }
    return directory
  }

  static func text(_ name: Name) throws -> String {
    try String(contentsOf: directory.get().appendingPathComponent(name.rawValue), encoding: .utf8)
  }

  static func publicText(_ name: Name) throws -> String {
    try String(contentsOf: directory.get().appendingPathComponent("\(name.rawValue).pub"), encoding: .utf8)
  }

  static func key(_ name: Name = .ed25519) throws -> PrivateKey {
    try PrivateKey(text: text(name), passphrase: name == .encrypted ? passphrase : nil)
  }

  /// The fingerprint as ssh-keygen computes it.
  static func fingerprint(_ name: Name) async throws -> String {
    let file = try directory.get().appendingPathComponent(name.rawValue).path
    let line = try await String(decoding: run("/usr/bin/ssh-keygen", "-l", "-f", file), as: UTF8.self)
    return String(line.split(separator: " ")[1])
  }
}

extension CommandOutput {
  var text: String { String(decoding: stdout, as: UTF8.self) }
}
