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
///
/// A value that shares its storage with its copies until one of them changes: the engine holds, compares and hands on many
/// thousands of them, and a copy costs one pointer.
public struct Job: Sendable, Equatable, Identifiable {
  private var storage: Storage

  public var id: JobID { storage.fields.id }
  /// For people and for tools that want digits: from a sequence of the store, never used again. 0 until it is stored.
  public var number: Int {
    get { storage.fields.number }
    set { unshared.fields.number = newValue }
  }
  /// Counts the changes that were stored, from 1. A write names the version that it changes.
  public var version: Int {
    get { storage.fields.version }
    set { unshared.fields.version = newValue }
  }
  /// The upstream's name for it.
  public var key: JobKey { storage.fields.key }
  /// The job that has this name now: a new submission, after this one certainly never reached the backend.
  public var replacedBy: JobID? {
    get { storage.fields.replacedBy }
    set { unshared.fields.replacedBy = newValue }
  }
  /// Who submitted it: the identity that the token's claim names.
  public var owner: String { storage.fields.owner }
  /// The mapped user: the account on the machines that the job runs as.
  public var account: String { storage.fields.account }
  public var connector: String { storage.fields.connector }
  /// The mark that the backend carries, by which the job is found when its backend id was never learnt.
  public var submissionToken: String { storage.fields.submissionToken }
  /// SHA-256 of everything that was asked; the same key with another fingerprint is another job, and refused.
  public var fingerprint: String { storage.fields.fingerprint }
  /// Changed by ``apply(_:at:source:)`` alone.
  public internal(set) var lifecycle: Lifecycle {
    get { storage.fields.lifecycle }
    set { unshared.fields.lifecycle = newValue }
  }
  public var contact: Contact {
    get { storage.fields.contact }
    set { unshared.fields.contact = newValue }
  }
  /// The backend's own word for the state.
  public var backendWord: String? {
    get { storage.fields.backendWord }
    set { unshared.fields.backendWord = newValue }
  }
  /// Why, in plain words; empty when there is nothing to say.
  public var reason: String {
    get { storage.fields.reason }
    set { unshared.fields.reason = newValue }
  }
  /// The run of the job that is under way, or was the last; earlier ones are in the store.
  public var currentAttempt: Attempt {
    get { storage.fields.currentAttempt }
    set { unshared.fields.currentAttempt = newValue }
  }
  public var submittedAt: Date {
    get { storage.fields.submittedAt }
    set { unshared.fields.submittedAt = newValue }
  }
  /// When it was submitted, by the clock that nobody sets.
  public var submittedStamp: Stamp? {
    get { storage.fields.submittedStamp }
    set { unshared.fields.submittedStamp = newValue }
  }
  /// In Weir's own queue a job of a higher priority starts before all of a lower one.
  public var priority: Int {
    get { storage.fields.priority }
    set { unshared.fields.priority = newValue }
  }
  /// What it needs, where Weir itself finds it a machine.
  public var resources: ResourceRequest? {
    get { storage.fields.resources }
    set { unshared.fields.resources = newValue }
  }
  /// The archive that it was submitted with.
  public var input: JobInput? {
    get { storage.fields.input }
    set { unshared.fields.input = newValue }
  }
  /// Nil when nothing of the kind was asked.
  public var terms: JobTerms? {
    get { storage.fields.terms }
    set { unshared.fields.terms = newValue }
  }

  public init(
    id: JobID, key: JobKey, owner: String, account: String, connector: String, submissionToken: String,
    fingerprint: String, lifecycle: Lifecycle, contact: Contact, backendWord: String? = nil, reason: String = "",
    attempt: Attempt = Attempt(), submittedAt: Date, submittedStamp: Stamp? = nil, priority: Int = 0,
    resources: ResourceRequest? = nil, input: JobInput? = nil
  ) {
    storage = Storage(
      Fields(
        id: id, key: key, owner: owner, account: account, connector: connector, submissionToken: submissionToken,
        fingerprint: fingerprint, lifecycle: lifecycle, contact: contact, backendWord: backendWord, reason: reason,
        currentAttempt: attempt, submittedAt: submittedAt, submittedStamp: submittedStamp, priority: priority,
        resources: resources, input: input))
  }

  public static func == (one: Job, other: Job) -> Bool {
    one.storage === other.storage || one.storage.fields == other.storage.fields
  }

  private struct Fields: Equatable {
    let id: JobID
    var number: Int = 0
    var version: Int = 1
    let key: JobKey
    var replacedBy: JobID?
    let owner: String
    let account: String
    let connector: String
    let submissionToken: String
    let fingerprint: String
    var lifecycle: Lifecycle
    var contact: Contact
    var backendWord: String?
    var reason: String
    var currentAttempt: Attempt
    var submittedAt: Date
    var submittedStamp: Stamp?
    var priority: Int
    var resources: ResourceRequest?
    var input: JobInput?
    var terms: JobTerms?
  }

  /// Written to by the only job that holds it; see ``unshared``.
  private final class Storage: @unchecked Sendable {
    var fields: Fields

    init(_ fields: Fields) { self.fields = fields }
  }

  /// The storage, which is no other job's from now on.
  private var unshared: Storage {
    mutating get {
      if !isKnownUniquelyReferenced(&storage) { storage = Storage(storage.fields) }
      return storage
    }
  }
}

// What is of the attempt that is under way, or was the last.
extension Job {
  /// Which run of the job this is, from 1; a requeue makes the next.
  public var attempt: Int {
    get { currentAttempt.number }
    set { currentAttempt.number = newValue }
  }
  public var backendID: String? {
    get { currentAttempt.backendID }
    set { currentAttempt.backendID = newValue }
  }
  public var outputPath: String? {
    get { currentAttempt.outputPath }
    set { currentAttempt.outputPath = newValue }
  }
  public var nodes: [String] {
    get { currentAttempt.nodes }
    set { currentAttempt.nodes = newValue }
  }
  public var devices: [Device] {
    get { currentAttempt.devices }
    set { currentAttempt.devices = newValue }
  }
  public var elapsed: Int {
    get { currentAttempt.elapsed }
    set { currentAttempt.elapsed = newValue }
  }
  public var startedAt: Date? {
    get { currentAttempt.startedAt }
    set { currentAttempt.startedAt = newValue }
  }
  public var endedAt: Date? {
    get { currentAttempt.endedAt }
    set { currentAttempt.endedAt = newValue }
  }
}

// What follows from it.
extension Job {
  /// Where it stands, in one word.
  public var state: JobState { lifecycle.state }

  /// How it ended; nil until it has.
  public var outcome: Outcome? { lifecycle.outcome }

  /// Since when it is in doubt whether the backend has it; nil when it is not, and while the answer is awaited.
  public var inDoubtSince: Date? {
    if case .inDoubt(let since) = lifecycle { since } else { nil }
  }

  public var name: String { key.name }

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
    case .running, .suspended, .requeued: .running
    case .succeeded, .failed, .canceled, .lost: nil
    }
  }

  /// Seconds the job has run by `now`: the observed time, and the time since then while it runs.
  public func elapsed(at now: Date) -> Int {
    guard state == .running || state == .canceling, startedAt != nil else { return elapsed }
    return elapsed + max(0, Int(now.timeIntervalSince(contact.seenAt)))
  }
}

/// One transition of a job: the one record of change.
public struct JobEvent: Sendable, Codable, Equatable {
  /// Events of a store are numbered without gaps; nil until it is stored.
  public var number: Int64?
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
