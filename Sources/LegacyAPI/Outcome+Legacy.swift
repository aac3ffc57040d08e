import JobModel

extension Outcome {
  /// Slurm's short word, as the upstream shows it to users.
  var legacyWord: String {
    switch (result, cause) {
    case (.succeeded, _): "CD"
    case (.canceled, _): "CA"
    case (.lost, _): "LOST"
    case (.failed, .outOfMemory): "OOM"
    case (.failed, .nodeFailure): "NF"
    case (.failed, .launchFailed): "BF"
    case (.failed, .timeLimit): "TO"
    case (.failed, .deadline): "DL"
    case (.failed, .preempted): "PR"
    case (.failed, _): "F"
    }
  }

  /// The exit code that the upstream knows: 0, 1, -15 for what somebody ended, -9 for the rest.
  var legacyCode: Int {
    switch (result, cause) {
    case (.succeeded, _): 0
    case (.canceled, _), (.failed, .deadline), (.failed, .preempted): -15
    case (.lost, _), (.failed, .timeLimit), (.failed, .launchFailed): -9
    case (.failed, _): 1
    }
  }
}
