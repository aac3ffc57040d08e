import Dispatch
import Foundation
import HTTP
import Logging
import Synchronization

@testable import Callers

/// A real server on a free port, behind a gate, whose paths say who the caller is.
final class Door: Sendable {
  let gate: Gate
  let log = LogLines()
  private let server: Server

  static func run(
    _ authenticator: Authenticator? = nil, maximumDelayed: Int = 1000, clock: some Clock<Duration> = ManualClock(),
    _ body: (Door) async throws -> Void
  ) async throws {
    let door = try Door(authenticator ?? .standing(), maximumDelayed, clock)
    do { try await body(door) } catch {
      await door.server.drain(within: .zero)
      throw error
    }
    await door.server.drain(within: .zero)
  }

  private init(_ authenticator: Authenticator, _ maximumDelayed: Int, _ clock: some Clock<Duration>) throws {
    let log = log
    let gate = Gate(
      authenticator: authenticator, logger: Logger(label: "test", factory: { _ in log }),
      maximumDelayed: maximumDelayed, clock: clock)
    var router = Router()
    router.on("GET", "/now") { try gate.admit($0) { _, caller in .now(.text(caller.name)) } }
    router.on("GET", "/later") { try gate.admit($0) { _, caller in .later { .text(caller.name) } } }
    router.on("GET", "/upgrade") {
      try gate.admit($0) { _, _ in .upgrade(to: "test") { _ in } }
    }
    router.on("GET", "/wrong") {
      try gate.admit($0) { _, _ in throw HTTPError(.conflict, code: "wrong", "this never works") }
    }
    router.on("POST", "/bearer") {
      try gate.admit($0) { request, caller in
        .later {
          let token = String(decoding: request.body, as: UTF8.self)
          return .text(try await gate.owner(ofBearer: token, from: caller, of: request))
        }
      }
    }
    self.gate = gate
    server = Server(
      configuration: ServerConfiguration(port: 0), router: router,
      logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
    try server.start()
  }

  /// A connected client, from an address of this machine.
  func client(from address: String = "127.0.0.1") throws -> Client { try Client(port: server.port, from: address) }

  /// One request over a connection of its own.
  func get(
    _ path: String = "/now", _ authorization: String?..., from address: String = "127.0.0.1"
  ) async throws -> Reply {
    let client = try client(from: address)
    return try await blocking {
      try client.send(Self.request(path, authorization.compactMap { $0 }))
      return try client.reply()
    }
  }

  /// One request with other fields than credentials.
  func get(_ path: String = "/now", host: String, fields: [String]) async throws -> Reply {
    let client = try client()
    return try await blocking {
      try client.send(
        "GET \(path) HTTP/1.1\r\nHost: \(host)\r\n" + fields.map { $0 + "\r\n" }.joined() + "\r\n")
      return try client.reply()
    }
  }

  func post(_ body: String, as authorization: String) async throws -> Reply {
    let client = try client()
    return try await blocking {
      try client.send(
        "POST /bearer HTTP/1.1\r\nHost: a\r\nAuthorization: \(authorization)\r\nContent-Length: \(body.utf8.count)\r\n\r\n"
          + body)
      return try client.reply()
    }
  }

  static func request(_ path: String, _ authorization: [String]) -> String {
    "GET \(path) HTTP/1.1\r\nHost: a\r\n" + authorization.map { "Authorization: \($0)\r\n" }.joined() + "\r\n"
  }
}

/// Keeps what is logged.
final class LogLines: LogHandler {
  private let kept = Mutex<[String]>([])
  var lines: [String] { kept.withLock { $0 } }

  func log(event: LogEvent) {
    let metadata = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    kept.withLock { $0.append(([event.level.rawValue, event.message.description] + metadata).joined(separator: " ")) }
  }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { nil }
    set {}
  }
  var metadata: Logger.Metadata {
    get { [:] }
    set {}
  }
  var logLevel: Logger.Level {
    get { .trace }
    set {}
  }
}

/// What a client reads.
struct Reply: Sendable {
  var status: Int
  var fields: [(name: String, value: String)]
  var body: String

  func values(_ name: String) -> [String] { fields.filter { $0.name == name.lowercased() }.map(\.value) }
  var error: [String: String] {
    (try? JSONSerialization.jsonObject(with: Data(body.utf8))) as? [String: String] ?? [:]
  }
  var everything: String { fields.map { "\($0.name): \($0.value)\n" }.joined() + body }
}

enum ClientError: Error {
  case failed(String)
}

/// Runs what blocks on a thread of its own, for the tasks that answer need theirs.
func blocking<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
  try await withCheckedThrowingContinuation { continuation in
    DispatchQueue(label: "client").async { @Sendable in continuation.resume(with: Swift.Result { try body() }) }
  }
}

/// A client over a blocking socket.
final class Client: @unchecked Sendable {
  private let fd: Int32
  private var buffer: [UInt8] = []
  private var start = 0

  init(port: Int, from: String) throws {
    fd = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard Self.with(from, 0, { bind(fd, $0, $1) }) == 0, Self.with("127.0.0.1", port, { connect(fd, $0, $1) }) == 0
    else { throw ClientError.failed("connect: \(errno)") }
    var timeout = timeval(tv_sec: 30, tv_usec: 0)
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
  }

  deinit { close(fd) }

  private static func with(
    _ host: String, _ port: Int, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
  ) -> Int32 {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    inet_pton(AF_INET, host, &address.sin_addr)
    return withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
    }
  }

  func send(_ text: String) throws { try send(Array(text.utf8)) }

  func send(_ bytes: [UInt8]) throws {
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes {
        Glibc.send(fd, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { throw ClientError.failed("send: \(errno)") }
      sent += count
    }
  }

  /// Whether something can be read within so many milliseconds.
  func hasInput(within milliseconds: Int32) -> Bool {
    var poll = pollfd(fd: fd, events: Int16(POLLIN), revents: 0)
    return start < buffer.count || Glibc.poll(&poll, 1, milliseconds) == 1
  }

  func reply() throws -> Reply {
    var lines: [String] = []
    while case let line = try line(), !line.isEmpty { lines.append(line) }
    let fields = lines.dropFirst().map { line in
      let parts = line.split(separator: ":", maxSplits: 1)
      return (name: parts[0].lowercased(), value: parts[1].trimmingCharacters(in: .whitespaces))
    }
    guard let status = lines.first.flatMap({ Int($0.split(separator: " ")[1]) }) else {
      throw ClientError.failed("no status line")
    }
    var reply = Reply(status: status, fields: fields, body: "")
    let length = reply.values("Content-Length").first.flatMap { Int($0) } ?? 0
    while buffer.count - start < length { try fill() }
    reply.body = String(decoding: buffer[start..<(start + length)], as: UTF8.self)
    start += length
    return reply
  }

  private func line() throws -> String {
    while true {
      if let end = buffer[start...].firstIndex(of: UInt8(ascii: "\n")) {
        defer { start = end + 1 }
        return String(decoding: buffer[start..<(end - 1)], as: UTF8.self)
      }
      try fill()
    }
  }

  private func fill() throws {
    buffer.removeFirst(start)
    start = 0
    var chunk = [UInt8](repeating: 0, count: 65_536)
    let count = recv(fd, &chunk, chunk.count, 0)
    guard count > 0 else { throw ClientError.failed("recv: \(count) \(errno)") }
    buffer += chunk[..<count]
  }
}
