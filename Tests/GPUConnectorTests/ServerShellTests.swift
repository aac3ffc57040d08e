import ConnectorAPI
import JobEngine
import ScriptTemplates
import Testing

@testable import GPUConnector

@Suite("Scripts that are run on a server")
struct ServerShellTests {
  private let status = Shared(ServerStatus())

  private func failure(_ server: FakeServer) async -> String? {
    do throws(BackendError) {
      _ = try await ServerShell(server, status).run(GPUScript.watch, [])
      return nil
    } catch { return error.description }
  }

  @Test("A server that was not made ready says why")
  func notReady() throws {
    let shell = ServerShell(FakeServer(nil), status)
    func reason() -> String? {
      do throws(BackendError) {
        _ = try shell.root()
        return nil
      } catch { return error.description }
    }
    #expect(reason()?.contains("alpha: is being prepared") == true)
    status.change { $0.failure = "no route" }
    #expect(reason()?.contains("alpha: no route") == true)
    let facts = try PrepareAnswer.ofAServer()
    status.change { $0.facts = facts }
    #expect(try shell.root() == "/r")
  }

  @Test("A failure names the server, and what the script says, or else its status")
  func failures() async {
    #expect(await failure(FakeServer("x")) == nil)
    #expect(await failure(FakeServer(nil))?.contains("alpha: ") == true)
    #expect(await failure(FakeServer("x", exitStatus: 73, errors: "disk full\n"))?.contains("alpha: disk full") == true)
    #expect(await failure(FakeServer("x", exitStatus: 75))?.contains("alpha: status 75") == true)
  }

  @Test("Another runner is used from then on")
  func replaced() async throws {
    let (first, second) = (FakeServer("x"), FakeServer("x"))
    let shell = ServerShell(first, status)
    shell.use(second)
    _ = try await shell.run(GPUScript.watch, [])
    #expect(first.commands.value.isEmpty && second.commands.value.count == 1)
  }
}
