import Foundation

/// What was asked about a job beside its script and its resources: what it is called by, what it waits for, and what is
/// done after it.
public struct JobTerms: Sendable, Equatable, Codable {
  public var labels: [String: String] = [:]
  /// Text by people, for people.
  public var note: String?
  public var dependencies: [Dependency] = []
  /// Where it stands in an array of jobs; nil for a job of its own.
  public var array: ArrayPlace?
  public var retry: RetryPolicy?
  /// It does not start before.
  public var startAfter: Date?
  /// It fails if it has not ended by then.
  public var deadline: Date?
  /// Globs of the files that are its results.
  public var outputs: [String] = []

  public init() {}

  /// A job that another one waits for.
  public struct Dependency: Sendable, Equatable, Codable {
    public enum Condition: String, Sendable, Codable {
      /// That it succeeds.
      case ok
      /// That it ends.
      case any
      /// That it fails.
      case failed
    }

    public let job: JobID
    public let condition: Condition

    public init(on job: JobID, _ condition: Condition) { (self.job, self.condition) = (job, condition) }
  }

  /// A task of an array; the parent itself has no index.
  public struct ArrayPlace: Sendable, Equatable, Codable {
    public let parent: JobID
    public let index: Int

    public init(parent: JobID, index: Int) { (self.parent, self.index) = (parent, index) }
  }

  /// When a job that failed is run again.
  public struct RetryPolicy: Sendable, Equatable, Codable {
    /// Attempts after the first.
    public let most: Int
    /// Exit codes that are worth another attempt; with no cause and no exit code here every failure is.
    public let exitCodes: [Int]
    public let causes: [Outcome.Cause]
    /// Seconds before the first retry; each later pause is twice as long.
    public let pause: Int
    /// Seconds of the longest pause.
    public let longestPause: Int

    public init(most: Int, exitCodes: [Int] = [], causes: [Outcome.Cause] = [], pause: Int, longestPause: Int) {
      self.most = most
      self.exitCodes = exitCodes
      self.causes = causes
      self.pause = pause
      self.longestPause = longestPause
    }
  }
}
