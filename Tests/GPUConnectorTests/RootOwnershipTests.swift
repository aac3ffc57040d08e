import ConnectorAPI
import JobEngine
import Logging
import TestSupport
import Testing

@testable import GPUConnector

@Suite("Whose the job root of a server is")
struct RootOwnershipTests {
  private let status = Shared(ServerStatus())
  private let log = LogRecorder()

  @Test("Another's root takes no jobs until it is ours, and is listed again then")
  func takenOver() throws {
    let us = RootOwner(id: "us", host: "here", place: "p")
    let root = RootOwnership(us, patience: .init(time: .zero, sweeps: 2), status: status, logger: log.logger)
    let facts = try PrepareAnswer.ofAServer()
    status.change { $0.facts = facts }
    try root.note(root.nextRecord())
    #expect(status.value.foreignOwner == nil)
    let theirs = "them there q 1"
    try root.note(theirs)
    #expect(status.value.foreignOwner?.contains("in use by Weir on there") == true)
    #expect(root.sweepWords()[1] == "")
    try root.note(theirs)
    #expect(root.sweepWords()[1] == theirs && status.value.facts != nil)
    #expect(throws: BackendError.self) { try root.note(root.nextRecord()) }
    #expect(status.value.foreignOwner == nil && status.value.facts == nil)
    try root.note(root.nextRecord())
    #expect(log.lines.map(\.level) == [.warning, .notice])
  }

  @Test("Each record that is written is another")
  func records() {
    let root = RootOwnership(RootOwner(), patience: .init(), status: status, logger: log.logger)
    #expect(Set([root.nextRecord(), root.sweepWords()[0], root.nextRecord()]).count == 3)
  }
}
