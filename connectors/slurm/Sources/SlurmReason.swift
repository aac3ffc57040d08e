import ConnectorAPI
import JobModel

/// Why a job is in its state: Slurm's word (squeue(1), JOB REASON CODES) and what it means to the user.
enum SlurmReason {
  /// Plain words with Slurm's word in brackets; Slurm's word alone where it is not known here; empty without a word.
  static func sentence(waiting word: String) -> String {
    guard !word.isEmpty, word != "None", word != "(null)" else { return "" }
    return plain(key(word)).map { "\($0) (\(word))" } ?? word
  }

  /// What is known of an end without Weir's own part in it.
  static func sentence(_ outcome: Outcome, canceledBy: String?) -> String {
    let words: String
    let (exitCode, signal) = (outcome.exitCode, outcome.signal)
    if outcome.result == .canceled { return canceledBy.map { "canceled by \($0)" } ?? "" }
    guard outcome.result == .failed else { return "" }
    switch outcome.cause {
    case .outOfMemory: words = "it used more memory than it asked for"
    case .nodeFailure: words = "a node failed under it"
    case .launchFailed: words = "its nodes could not be started"
    case .timeLimit: words = "it reached its time limit"
    case .deadline: words = "it could not end before its deadline"
    case .preempted: words = "it made room for a job of higher priority"
    default: words = signal == nil && exitCode == nil ? "it failed" : ""
    }
    let code =
      signal.map { "ended by signal \($0)" }
      ?? exitCode.flatMap {
        $0 == 0 ? outcome.agrees(with: .failed) ? "ended with exit code 0" : nil : "ended with exit code \($0)"
      }
    return [words, code ?? ""].filter { !$0.isEmpty }.joined(separator: "; ")
  }

  /// Reasons for a job that waits because somebody holds it.
  static func isHeld(_ word: String) -> Bool {
    word.hasPrefix("JobHeld")
      || ["launch_failed_requeued_held", "job_requeued_in_held_state", "JobHoldMaxRequeue"].contains(key(word))
  }

  /// What Slurm's word is looked up by: of `ReqNodeNotAvail, UnavailableNodes:node[1-2]` the first. squeue writes some with
  /// blanks that scontrol writes with `_`.
  private static func key(_ word: String) -> String {
    String(word.prefix { $0 != "," && $0 != "(" }.map { $0 == " " ? "_" : $0 })
  }

  private static func plain(_ word: String) -> String? {
    if let known = known[word] { return known }
    if word.hasPrefix("QOS") { return "waits for a limit of its quality of service" }
    if word.hasPrefix("Assoc") { return "waits for a limit of its account or user" }
    if word.hasPrefix("Max"), word.hasSuffix("PerAccount") { return "waits for a limit of its account or user" }
    if word.hasPrefix("BurstBuffer") { return "waits for burst buffers" }
    return nil
  }

  private static let known: [String: String] = [
    "Priority": "other jobs go first",
    "Resources": "waits for free nodes",
    "Licenses": "waits for licences",
    "Dependency": "waits for another job",
    "DependencyNeverSatisfied": "the job it waits for can no longer end as it must",
    "BeginTime": "waits for its begin time",
    "JobHeldUser": "held by its user",
    "JobHeldAdmin": "held by an administrator",
    "JobHoldMaxRequeue": "held, since it was requeued too often",
    "job_requeued_in_held_state": "requeued and held",
    "launch_failed_requeued_held": "held, since it could not be started",
    "ReqNodeNotAvail": "a node that it asks for is not available",
    "Reservation": "waits for its reservation",
    "ReservationDeleted": "its reservation was deleted",
    "InvalidQOS": "its quality of service does not exist",
    "InvalidAccount": "its account does not exist",
    "AccountNotAllowed": "its account may not use this partition",
    "QOSNotAllowed": "its quality of service may not be used in this partition",
    "PartitionDown": "its partition is down",
    "PartitionInactive": "its partition accepts no jobs",
    "PartitionNodeLimit": "it asks for more nodes than its partition gives",
    "PartitionTimeLimit": "it asks for more time than its partition gives",
    "PartitionConfig": "its partition cannot give what it asks for",
    "NodeDown": "a node that it needs is down",
    "BadConstraints": "no node has the features it asks for",
    "SystemFailure": "Slurm failed",
    "JobLaunchFailure": "it could not be started",
    "NonZeroExitCode": "it ended with an exit code other than 0",
    "RaisedSignal": "it was ended by a signal",
    "TimeLimit": "it reached its time limit",
    "InactiveLimit": "it did nothing for too long",
    "JobArrayTaskLimit": "its array runs as many tasks as allowed",
    "Prolog": "its nodes are being prepared",
    "Cleaning": "what an earlier attempt left is cleared up",
    "FrontEndDown": "no front end node is up",
    "FedJobLock": "waits for the other clusters of the federation",
    "Reconfig": "Slurm is being reconfigured",
    "MaxMemPerLimit": "it asks for more memory than its partition gives",
    "MaxRequeue": "it was requeued too often",
    "SchedDefer": "Slurm delays its start",
    "DeadLine": "it could not end before its deadline",
    "OutOfMemory": "it used more memory than it asked for",
  ]
}
