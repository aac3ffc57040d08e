import Glibc
import Logging
import Synchronization
import Testing

@testable import HTTP

private let beginningOfGet = "GET /live HTTP/1.1\r\nHost: a\r\n"

@Suite("Routes that take the place of others")
struct HandoverTests {
  private func router(_ word: String) -> Router {
    var router = Router()
    router.on("GET", "/live") { _ in .now(.text(word)) }
    return router
  }

  /// Clients that ask without a pause until they are told to end.
  private final class Callers: Sendable {
    private let port: Int
    private let state = Mutex((words: [String](), isOver: false))

    init(_ port: Int) { self.port = port }

    var words: [String] { state.withLock { $0.words } }
    func end() { state.withLock { $0.isOver = true } }

    /// - Parameter keepsConnection: whether it is one connection, or a new one each time.
    func ask(keepsConnection: Bool) throws {
      // Also after an error, so that nobody waits for more.
      defer { end() }
      var client = try Client(port: port)
      while !state.withLock({ $0.isOver }) {
        try client.send(beginningOfGet + "\r\n")
        let word = try client.reply().text
        state.withLock { $0.words.append(word) }
        guard !keepsConnection else { continue }
        client.close()
        client = try Client(port: port)
      }
      client.close()
    }

    /// Until so many more were answered.
    func wait(for count: Int) async throws {
      let wanted = words.count + count
      while words.count < wanted, !state.withLock({ $0.isOver }) { try await Task.sleep(for: .milliseconds(5)) }
    }
  }

  @Test("no client is refused and no connection is closed meanwhile", arguments: [1, 2])
  func replace(loops: Int) async throws {
    try await TestServer.run(ServerConfiguration(port: 0, loops: loops), router("first")) { test in
      let callers = Callers(test.port)
      async let kept: Void = blocking { try callers.ask(keepsConnection: true) }
      async let new: Void = blocking { try callers.ask(keepsConnection: false) }
      try await callers.wait(for: 30)
      await test.server.replace(router: router("second"))
      let answer = try await test.exchange(beginningOfGet + "\r\n").text
      #expect(answer == "second")
      try await callers.wait(for: 30)
      callers.end()
      try await kept
      try await new
      let words = callers.words
      #expect(words.first == "first" && words.last == "second")
    }
  }

  @Test("a request under way is answered by the route that it came for")
  func underWay() async throws {
    let (began, begin) = AsyncStream.makeStream(of: Void.self)
    let (go, allow) = AsyncStream.makeStream(of: Void.self)
    var first = Router()
    first.on("GET", "/live") { _ in
      .later {
        begin.yield()
        for await _ in go { break }
        return .text("first")
      }
    }
    try await TestServer.run(ServerConfiguration(port: 0), first) { test in
      async let answer = test.exchange(beginningOfGet + "\r\n")
      for await _ in began { break }
      await test.server.replace(router: router("second"))
      allow.yield()
      let (former, next) = (try await answer.text, try await test.exchange(beginningOfGet + "\r\n").text)
      #expect(former == "first" && next == "second")
    }
  }

  @Test("no program that is started gets a socket of the server, listening or connected")
  func inheritance() async throws {
    try await TestServer.run(ServerConfiguration(port: 0), router("first")) { test in
      let port = test.port
      let open = try await test.client { client in
        try client.send(beginningOfGet + "\r\n")
        _ = try client.reply()
        return (0..<Int32(4096)).filter { Socket.port(of: $0) == port }
      }
      #expect(open.count == 2 && open.allSatisfy { fcntl($0, F_GETFD) & FD_CLOEXEC != 0 })
    }
  }
}
