import Archives
import Foundation
import JobModel
import JobStore

extension JobService {
  /// What the engine can be set to.
  public struct Configuration: Sendable {
    /// The least time between two polls.
    public var pollInterval: Duration = .seconds(2)
    /// The least time between two polls when something just changed.
    public var earlyPollInterval: Duration = .milliseconds(500)
    /// How long the last complete poll is served while newer ones fail.
    public var staleAfter: Duration = .seconds(60)
    /// How long complete polls, three at least, must miss a job before it may be called lost, in seconds.
    public var lostAfter: TimeInterval = 600
    /// How long a job may be in doubt, unknown, or running though it was canceled, before administrators are shown it.
    public var stuckAfter: Duration = .seconds(120)
    /// How long a job whose submission was never confirmed is searched for, in seconds.
    public var submitDeadline: TimeInterval = 60
    /// How long a caller of submit is kept waiting when the backend's answer was lost.
    public var resolveTime: Duration = .seconds(3)
    /// How long a caller of submit is kept waiting in all; the upstream waits 20 s.
    public var submitTime: Duration = .seconds(18)
    /// How many jobs that are over stay in memory; the others are read from disk.
    public var recentCount = 1000
    /// How long the output of a job is answered after it was first asked for, in seconds; then it is removed.
    public var keepOutput: TimeInterval = 86_400
    /// How long output is kept that nobody asks for, in seconds from the job's end.
    public var unclaimedOutput: TimeInterval = 8 * 86_400
    /// Lines of output that are kept of a job that is over.
    public var keptLines = 10_000
    /// How long a job that moves from one list to the other is shown in both.
    public var lingering: Duration = .seconds(5)
    /// The longest time between two polls while nothing lives and nobody asks.
    public var idlePollInterval: Duration = .seconds(30)
    /// How long after somebody asked that begins.
    public var idleAfter: Duration = .seconds(15)
    /// The key by which jobs in the backend are recovered for a store that was lost; nil for never.
    public var recoveryKey: RecoveryKey?
    /// How far back the records of ended jobs are searched for a store that was lost, in seconds.
    public var recoveryInterval: TimeInterval = 86_400
    /// How long submits wait for that search when it fails.
    public var recoveryTime: Duration = .seconds(600)
    /// How long files of jobs that are over are kept, in seconds from the job's end.
    public var keepFiles: TimeInterval = 2_592_000
    /// How long the record of a job is kept after its output was removed, in seconds; never shorter than its idempotency keys.
    public var keepJobs: TimeInterval = 7_776_000
    /// How many jobs a large poll writes at a time. Between two pages others have their turn, such as a new job: it never
    /// waits until a hundred thousand ends are on disk.
    public var page = 500
    /// What one owner may have.
    public var ownerLimits = OwnerLimits()
    /// Bytes of an archive that a job is submitted with.
    public var inputSize = 10 << 30
    /// What may be in it.
    public var inputLimits = ArchiveLimits()
    public var clock = JobClock.system

    public init() {}

    /// How long output is kept that nobody asks for, where what was asked for is kept for so many seconds.
    public static func unclaimedOutput(keeping seconds: TimeInterval) -> TimeInterval { seconds + 7 * 86_400 }
  }
}
