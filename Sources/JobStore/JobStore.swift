import Foundation
import JobModel

/// What keeps jobs: their records with every event, what they are run by and what they have printed.
///
/// What a call has written is on the disk, whole, when the call returns; a call that throws has written nothing. Calls that are
/// not `async` block until the disk answers: the engine makes them from a queue of its own. They throw ``StoreError``, and
/// ``JobError`` where a limit or a rule of jobs refuses what is to be written. Times that are kept pass ``StoredBounds``.
package protocol JobStore: Sendable {
  /// What administrators should know of it.
  var health: StoreHealth { get }

  // MARK: Jobs

  /// The jobs that have not ended, and the latest of those that have, each record read on its own.
  func records(livingAndLatest count: Int) throws -> [StoredJob]

  /// The latest jobs that have ended though nobody has seen them end; the first to be forgotten first.
  func jobs(withUnseenEnd count: Int) throws -> [Job]

  /// The latest jobs that ended since then and whose exit code is not known, in the order of their ends.
  func jobs(withoutExitCodeSince time: Date, limit: Int) throws -> [Job]

  /// The job of that name and number, however old.
  func job(_ key: JobKey) async throws -> Job?

  /// The job of that id, however old.
  func job(_ id: JobID) throws -> Job?

  /// The job with that id of the backend that had a name and number before another took them; see ``Job/replacedBy``.
  func job(replaced key: JobKey, backendID: String) async throws -> Job?

  /// When the last job was submitted that it knows.
  func lastSubmit() throws -> Date?

  /// Writes a new job and gives it a number. It takes its name and number from an earlier one that the backend never had.
  /// - Parameters:
  ///   - payload: what the job will be run by, for a connector whose jobs wait here; it is kept encrypted.
  ///   - outputDue: when its output goes, of a job that has ended already.
  ///   - event: nil for a job that is being submitted: its first event comes with the answer, so that a submit that never
  ///     reaches the backend leaves nothing.
  ///   - limits: what its owner may have; nil for a job that the backend has already.
  ///   - serviceTime: from which on the key counts.
  /// - Returns: the job with its number, and the event with its own.
  /// - Throws: ``JobError/idempotencyConflict(_:)`` when another job has the key; ``JobError/limit(_:retryAfter:)``.
  func insert(
    _ job: Job, shownScript: String, event: JobEvent?, idempotencyKey: IdempotencyKey?, payload: [UInt8]?,
    outputDue: Date?, limits: OwnerLimits?, serviceTime: Date
  ) throws -> (job: Job, event: JobEvent?)

  /// Writes what changed of some jobs, and why, in one transaction. What is known no more is passed over, and so is what
  /// is stored in another version than a write expects: an answer to an old question never lands on what came after it.
  func save(_ writes: [JobWrite]) throws -> JobWrite.Result

  /// Removes a job that has no events, and its archive.
  /// - Returns: the earlier job whose name it had taken, which has it again.
  func delete(_ id: JobID) throws -> Job?

  /// The transitions of a job, oldest first; without those that are damaged.
  func events(of id: JobID) throws -> [JobEvent]

  /// All attempts of a job but the last, the first one first; without those that are damaged.
  func earlierAttempts(of id: JobID) throws -> [EarlierAttempt]

  /// Events after that number, oldest first, of all jobs.
  /// - Throws: ``StoreError/missing(_:)`` when some of them are no longer kept.
  func events(after number: Int64, limit: Int) throws -> [JobEvent]

  /// The oldest event since which all are kept.
  func oldestEvent() throws -> Int64

  /// Adds an event to a job that is in the state which the event names; to another none.
  func note(_ event: JobEvent) throws -> JobEvent?

  /// The redacted script of a job; nil after retention has removed it.
  func shownScript(of id: JobID) async throws -> String?

  /// What a job that waits here will be run by, decrypted, and its redacted script; nil once it has ended.
  /// - Throws: ``StoreError/missing(_:)`` when it is damaged or cannot be decrypted.
  func payload(of id: JobID) async throws -> (payload: [UInt8], shownScript: String)?

  // MARK: Idempotency keys

  /// The job that was submitted with a key, if any.
  /// - Parameters:
  ///   - limits: say for how long it counts.
  ///   - time: the service time.
  func job(_ key: IdempotencyKey, limits: OwnerLimits, at time: Date) async throws -> Job?

  /// Gives a key to a job.
  /// - Throws: ``JobError/idempotencyConflict(_:)`` when another job has it; ``JobError/limit(_:retryAfter:)``.
  func bind(_ key: IdempotencyKey, to job: Job, limits: OwnerLimits, at time: Date) throws

  // MARK: Corrected ends

  /// What was answered of a job's end before it was corrected; nil when nothing was.
  func toldEnd(of id: JobID) async throws -> ToldEnd?

  /// Whether an end was answered that was corrected afterwards.
  func hasToldEnd(of id: JobID) throws -> Bool

  // MARK: Output

  /// Keeps the output of a job that has ended. The first to be kept stays, unless its room is needed.
  /// - Returns: what is kept.
  func keep(output: [UInt8], of id: JobID) throws -> [UInt8]

  /// The kept output of a job that has ended; nil until it was kept, and when the copy cannot be read: then the backend is
  /// asked again.
  func keptOutput(of id: JobID) -> [UInt8]?

  /// The same, to be read piece by piece.
  func keptOutputFile(of id: JobID) -> StoredFile?

  /// Bytes that are kept for an owner.
  func keptBytes(of owner: String) async throws -> OwnerBytes

  /// Removes copies of an owner's output, the oldest first, until what is kept for the owner is within the limit; such
  /// output is read from the backend again when somebody asks for it.
  /// - Parameter id: the job whose output was kept last, which stays.
  func makeRoom(of owner: String, besides id: JobID, limit: Int) throws

  // MARK: Archives that jobs were submitted with

  /// An archive that is coming in.
  func newInput() throws(StoreError) -> NewFile

  /// Makes an archive that has come in that of a job; before the job is inserted.
  func keep(_ input: NewFile, of id: JobID) throws(StoreError)

  /// Removes the archive of a job that was not inserted.
  func removeInput(of id: JobID)

  /// The archive that a job was submitted with.
  /// - Throws: ``StoreError/missing(_:)`` when it is gone.
  func input(of id: JobID) throws(StoreError) -> StoredFile

  /// Removes archives that came in part, or whose job was never inserted. Only before the first submit.
  func removeStrayInputs() throws

  // MARK: Retention

  /// What became of what is left of a job; nil while it has not ended.
  func retention(of id: JobID) async throws -> Retention?

  /// Notes that output was asked for, which sets the time of its removal, once.
  /// - Parameter size: bytes of the copy that is kept.
  /// - Returns: false when it expired meanwhile.
  func answered(_ id: JobID, size: Int, at now: Date, due: Date) throws -> Bool

  /// Ends answering with all output whose time is over, and returns the jobs, the longest due first.
  /// - Parameter now: the service time, as all times of removals are.
  func expire(before now: Date, limit: Int) throws -> [Job]

  /// Whether another job, whose output is still answered or still written, has its output in the same file: the numbers
  /// of one name share it.
  func sharesOutput(_ job: Job) async throws -> Bool

  /// Notes that output is gone from the backend; the kept copy, the archive the job was submitted with and the shown script go
  /// with it.
  /// - Parameter filesSince: the service time from which on the job's files are kept; nil where the backend keeps none.
  func removedOutput(of job: Job, filesSince: Date?, event: JobEvent) throws

  /// The jobs whose files alone are kept since that service time or longer, the longest first.
  func jobs(withFilesSince time: Date, limit: Int) throws -> [Job]

  /// Notes that the files of a job are gone from the backend.
  func removedFiles(of job: Job, event: JobEvent) throws

  /// Removes the records of ended jobs of which nothing is left: those that ended before that service time
  /// and whose output expired before it, the first to end first.
  /// - Returns: the jobs; at most so many.
  func removeRecords(before time: Date, limit: Int) throws -> [JobID]

  /// Ends keeping events that are older than that service time, from the oldest on: ``oldestEvent()`` moves past them. Those
  /// of jobs whose records are kept stay readable by their jobs.
  /// - Returns: how many were passed; at most so many.
  func removeEvents(before time: Date, limit: Int) throws -> Int

  /// Notes that something could not be removed, and when that is tried again. The first failure, and every other one, is
  /// an event.
  func failedRemoval(
    of remains: Retention.Remains, _ job: Job, reason: String, retry: (_ failures: Int) -> Date, event: JobEvent
  ) throws

  /// How many removals failed at least that often and are still due, and why the latest of them failed.
  func failedRemovals(atLeast failures: Int) async throws -> (count: Int, reason: String)?

  /// The service time that was stored last; nil if none was stored, or if it is damaged.
  func serviceTime() throws -> Date?
  func keep(serviceTime time: Date) throws

  // MARK: Its own state

  /// Finds out whether anything can be written, by writing what means nothing.
  func probe() throws

  /// Looks once more for payloads that cannot be decrypted, where there were some.
  func examineSealAgain() async throws

  /// Whether it was too large to be looked through before it was opened.
  var isLarge: Bool { get }

  /// Looks through all of it while it is in use.
  /// - Returns: all that is wrong with its form, a sentence each.
  func quickCheck() async throws -> [String]
}
