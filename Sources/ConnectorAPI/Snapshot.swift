import Foundation
import JobModel

/// What the backend said about all jobs at one moment: complete, or it would have been an error.
public struct Snapshot: Sendable {
  public var time: Date
  public var reports: [JobReport]
  /// Set when the records of ended jobs could not be read: jobs that are not in `reports` are then not missing.
  public var accountingFailure: String?
  /// What was asked about a job that is not in `reports` and how that was answered, by backend id.
  public var answers: [String: String]
  /// Jobs that could not be asked about this time, by backend id: it says nothing of them, and the next look does.
  public var unasked: Set<String> = []
  /// Jobs whose machine does not answer, by backend id, and why: nothing is known of them.
  public var unreachable: [String: String] = [:]
  /// Jobs of which nothing new is to be said, by backend id: they wait here, or were told of elsewhere.
  public var unchanged: Set<String> = []
  /// Jobs whose id was proven to be that of another, by their tokens: the answer to the submit was wrong.
  public var strayIDs: Set<String> = []

  public init(
    time: Date, reports: [JobReport], accountingFailure: String? = nil, answers: [String: String] = [:]
  ) {
    self.time = time
    self.reports = reports
    self.accountingFailure = accountingFailure
    self.answers = answers
  }
}
