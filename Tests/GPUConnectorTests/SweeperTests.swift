import Logging
import Testing

@testable import GPUConnector

@Suite("Many attempts are asked for at once")
struct SweeperTests {
  private let status = Shared(ServerStatus())

  private func sweeper(_ server: FakeServer) throws -> Sweeper {
    let facts = try PrepareAnswer.ofAServer()
    status.change { $0.facts = facts }
    return Sweeper(
      shell: ServerShell(server, status), reader: AttemptReader(name: "alpha", status: status), logger: .quiet)
  }

  @Test("As many as fit on a command line", arguments: [(0, []), (1, [1]), (1500, [1500]), (3001, [1500, 1500, 1])])
  func parts(count: Int, sizes: [Int]) {
    let parts = Sweeper.parts(Array(0..<count))
    #expect(parts.map(\.count) == sizes && parts.flatMap { $0 } == Array(0..<count))
  }

  @Test("Of jobs that were removed nothing is said when one part cannot be asked")
  func removed() async throws {
    let job = "01J00000000000000000000001"
    #expect(try await sweeper(FakeServer("removed \(job)")).removed(of: [job]) == [job])
    #expect(try await sweeper(FakeServer(nil)).removed(of: [job]) == nil)
    #expect(try await sweeper(FakeServer("nonsense")).removed(of: [job]) == nil)
    #expect(try await sweeper(FakeServer(nil)).removed(of: []) == [])
  }
}
