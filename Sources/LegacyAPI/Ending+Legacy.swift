import JobModel
import Jobs

extension Ending {
  /// Slurm's short word, as the upstream shows it to users.
  var legacyWord: String {
    switch self {
    case .completed: "CD"
    case .failed: "F"
    case .outOfMemory: "OOM"
    case .nodeFailure: "NF"
    case .bootFailure: "BF"
    case .timeLimit: "TO"
    case .deadline: "DL"
    case .preempted: "PR"
    case .canceled: "CA"
    case .lost: "LOST"
    }
  }

  /// The exit code that the upstream knows: 0, 1, -15 for what somebody ended, -9 for the rest.
  var legacyCode: Int {
    switch self {
    case .completed: 0
    case .failed, .nodeFailure, .outOfMemory: 1
    case .canceled, .deadline, .preempted: -15
    case .timeLimit, .bootFailure, .lost: -9
    }
  }
}
