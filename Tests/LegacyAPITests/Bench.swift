import CLibCrypto
import Callers
import ConnectorAPI
import DummyConnector
import Foundation
import HTTP
import JobModel
import Logging
import Tokens

@testable import JobEngine
@testable import JobStoreSQLite
@testable import LegacyAPI

/// The legacy API on a real server with a free port, over a job store of its own.
///
/// Nothing observes by itself: a test says when with ``look()``, so that none has to wait.
final class Bench: Sendable {
  /// Who sends a request.
  enum Sender {
    case upstream, nobody
    case user(String)
    case admin(String)
    case raw(String)

    var authorization: String? {
      switch self {
      case .upstream: "Basic " + Data("upstream:s3cret".utf8).base64EncodedString()
      case .user(let mail): "Bearer " + Bench.token(mail)
      case .admin(let mail): "Bearer " + Bench.token(mail, groups: ["users", "admins"])
      case .raw(let value): value
      case .nobody: nil
      }
    }
  }

  let service: JobService
  let api: LegacyAPI
  /// The state directory.
  let directory: URL
  private let server: Server

  /// Runs `body` with a started service, which has looked at the backend once.
  static func run(
    _ connector: any Connector = dummy(), settings: ExecutorSettings = .init(), vaultRoots: [String] = [],
    adopting: Bool = false, looked: Bool = true, clock: JobClock = .system, load: Load = Load(),
    _ body: (Bench) async throws -> Void
  ) async throws {
    let bench = try Bench(connector, settings, vaultRoots, adopting, clock, load)
    if looked { await bench.look() }
    do {
      try await body(bench)
      await bench.end()
    } catch {
      await bench.end()
      throw error
    }
  }

  /// A connector whose jobs stay in one place: for good, if a time is not 0.
  static func dummy(
    queued: Int = 0, running: Int = 1000, failing: Int = 0, interactive: Bool = false
  ) -> DummyConnector {
    var configuration = DummyConnector.Configuration()
    configuration.queuedTime = queued
    configuration.runningTime = running
    configuration.failingPercent = failing
    configuration.interactive = interactive
    return DummyConnector(configuration: configuration)
  }

  private init(
    _ connector: any Connector, _ settings: ExecutorSettings, _ vaultRoots: [String], _ adopting: Bool,
    _ clock: JobClock, _ load: Load
  ) throws {
    directory = FileManager.default.temporaryDirectory.appendingPathComponent("weir-test-\(UUID().uuidString)")
    let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
    var configuration = JobService.Configuration()
    configuration.resolveTime = .milliseconds(10)
    configuration.lingering = .zero
    configuration.clock = clock
    if adopting { configuration.recoveryKey = RecoveryKey(secret: Self.secret, accountOf: { _ in "kirby" }) }
    service = JobService(
      store: try SQLiteJobStore(directory: directory.path), connector: connector, configuration: configuration,
      logger: logger)
    api = LegacyAPI(
      service: service,
      gate: Gate(
        authenticator: Authenticator(
          serviceKeys: ["other:key", "upstream:s3cret"],
          verifier: try TokenVerifier(keys: [VerificationKey(contents: Self.secret)]),
          userClaim: "email", adminClaim: ("groups", "admins")),
        load: load, logger: logger),
      accountOf: { ["kirby@example.com": "kirby", "mario@example.com": "mario", "jos\u{e9}@example.com": "jose"][$0] },
      settings: settings,
      interactiveJobs: connector.has(.interactive), version: "1.2.3", vaultRoots: vaultRoots)
    var router = Router()
    api.register(on: &router)
    server = Server(configuration: ServerConfiguration(port: 0), router: router, logger: logger)
    try server.start()
  }

  private func end() async {
    await server.drain(within: .zero)
    try? FileManager.default.removeItem(at: directory)
  }

  /// One observation of all jobs.
  @discardableResult
  func look() async -> Bool { await service.poller.poll() }

  // MARK: Calls

  func get(_ path: String, as sender: Sender = .upstream) async throws -> Reply {
    try await send("GET", path, as: sender)
  }

  /// A call as the upstream makes it: JSON in the form field `args`.
  func call(_ path: String, _ args: String, as sender: Sender = .upstream) async throws -> Reply {
    let form = "args=" + (args.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? "")
    return try await send("POST", path, "application/x-www-form-urlencoded", form, as: sender)
  }

  /// A call about one job.
  func call(_ path: String, _ job: Submitted, as sender: Sender = .upstream) async throws -> Reply {
    try await call(path, job.args, as: sender)
  }

  func send(
    _ method: String, _ path: String, _ contentType: String? = nil, _ body: String = "", as sender: Sender = .upstream
  ) async throws -> Reply {
    var head = "\(method) \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    if let contentType { head += "Content-Type: \(contentType)\r\n" }
    if method != "GET" && method != "HEAD" { head += "Content-Length: \(body.utf8.count)\r\n" }
    if let authorization = sender.authorization { head += "Authorization: \(authorization)\r\n" }
    let request = Array((head + "\r\n" + body).utf8)
    let port = server.port
    return try Reply(await blocking { try exchange(request, port: port) }, isHead: method == "HEAD")
  }

  // MARK: Jobs

  struct Submitted {
    let name: String
    let id: String
    let script: String
    var args: String { #"{"name":"\#(name)","number":1,"jobid":"\#(id)"}"# }
    /// The job's part of `/request/...`.
    var path: String { "/request/\(name)/1/\(id)" }
  }

