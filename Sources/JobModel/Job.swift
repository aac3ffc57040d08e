import Foundation

/// The upstream's name for a job: unique in the store.
public struct JobKey: Hashable, Sendable, CustomStringConvertible {
  public let name: String
  public let number: Int

  public init(name: String, number: Int) {
    self.name = name
    self.number = number
  }

  public var description: String { "\(name)/\(number)" }
}

/// A job as the store holds it: what was asked, who asked, and what is known of it from which evidence.
public struct Job: Sendable, Equatable, Identifiable {
  public let id: JobID
  public let name: String
  public let number: Int
  /// Who submitted it: the identity that the token's claim names.
  public let owner: String
  /// The mapped user: the account on the machines that the job runs as.
  public let account: String
  public let connector: String
  /// The mark that the backend carries, by which the job is found when its backend id was never learnt.
  public let submissionToken: String
  /// SHA-256 of everything that was asked; the same key with another fingerprint is another job, and refused.
  public let fingerprint: String
  /// The id the backend gave it; nil until that is known.
  public var backendID: String?
  /// Where on the backend the output is written, as seen from the account's home directory.
  public var outputPath: String?

  /// Changed by ``apply(_:at:source:)`` alone.
  public internal(set) var lifecycle: Lifecycle
  public var contact: Contact
  /// The backend's own word for the state.
  public var backendWord: String?
  /// Why, in plain words; empty when there is nothing to say.
  public var reason: String
  /// The machines it runs or ran on, in the backend's order; empty while it waits.
  public var nodes: [String]
  /// Seconds it had run when that was seen.
  public var elapsed: Int
  public var submittedAt: Date
  public var startedAt: Date?
  public var endedAt: Date?
  /// Which run of the job this is, from 1; a requeue makes the next.
  public var attempt: Int
  /// In Weir's own queue a job of a higher priority starts before all of a lower one.
  public var priority: Int
  /// What it needs, where Weir itself finds it a machine.
  public var resources: ResourceRequest?
  /// The GPUs that it runs or ran on, where Weir itself gives them out: they are its own from the moment that it is
  /// given a machine until it is over.
  public var devices: [Device]
  /// The archive that it was submitted with.
  public var input: JobInput?
  /// When it was submitted, by the clock that nobody sets.
  public var submittedStamp: Stamp?

  public init(
    id: JobID, name: String, number: Int, owner: String, account: String, connector: String, submissionToken: String,
    fingerprint: String, backendID: String? = nil, outputPath: String? = nil, lifecycle: Lifecycle, contact: Contact,
    backendWord: String? = nil, reason: String = "", nodes: [String] = [], elapsed: Int = 0, submittedAt: Date,
    startedAt: Date? = nil, endedAt: Date? = nil, attempt: Int = 1, priority: Int = 0,
    resources: ResourceRequest? = nil,
    devices: [Device] = [], input: JobInput? = nil, submittedStamp: Stamp? = nil
  ) {
    self.id = id
    self.name = name
    self.number = number
    self.owner = owner
    self.account = account
    self.connector = connector
    self.submissionToken = submissionToken
    self.fingerprint = fingerprint
    self.backendID = backendID
    self.outputPath = outputPath
    self.lifecycle = lifecycle
    self.contact = contact
    self.backendWord = backendWord
    self.reason = reason
    self.nodes = nodes
    self.elapsed = elapsed
    self.submittedAt = submittedAt
    self.startedAt = startedAt
    self.endedAt = endedAt
    self.attempt = attempt
    self.priority = priority
    self.resources = resources
    self.devices = devices
    self.input = input
    self.submittedStamp = submittedStamp
  }

  /// Where it stands, in one word.
  public var state: JobState { lifecycle.state }

  /// How it ended; nil until it has.
  public var outcome: Outcome? {
    if case .ended(let outcome) = lifecycle { outcome } else { nil }
  }

  /// Since when it is in doubt whether the backend has it; nil when it is not, and while the answer is awaited.
  public var inDoubtSince: Date? {
    if case .inDoubt(let since) = lifecycle { since } else { nil }
  }

  public var key: JobKey { JobKey(name: name, number: number) }

  /// Whether it belongs to an owner. Byte by byte: Swift's own equality takes different spellings of an accent for one,
  /// and those may be two people.
  public func isOwned(by owner: String) -> Bool { self.owner.utf8.elementsEqual(owner.utf8) }

  /// Which of the two lists of living jobs it belongs to; nil once it is over.
  public var list: JobList? {
    switch state {
    // While a submit is under way nobody knows the job yet; once its answer was lost, it is shown until that is settled.
    case .submitting: inDoubtSince == nil ? nil : .queued
    case .held, .queued, .starting: .queued
    case .canceling: startedAt == nil ? .queued : .running
    case .running, .suspended, .requeued, .unknown: .running
    case .succeeded, .failed, .canceled, .lost: nil
    }
  }

  /// Seconds the job has run by `now`: the observed time, and the time since then while it runs.
  public func elapsed(at now: Date) -> Int {
    guard state == .running || state == .canceling, startedAt != nil else { return elapsed }
    return elapsed + max(0, Int(now.timeIntervalSince(contact.seenAt)))
  }
}

/// One transition of a job.
public struct JobEvent: Sendable, Codable, Equatable {
  public var id: Int64?
  public let job: JobID
  public let time: Date
  /// Who caused it: a caller, or `weir`.
  public let actor: String
  public let from: JobState?
  public let to: JobState
  public let source: String
  public let reason: String

  public init(job: JobID, time: Date, actor: String, from: JobState?, to: JobState, source: String, reason: String) {
    self.job = job
    self.time = time
    self.actor = actor
    self.from = from
    self.to = to
    self.source = source
    self.reason = reason
  }
}
