import TestSupport
import Testing

@testable import HTTPClient

@Suite("Requests to other servers", .timeLimit(.minutes(1)))
struct OutboundClientTests {
  private let client = OutboundClient(atOnce: 4)

  private func request(_ server: ScriptedServer) throws -> OutboundRequest {
    OutboundRequest(try OutboundAddress(server.url))
  }

  private func error(_ request: OutboundRequest) async -> OutboundError? {
    do throws(OutboundError) {
      _ = try await client.send(request)
      return nil
    } catch {
      return error
    }
  }

  @Test("A response has its status, its fields and its bytes")
  func response() async throws {
    let server = ScriptedServer(
      .raw("HTTP/1.1 418 Teapot\r\nX-One:  a  b \r\nx-one: c\r\nContent-Length: 3\r\n\r\n\0\u{1}x"))
    defer { server.stop() }
    let response = try await client.send(try request(server))
    #expect(response.status == 418 && response.body == [0, 1, 0x78])
    #expect(response["x-ONE"] == "a b" && response["X-Two"] == nil)
    #expect(response.headers.map(\.name) == ["X-One", "x-one", "Content-Length"])
  }

  @Test(
    "A request has its method, its fields and its body, and nothing of libcurl's own",
    arguments: OutboundRequest.Method.allCases)
  func sent(method: OutboundRequest.Method) async throws {
    let server = ScriptedServer(.raw("HTTP/1.1 204 No Content\r\n\r\n"))
    defer { server.stop() }
    var request = try request(server)
    request.method = method
    request.headers = [("X-Empty", ""), ("X-Text", "größer: ;")]
    if [.post, .put, .patch].contains(method) { request.body = Array("some body".utf8) }
    #expect(try await client.send(request).status == 204)
    let sent = try #require(server.requests.first)
    #expect(sent.hasPrefix("\(method.rawValue) /keys?token=hidden HTTP/1.1\r\n"))
    #expect(sent.contains("\r\nX-Empty:\r\n") && sent.contains("\r\nX-Text: größer: ;\r\n"))
    #expect(sent.contains("\r\nUser-Agent: weir\r\n") && !sent.contains("Content-Type") && !sent.contains("Expect"))
    #expect(sent.hasSuffix(request.body == nil ? "\r\n\r\n" : "\r\n\r\nsome body"))
    #expect(sent.contains("Content-Length") == (request.body != nil))
  }

  @Test("An empty body is sent as one")
  func emptyBody() async throws {
    let server = ScriptedServer(.raw("HTTP/1.1 204 No Content\r\n\r\n"))
    defer { server.stop() }
    var request = try request(server)
    (request.method, request.body, request.headers) = (.post, [], [("Content-Type", "application/json")])
    #expect(try await client.send(request).status == 204)
    let sent = try #require(server.requests.first)
    #expect(sent.contains("\r\nContent-Length: 0\r\n") && sent.contains("\r\nContent-Type: application/json\r\n"))
  }

  @Test(
    "No field can be smuggled in",
    arguments: [
      ("X", "a\r\nY: b"), ("X", "a\nb"), ("X", "a\0b"), ("X\r\nY", "a"), ("X: y", "a"), ("", "a"), ("X ", "a"),
      ("@file", "a"),
      ("X;", ""),
    ])
  func smuggling(name: String, value: String) async throws {
    let server = ScriptedServer(.raw("HTTP/1.1 204 No Content\r\n\r\n"))
    defer { server.stop() }
    var request = try request(server)
    request.headers = [(name, value)]
    #expect(await error(request) == .invalidHeader(name))
    #expect(server.requests == [])
  }

