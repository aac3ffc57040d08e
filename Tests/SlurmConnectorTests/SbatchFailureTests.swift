import Jobs
import Shell
import Testing

@testable import SlurmConnector

@Test(
  "What sbatch itself refuses is refused; only an sbatch that was ended leaves open whether the job was taken",
  arguments: [(1, false), (255, false), (124, true), (137, true), (143, true), (-1, true)])
func sbatchEnds(status: Int32, isOpen: Bool) {
  let failure = Sbatch.failure(CommandResult(exitStatus: status, stderr: Array("sbatch: error: Invalid --begin".utf8)))
  if case .interrupted = failure { #expect(isOpen) } else { #expect(!isOpen) }
}
