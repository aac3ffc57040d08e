import Dispatch
import Glibc
import Logging
import Support
import Testing

@testable import HTTP

/// A request that every ``TestServer`` answers.
let get = "GET /live HTTP/1.1\r\nHost: a\r\n\r\n"

/// A server on a free port, with the routes the tests ask for.
struct TestServer: Sendable {
  let server: Server
  var port: Int { server.port }

  /// Runs `body` with a started server, and drains it after.
  @discardableResult
  static func run<Result: Sendable>(
    limits: Limits = Limits(), loops: Int = 1, records: Records? = nil,
    routes: (inout Router) -> Void = { _ in },
    _ body: (TestServer) async throws -> Result
  ) async throws -> Result {
    var router = Router()
    router.on("GET", "/live") { _ in .now(.text("alive")) }
    router.on("POST", "/echo") { request in
      .now(Response(headers: ["Content-Type": "application/octet-stream"], body: .bytes(request.body)))
    }
    routes(&router)
    var configuration = ServerConfiguration(port: 0, loops: loops, limits: limits)
    configuration.accessLog = records?.log
    return try await run(configuration, router, body)
  }

  /// Runs `body` with a server that has these routes only.
  @discardableResult
  static func run<Result: Sendable>(
    _ configuration: ServerConfiguration, _ router: Router, _ body: (TestServer) async throws -> Result
  ) async throws -> Result {
    let test = TestServer(configuration, router)
    try test.server.start()
    do {
      let result = try await body(test)
      await test.server.drain(within: .zero)
      return result
    } catch {
      await test.server.drain(within: .zero)
      throw error
    }
  }

  private init(_ configuration: ServerConfiguration, _ router: Router) {
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    server = Server(configuration: configuration, router: router, logger: logger)
  }

  /// Runs `body` with a connected client on a thread of its own: it blocks, and the tasks that answer need theirs.
  @discardableResult
  func client<Result: Sendable>(_ body: @escaping @Sendable (Client) throws -> Result) async throws -> Result {
    let port = port
    return try await blocking {
      let client = try Client(port: port)
      defer { client.close() }
      return try body(client)
    }
  }

  /// Sends `text` over a new connection, and reads one response.
  func exchange(_ text: String) async throws -> Reply {
    try await client { client in
      try client.send(text)
      return try client.reply()
    }
  }

  /// The descriptors of this process bound to the server's port: the listener and its connections.
  var openDescriptors: Int {
    (0..<Int32(4096)).count { Socket.port(of: $0) == port }
  }
}

func blocking<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
  try await withCheckedThrowingContinuation { continuation in
    DispatchQueue(label: "blocking").async { @Sendable in
      continuation.resume(with: Swift.Result { try body() })
    }
  }
}

enum ClientError: Error {
  case failed(String)
  /// The server closed, or nothing came within half a minute.
  case ended
}

/// What a client reads.
struct Reply: Equatable, Sendable {
  var status: Int
  var head: String
  var body: [UInt8]

  var text: String { String(decoding: body, as: UTF8.self) }

  func field(_ name: String) -> String? {
    for line in head.split(separator: "\r\n") where line.lowercased().hasPrefix(name.lowercased() + ": ") {
      return String(line.dropFirst(name.count + 2))
    }
    return nil
  }
}

/// A client that sends the bytes it is told to, over a blocking socket.
final class Client: @unchecked Sendable {
  let fd: Int32
  private var buffer: [UInt8] = []
  private var isClosed = false

