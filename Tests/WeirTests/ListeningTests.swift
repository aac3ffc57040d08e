import HTTP
import Logging
import Testing

@testable import weir

@Suite("An address that another process listens on")
struct ListeningTests {
  private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

  private func server(_ port: Int = 0) -> Server {
    Server(configuration: ServerConfiguration(port: port), router: Router(), logger: logger)
  }

  @Test("It is waited for when the process ends soon")
  func soon() async throws {
    let first = server()
    try first.start()
    let second = server(first.port)
    async let started: Void = second.start(logger: logger, within: .seconds(60)) { false }
    try await Task.sleep(for: .milliseconds(300))
    await first.drain(within: .seconds(5))
    try await started
    #expect(second.port == first.port)
    await second.drain(within: .seconds(5))
  }

  @Test("It is an error when the process stays, and none when the program is to end")
  func stays() async throws {
    let first = server()
    try first.start()
    let second = server(first.port)
    await #expect(throws: ServerError.self) { try await second.start(logger: logger, within: .zero) { false } }
    try await second.start(logger: logger, within: .seconds(60)) { true }
    await first.drain(within: .seconds(5))
  }
}
