import Foundation

/// One job as the backend showed it.
public struct JobReport: Sendable, Equatable {
  public var backendID: String
  /// The mark it carries, where this source shows it.
  public var mark: Mark?
  /// The job's name as the upstream knows it, where this source shows it.
  public var name: String?
  /// The account it runs as, where this source shows it.
  public var account: String?
  /// Nil when the source shows the job and says nothing of its state that Weir understands.
  public var lifecycle: Lifecycle?
  public var source: String
  public var backendWord: String
  /// In plain words, with the backend's own in brackets; empty when there is nothing to say.
  public var reason: String
  public var nodes: [String]
  public var elapsed: Int
  public var submittedAt: Date?
  public var startedAt: Date?
  public var endedAt: Date?
  /// Whether nobody can have changed the mark: it is in the line of the submit.
  public var isMarkProven = false
  /// Whether it is over but for what is being cleared up after it, or after this attempt of it.
  public var isCompleting = false
  /// Which attempt this is, where the source says; what it says of another than the current one is passed over.
  public var attempt: Int?
  /// The GPUs it has, where this source shows them.
  public var devices: [Device]?
  /// What it holds of its machine, where this source shows that.
  public var resources: ResourceRequest?

  public init(
    backendID: String, mark: Mark? = nil, name: String? = nil, account: String? = nil, state: JobState?, source: String,
    backendWord: String, reason: String = "",
    outcome: Outcome? = nil, nodes: [String] = [], elapsed: Int = 0,
    submittedAt: Date? = nil, startedAt: Date? = nil, endedAt: Date? = nil
  ) {
    self.backendID = backendID
    self.mark = mark
    self.name = name
    self.account = account
    lifecycle = state.map { Lifecycle($0, outcome: outcome) }
    self.source = source
    self.backendWord = backendWord
    self.reason = reason
    self.nodes = nodes
    self.elapsed = elapsed
    self.submittedAt = submittedAt
    self.startedAt = startedAt
    self.endedAt = endedAt
  }

  /// Whether it is the record of a submit that was refused: Slurm shows such a job for a while, failed without ever
  /// having had a machine.
  public var isRefusal: Bool { outcome?.agrees(with: .failed) ?? false && nodes.isEmpty && elapsed == 0 }

  public var state: JobState? { lifecycle?.state }

  public var isEnd: Bool { state?.isTerminal ?? false }

  /// How the job ended, if it shows an end.
  public var outcome: Outcome? { lifecycle?.outcome }
}
