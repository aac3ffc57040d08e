import ConnectorAPI
import JobEngine
import JobModel
import Shell
import Testing

@testable import SlurmConnector

@Suite("Accounts that cannot be logged in to")
struct NoLoginTests {
  @Test(
    "A user's account without a key is the users file's fault, the observing account an outage",
    arguments: [true, false])
  func submit(isObserver: Bool) async throws {
    let slurm = try FakeSlurm()
    try slurm.write("", to: "locked.kirby")
    let connector = slurm.connector(observer: isObserver ? "kirby" : "jarvice")
    let words = "there is no SSH key for the account kirby: configure one"
    let expected = isObserver ? BackendError.unavailable(words) : .noLogin(account: "kirby", words)
    await #expect(throws: expected) { try await connector.submit(slurm.submission, mark: Mark(token: "01TOKEN")) }
    await #expect(throws: expected) { try await connector.cancel(slurm.job("5")) }
    await #expect(throws: expected) { try await connector.describe(slurm.job("5")) }
    #expect(slurm.text("canceled") == nil)
  }
}