  func submit(_ name: String = "job", mail: String = "kirby@example.com", script: [String] = Script.plain) async throws
    -> Submitted
  {
    let reply = try await call("/submit", Script.args(name, mail: mail, lines: script))
    let pair = try reply.json() as? [String] ?? []
    guard reply.status == 200, pair.count == 2 else { throw BenchError.refused(reply) }
    return Submitted(name: name, id: pair[0], script: pair[1])
  }

  // MARK: Tokens

  private static let secret = Array("a secret of thirty-two bytes or more".utf8)

  /// A token that names a user, good until the year 2100.
  static func token(_ mail: String, groups: [String] = []) -> String {
    func encoded(_ bytes: [UInt8]) -> String {
      Data(bytes).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }
    let header = encoded(Array(#"{"alg":"HS256","typ":"JWT"}"#.utf8))
    let claims = #"{"exp":4102444800,"email":"\#(mail)","groups":\#(groups)}"#
    let signed = header + "." + encoded(Array(claims.utf8))
    var code = [UInt8](repeating: 0, count: 32)
    var length = 0
    EVP_Q_mac(
      nil, "HMAC", nil, "SHA256", nil, secret, secret.count, signed, signed.utf8.count, &code, code.count, &length)
    return signed + "." + encoded(code)
  }
}

enum BenchError: Error {
  case refused(Reply)
  case failed(String)
}

/// Scripts as the upstream sends them.
enum Script {
  static let plain = ["JOBOBJ_INTERACTIVE=False", "JOBOBJ_APPDEFVERSION=2", "JARVICE_CPU_CORES=1", "true"]

  /// These lines, and those of the plain ones whose names they do not set.
  static func with(_ lines: [String]) -> [String] {
    func name(_ line: String) -> Substring { line.prefix { $0 != "=" } }
    return lines + plain.filter { usual in !lines.contains { name($0) == name(usual) } }
  }

  static func encoded(_ lines: [String]) -> String { Data(lines.joined(separator: "\n").utf8).base64EncodedString() }

  /// The arguments of `/submit`, with members of `more` added or in place of the usual ones; null takes one away.
  static func args(
    _ name: String = "job", mail: String = "kirby@example.com", lines: [String] = plain, _ more: [String: Any] = [:]
  ) throws -> String {
    var members: [String: Any] = [
      "name": name, "number": 1, "nodes": 1, "hpc_script": ["singularity": encoded(lines)],
      "bearer": Bench.token(mail),
    ]
    for (key, value) in more { members[key] = value is NSNull ? nil : value }
    return String(decoding: try JSONSerialization.data(withJSONObject: members), as: UTF8.self)
  }
}

/// What a client reads.
struct Reply: Sendable {
  let status: Int
  private let fields: [String: String]
  let body: [UInt8]

  var text: String { String(decoding: body, as: UTF8.self) }
  subscript(name: String) -> String? { fields[name.lowercased()] }
  func json() throws -> Any { try JSONSerialization.jsonObject(with: Data(body)) }

  /// The member `code` of an error, if the answer is one in the form that all errors have.
  var code: String? {
    guard let object = try? json() as? [String: String], let code = object["code"], let error = object["error"],
      Set(object.keys).isSubset(of: ["code", "error", "hint"]), !error.isEmpty,
      self["Content-Type"] == "application/json",
      text.hasPrefix(#"{"code":"\#(code)","error":""#), text.hasSuffix("\"}\n")
    else { return nil }
    return code
  }

  init(_ bytes: [UInt8], isHead: Bool) throws {
    guard let end = Data(bytes).range(of: Data("\r\n\r\n".utf8)) else { throw BenchError.failed("no head") }
    let lines = String(decoding: bytes[..<end.lowerBound], as: UTF8.self).components(separatedBy: "\r\n")
    guard let status = Int(lines[0].split(separator: " ")[1]) else { throw BenchError.failed(lines[0]) }
    self.status = status
    var fields: [String: String] = [:]
    for line in lines.dropFirst() {
      let parts = line.split(separator: ":", maxSplits: 1)
      // Several fields of a name are one list (RFC 9110, section 5.3).
      let value = parts[1].trimmingCharacters(in: .whitespaces)
      fields.merge([parts[0].lowercased(): value]) { "\($0), \($1)" }
    }
    self.fields = fields
    body = Array(bytes[end.upperBound...])
    guard isHead ? body.isEmpty : fields["content-length"] == String(body.count) else {
      throw BenchError.failed("a body of \(body.count) bytes under \(lines)")
    }
  }
}

/// Runs what blocks on a thread of its own, for the tasks that answer need theirs.
private func blocking<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
  try await withCheckedThrowingContinuation { continuation in
    DispatchQueue(label: "client").async { @Sendable in continuation.resume(with: Swift.Result { try body() }) }
  }
}

/// Sends bytes to a port of this machine, and reads until the server closes.
private func exchange(_ request: [UInt8], port: Int) throws -> [UInt8] {
  let fd = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
  defer { close(fd) }
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_port = in_port_t(port).bigEndian
  address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
  let connected = withUnsafePointer(to: &address) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      connect(fd, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
    }
  }
  guard connected == 0 else { throw BenchError.failed("connect: \(errno)") }
  var timeout = timeval(tv_sec: 10, tv_usec: 0)
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
  var sent = 0
  while sent < request.count {
    let count = send(fd, Array(request[sent...]), request.count - sent, Int32(MSG_NOSIGNAL))
    guard count > 0 else { throw BenchError.failed("send: \(errno)") }
    sent += count
  }
  var answer: [UInt8] = []
  var chunk = [UInt8](repeating: 0, count: 65_536)
  while true {
    let count = recv(fd, &chunk, chunk.count, 0)
    guard count >= 0 else { throw BenchError.failed("recv: \(errno)") }
    if count == 0 { return answer }
    answer += chunk[..<count]
  }
}
