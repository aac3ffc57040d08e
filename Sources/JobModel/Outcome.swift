/// How a job ended.
public struct Outcome: Sendable, Equatable {
  public enum Result: String, Sendable, CaseIterable {
    case succeeded, failed, canceled, lost
  }

  /// Why it did not succeed: a closed list, in the words of the API.
  public enum Cause: String, Sendable, Codable, CaseIterable {
    case exitCode = "exit_code"
    case signal
    case outOfMemory = "out_of_memory"
    case timeLimit = "time_limit"
    case nodeFailure = "node_failure"
    case preempted
    case deadline
    case launchFailed = "launch_failed"
    case stagingFailed = "staging_failed"
    case prologFailed = "prolog_failed"
    case dependencyFailed = "dependency_failed"
    case quota
    case canceledByUser = "canceled_by_user"
    case canceledByAdmin = "canceled_by_admin"
    case canceledByScheduler = "canceled_by_scheduler"
    case lost
    /// It succeeded, or the backend says that it failed and nothing more.
    case none
  }

  public let result: Result
  public let cause: Cause
  /// Of the script; nil until it is known, and where a signal ended it.
  public let exitCode: Int?
  public let signal: Int?

  /// - Parameters:
  ///   - cause: a failure without one is explained by its signal or its exit code.
  ///   - exitCode: one that does not fit into 32 bits is not taken; nor is such a signal.
  public init(_ result: Result, _ cause: Cause = .none, exitCode: Int? = nil, signal: Int? = nil) {
    self.result = result
    self.exitCode = exitCode.flatMap { Int32(exactly: $0) }.map(Int.init)
    self.signal = signal.flatMap { Int32(exactly: $0) }.map(Int.init)
    if result == .failed, [.none, .exitCode, .signal].contains(cause) {
      self.cause = self.signal != nil ? .signal : self.exitCode ?? 0 != 0 ? .exitCode : .none
    } else {
      self.cause = cause
    }
  }

  /// This outcome with an exit code and a signal that were learnt later.
  public func with(exitCode: Int?, signal: Int?) -> Outcome {
    Outcome(result, cause, exitCode: exitCode, signal: signal)
  }

  /// Whether both tell of the same end. One may know an exit code, or who canceled the job, that the other does not.
  public func agrees(with other: Outcome) -> Bool {
    result == other.result
      && (result == .canceled || with(exitCode: nil, signal: nil) == other.with(exitCode: nil, signal: nil))
  }

  public static let succeeded = Outcome(.succeeded)
  public static let failed = Outcome(.failed)
  public static let outOfMemory = Outcome(.failed, .outOfMemory)
  public static let timeLimit = Outcome(.failed, .timeLimit)
  public static let nodeFailure = Outcome(.failed, .nodeFailure)
  public static let preempted = Outcome(.failed, .preempted)
  public static let deadline = Outcome(.failed, .deadline)
  public static let launchFailed = Outcome(.failed, .launchFailed)
  public static let canceled = Outcome(.canceled, .canceledByUser)
  public static let lost = Outcome(.lost, .lost)
}
