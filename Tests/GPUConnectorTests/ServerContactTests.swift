import Logging
import TestSupport
import Testing

@testable import GPUConnector

@Suite("Whether a server can be reached")
struct ServerContactTests {
  private let status = Shared(ServerStatus())
  private let log = LogRecorder()

  private var contact: ServerContact {
    ServerContact(ServerShell(FakeServer(nil), status), status: status, logger: log.logger)
  }

  @Test("The reason is kept without the server's name, and logged once")
  func reason() throws {
    let contact = contact
    let facts = try PrepareAnswer.ofAServer()
    status.change { $0.facts = facts }
    for _ in 0..<3 { contact.lost("alpha: no route") }
    #expect(status.value.failure == "no route" && status.value.facts == nil)
    contact.lost("connection refused")
    #expect(log.lines.map(\.level) == [.warning, .warning])
    contact.answered()
    contact.answered()
    #expect(log.lines("the server answers again").count == 1)
  }

  @Test("It is tried again after ever longer pauses, of 30 s at most")
  func pauses() {
    let contact = contact
    for seconds in [2, 4, 8, 16, 30, 30, 30] {
      contact.lost("no route")
      #expect((Duration.seconds(seconds) * 0.75...Duration.seconds(seconds)).contains(contact.pause))
    }
    contact.answered()
    contact.lost("no route")
    #expect(contact.pause <= .seconds(2))
  }
}
