import Foundation

/// One run of a job. A requeue, a retry or a job that is put back makes the next one.
public struct Attempt: Sendable, Equatable {
  /// From 1.
  public var number: Int
  /// The id that the backend gave it; nil until that is known. A requeue by the backend keeps it.
  public var backendID: String?
  /// Where on the backend the output is written, as seen from the account's home directory.
  public var outputPath: String?
  /// The machines it runs or ran on, in the backend's order; empty while it waits.
  public var nodes: [String]
  /// The GPUs that it runs or ran on, where Weir itself gives them out: they are its own from the moment that it is
  /// given a machine until it is over.
  public var devices: [Device]
  /// Seconds it had run when that was seen.
  public var elapsed: Int
  public var startedAt: Date?
  public var endedAt: Date?

  public init(
    number: Int = 1, backendID: String? = nil, outputPath: String? = nil, nodes: [String] = [],
    devices: [Device] = [], elapsed: Int = 0, startedAt: Date? = nil, endedAt: Date? = nil
  ) {
    self.number = number
    self.backendID = backendID
    self.outputPath = outputPath
    self.nodes = nodes
    self.devices = devices
    self.elapsed = elapsed
    self.startedAt = startedAt
    self.endedAt = endedAt
  }
}

/// An attempt that another one has followed.
public struct EarlierAttempt: Sendable, Equatable {
  public let attempt: Attempt
  /// Why another one followed, in plain words.
  public let reason: String

  public init(_ attempt: Attempt, reason: String) { (self.attempt, self.reason) = (attempt, reason) }
}

extension Job {
  /// The attempt that ended when this job became `after`; nil when it is still the same attempt.
  public func attemptEnded(by after: Job) -> EarlierAttempt? {
    guard after.attempt > attempt else { return nil }
    var ended = currentAttempt
    ended.endedAt = endedAt ?? after.contact.seenAt
    return EarlierAttempt(ended, reason: after.reason)
  }
}
