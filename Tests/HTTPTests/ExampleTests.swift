import Foundation
import HTTP
import Logging
import Testing

@Suite("The example in the documentation")
struct ExampleTests {
  /// The documentation's example, letter by letter.
  private func start() throws -> Server {
    // begin
    var router = Router()
    router.on("GET", "/live") { _ in .now(.text("alive")) }
    router.on("GET", "/hello/{name}") { request in
      .now(.text("Hello, \(request.parameters["name"] ?? "")!"))
    }
    router.on("POST", "/sum", bodyLimit: 10_000) { request in
      let numbers = try request.form().fields.compactMap { Int(String(decoding: $0.value, as: UTF8.self)) }
      guard !numbers.isEmpty else { throw HTTPError(.badRequest, code: "no_numbers", "there is nothing to add") }
      return .later { .text("\(numbers.reduce(0, &+))") }
    }
    router.on("GET", "/count") { _ in
      .now(
        Response(
          body: .stream(length: nil) { writer in
            for number in 1...3 { try await writer.write(Array("\(number)\n".utf8)) }
          }))
    }
    let server = Server(configuration: ServerConfiguration(port: 0), router: router, logger: Logger(label: "example"))
    try server.start()
    // end
    return server
  }

  @Test("does what it says")
  func run() async throws {
    let server = try start()
    let port = server.port
    let texts = try await blocking {
      let client = try Client(port: port)
      defer { client.close() }
      let form = "Host: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length"
      let requests = [
        "GET /live HTTP/1.1\r\nHost: a\r\n\r\n", "GET /hello/W%C3%B6rld HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /sum HTTP/1.1\r\n\(form): 7\r\n\r\na=1&b=2", "POST /sum HTTP/1.1\r\n\(form): 0\r\n\r\n",
        "GET /count HTTP/1.1\r\nHost: a\r\n\r\n",
      ]
      try client.send(requests.joined())
      return try requests.map { _ in try client.reply().text }
    }
    let refusal = "{\"code\":\"no_numbers\",\"error\":\"there is nothing to add\"}\n"
    #expect(texts == ["alive", "Hello, Wörld!", "3", refusal, "1\n2\n3\n"])
    await server.drain(within: .seconds(1))
  }

  @Test("is what is tested here")
  func sameText() throws {
    let here = URL(fileURLWithPath: #filePath)
    let source = try String(contentsOf: here, encoding: .utf8)
    let root = here.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    let page = try String(contentsOf: root.appending(path: "Sources/HTTP/HTTP.docc/HTTP.md"), encoding: .utf8)
    let tested = try #require(source.split(separator: "    // begin\n").last?.split(separator: "    // end\n").first)
    let shown = try #require(page.split(separator: "```swift\n").last?.split(separator: "```\n").first)
    let lines = tested.split(separator: "\n", omittingEmptySubsequences: false).map { $0.dropFirst(4) }
    #expect(lines.joined(separator: "\n") == String(shown))
  }
}
