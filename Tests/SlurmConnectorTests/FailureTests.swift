import JobEngine
import Testing

@testable import SlurmConnector

@Suite("What it means that a command of Slurm's failed")
struct FailureTests {
  enum Meaning: Sendable { case refused, notFound, unavailable, interrupted }

  @Test(
    "An answer that was lost, a controller that is away and a refusal are told apart",
    arguments: [
      ("scancel: error: Kill job error on job id 5: Socket timed out on send/recv operation", .interrupted),
      ("slurm_update error: Zero Bytes were transmitted or received", .interrupted),
      ("Unable to contact slurm controller (connect failure)", .unavailable),
      ("scancel: error: Kill job error on job id 5: Invalid job id specified", .notFound),
      ("scancel: error: Kill job error on job id 5: Access/permission denied", .refused),
    ] as [(String, Meaning)])
  func meanings(words: String, meaning: Meaning) {
    let found: Meaning =
      switch SlurmWords.failure(of: "scancel", words) {
      case .refused: .refused
      case .notFound: .notFound
      case .unavailable, .noLogin: .unavailable
      case .interrupted: .interrupted
      }
    #expect(found == meaning)
  }
}