  init(port: Int) throws {
    fd = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
    let outcome = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(fd, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard outcome == 0 else { throw ClientError.failed("connect: \(errno)") }
    var timeout = timeval(tv_sec: 30, tv_usec: 0)
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    var on: Int32 = 1
    setsockopt(fd, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
  }

  /// Once only: the descriptor may be somebody else's by the second time.
  func close() {
    if isClosed { return }
    isClosed = true
    _ = Glibc.close(fd)
  }

  /// Closes so that the server sees a reset.
  func reset() {
    Socket.reset(fd)
    close()
  }

  /// Sends `text`, and reads one response, on a thread of its own.
  func exchange(_ text: String) async throws -> Reply {
    try await blocking { [self] in
      try send(text)
      return try reply()
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

  /// Waits until the server at this port has read all that was sent: the buffers of both ends are empty.
  func awaitReading(by server: Int) throws {
    let own = Socket.port(of: fd)
    let deadline = ContinuousClock.now + .seconds(30)
    while try Self.waiting(at: own, from: server)?.sent != 0 || Self.waiting(at: server, from: own)?.received != 0 {
      guard ContinuousClock.now < deadline else { throw ClientError.failed("the server does not read") }
      usleep(1000)
    }
  }

  /// The bytes in the buffers of one end of a connection, from proc(5); nil without such a connection.
  private static func waiting(at local: Int, from remote: Int) throws -> (sent: Int, received: Int)? {
    // A server that listens for both has its connections among those of version 6.
    let tables = try ["tcp", "tcp6"].map { try BoundedFile.read("/proc/net/\($0)", most: 16 << 20) }
    for line in tables.flatMap({ String(decoding: $0, as: UTF8.self).split(separator: "\n").dropFirst() }) {
      let columns = line.split(separator: " ")
      guard columns[1...2].map({ Int($0.suffix(4), radix: 16) }) == [local, remote] else { continue }
      let queues = columns[4].split(separator: ":").compactMap { Int($0, radix: 16) }
      return (queues[0], queues[1])
    }
    return nil
  }

  /// Whether something can be read, the end too, within so many milliseconds.
  func hasInput(within milliseconds: Int32) -> Bool {
    var poll = pollfd(fd: fd, events: Int16(POLLIN), revents: 0)
    return Glibc.poll(&poll, 1, milliseconds) == 1
  }

  /// More bytes into the buffer; false at the end of the stream.
  private func fill() throws -> Bool {
    var chunk = [UInt8](repeating: 0, count: 65_536)
    let count = recv(fd, &chunk, chunk.count, 0)
    guard count >= 0 else { throw ClientError.failed("recv: \(errno)") }
    buffer.append(contentsOf: chunk[..<count])
    return count > 0
  }

  /// Everything until the server closes.
  func rest() throws -> [UInt8] {
    while try fill() {}
    defer { buffer = [] }
    return buffer
  }

  /// The next line, without its line end.
  func line() throws -> String {
    var end: Int?
    while true {
      end = buffer.firstIndex(of: UInt8(ascii: "\n"))
      if end != nil { break }
      guard try fill() else { throw ClientError.ended }
    }
    let line = String(decoding: buffer[..<end!], as: UTF8.self)
    buffer.removeFirst(end! + 1)
    return line.hasSuffix("\r") ? String(line.dropLast()) : line
  }

  func take(_ count: Int) throws -> [UInt8] {
    while buffer.count < count { guard try fill() else { throw ClientError.ended } }
    defer { buffer.removeFirst(count) }
    return Array(buffer[..<count])
  }

  /// The next response, interim ones too.
  func reply(isHead: Bool = false) throws -> Reply {
    let first = try line()
    guard first.hasPrefix("HTTP/1.1 "), let status = Int(first.dropFirst(9).prefix(3)) else {
      throw ClientError.failed("status line \(first)")
    }
    var head = ""
    while case let line = try line(), !line.isEmpty { head += line + "\r\n" }
    var reply = Reply(status: status, head: head, body: [])
    if isHead || status < 200 || status == 204 || status == 304 { return reply }
    if let length = reply.field("Content-Length").flatMap({ Int($0) }) {
      reply.body = try take(length)
    } else if reply.field("Transfer-Encoding") == "chunked" {
      while let size = Int(try line(), radix: 16), size > 0 {
        reply.body += try take(size)
        _ = try line()
      }
      _ = try line()
    } else {
      reply.body = try rest()
    }
    return reply
  }
}