  @Test("A redirection is the response, unless redirections are asked for, and so many only")
  func redirections() async throws {
    let target = ScriptedServer(.answer("there", tag: "t"))
    let server = ScriptedServer(ScriptedServer.status("302 Found", "Location: \(target.url)\r\nX-First: 1\r\n"))
    let loop = ScriptedServer(ScriptedServer.status("302 Found", "Location: /keys\r\n"))
    defer { for server in [target, server, loop] { server.stop() } }
    var request = try request(server)
    let first = try await client.send(request)
    #expect(first.status == 302 && first["Location"] == target.url && target.requests == [])
    request.redirects = 1
    let last = try await client.send(request)
    #expect(last.status == 200 && last.body == Array("there".utf8) && last["ETag"] == "\"t\"" && last["X-First"] == nil)
    var endless = try self.request(loop)
    endless.redirects = 3
    guard case .failed(let reason) = await error(endless) else { throw Unexpected() }
    #expect(reason.contains("redirect") && loop.requests.count == 4)
    loop.behave(ScriptedServer.status("302 Found", "Location: file:///etc/passwd\r\n"))
    #expect(await error(endless) == .foreignScheme)
  }

  private struct Unexpected: Error {}

  @Test(
    "What is longer than allowed is not taken",
    arguments: [
      .raw("HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n"),
      .raw("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + String(repeating: "x", count: 101)),
      .raw("HTTP/1.1 200 OK\r\nX: \(String(repeating: "x", count: 5000))\r\nContent-Length: 0\r\n\r\n"),
      .flood(head: "HTTP/1.1 200 OK\r\n"), .flood(head: "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"),
    ] as [ScriptedServer.Behaviour])
  func bounds(behaviour: ScriptedServer.Behaviour) async throws {
    let server = ScriptedServer(behaviour)
    defer { server.stop() }
    var request = try request(server)
    (request.bodyLimit, request.headLimit) = (100, 4000)
    #expect(await error(request) == .tooLong)
  }

  @Test("A request ends when its time is up, and one to nobody fails at once")
  func failures() async throws {
    let server = ScriptedServer(.hang)
    defer { server.stop() }
    var request = try request(server)
    request.timeout = .milliseconds(100)
    let error = await error(request)
    guard case .failed(let reason) = error else { throw Unexpected() }
    #expect(reason.contains("timeout") && "\(OutboundError.failed(reason))" == reason)
    server.stop()
    let closed = ScriptedServer(.hang)
    closed.stop()
    while try await (self.error(self.request(closed)))?.description.contains("connect") != true {
      try await Task.sleep(for: .milliseconds(10))
    }
  }

  @Test("The rule for addresses is asked for each connection, redirections too, before it is made")
  func addresses() async throws {
    let target = ScriptedServer(.answer("there"))
    let server = ScriptedServer(ScriptedServer.status("302 Found", "Location: http://localhost:\(target.port)/\r\n"))
    defer { for server in [target, server] { server.stop() } }
    let loopback = try #require(PeerAddress(bytes: [127, 0, 0, 1]))
    var request = try request(server)
    request.allowsPeer = { $0 != loopback }
    #expect(await error(request) == .refusedPeer(loopback))
    #expect(server.requests == [])
    request.allowsPeer = { $0 == loopback }
    request.redirects = 1
    #expect(try await client.send(request).body == Array("there".utf8))
    #expect("\(OutboundError.refusedPeer(loopback))" == "connections to 127.0.0.1 are not allowed")
  }

  @Test("So many requests are under way at once, so many wait, and one more is refused")
  func crowd() async throws {
    let server = ScriptedServer(.hang)
    defer { server.stop() }
    let client = OutboundClient(atOnce: 2, waiting: 3)
    var request = try request(server)
    request.timeout = .seconds(30)
    let patient = request
    let results = await withTaskGroup(of: OutboundError?.self) { group in
      for _ in 0..<6 {
        group.addTask {
          do throws(OutboundError) {
            _ = try await client.send(patient)
            return nil
          } catch {
            return error
          }
        }
      }
      // The first to end is the one too many, while two are under way and three wait.
      let first = await group.next() ?? nil
      while server.requests.count < 2 { try? await Task.sleep(for: .milliseconds(5)) }
      #expect(first == .busy && server.requests.count == 2)
      server.behave(.answer("now"))
      server.release()
      var rest: [OutboundError?] = []
      for await result in group { rest.append(result) }
      return rest
    }
    #expect(results.count == 5 && !results.contains(.busy))
    #expect(results.filter { $0 == nil }.count >= 3)
  }
}
