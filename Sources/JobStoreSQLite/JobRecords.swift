import Foundation
import GRDB
import JobModel
import JobStore

// Jobs and their events as rows.

extension JobID: DatabaseValueConvertible {}

extension Job: FetchableRecord, PersistableRecord {
  public static let databaseTableName = "job"

  /// Of a row whose columns hold what ``JobRow`` expects.
  public init(row: Row) throws {
    func json<Value: Decodable>(_ column: String, _ type: Value.Type) throws -> Value? {
      try (row[column] as String?).map { try JSONDecoder().decode(type, from: Data($0.utf8)) }
    }
    guard let state = JobState(rawValue: row["state"]) else { throw StoreError.unusable("the job has no state") }
    let outcome = (row["ending"] as String?).flatMap(StoredEnding.init).map { ending in
      ending.outcome(
        exitCode: row["exitCode"], signal: row["signal"], isByAdmin: row["stateSource"] == Self.administrator)
    }
    self.init(
      id: row["id"], name: row["name"], number: row["number"], owner: row["owner"], account: row["account"],
      connector: row["connector"], submissionToken: row["submissionToken"], fingerprint: row["fingerprint"],
      backendID: row["backendID"], outputPath: row["outputPath"],
      lifecycle: Lifecycle(
        state, outcome: outcome.flatMap { $0.state == state ? $0 : nil }, inDoubtSince: row["missingSince"]),
      contact: Contact(
        seenAt: row["stateTime"], source: row["stateSource"], unreachableSince: row["unknownSince"]),
      backendWord: row["backendWord"], reason: row["reason"], nodes: try json("nodes", [String].self) ?? [],
      elapsed: row["elapsed"], submittedAt: row["submittedAt"], startedAt: row["startedAt"], endedAt: row["endedAt"],
      attempt: row["attempt"], priority: row["priority"], resources: try json("needs", ResourceRequest.self),
      devices: try json("devices", [Device].self) ?? [], input: try json("input", JobInput.self),
      submittedStamp: try json("submittedStamp", Stamp.self))
  }

  public func encode(to container: inout PersistenceContainer) throws {
    func json(_ value: (some Encodable)?) throws -> String? {
      let encoder = JSONEncoder()
      encoder.outputFormatting = .sortedKeys
      return try value.map { String(decoding: try encoder.encode($0), as: UTF8.self) }
    }
    container["id"] = id
    container["name"] = name
    container["number"] = number
    container["owner"] = owner
    container["account"] = account
    container["connector"] = connector
    container["submissionToken"] = submissionToken
    container["fingerprint"] = fingerprint
    container["backendID"] = backendID
    container["outputPath"] = outputPath
    container["state"] = state.rawValue
    container["stateSource"] = contact.source
    container["stateTime"] = contact.seenAt
    container["backendWord"] = backendWord
    container["reason"] = reason
    container["ending"] = outcome.map(StoredEnding.init)?.rawValue
    container["exitCode"] = outcome?.exitCode
    container["signal"] = outcome?.signal
    container["nodes"] = try json(nodes)
    container["elapsed"] = elapsed
    container["submittedAt"] = submittedAt
    container["startedAt"] = startedAt
    container["endedAt"] = endedAt
    container["missingSince"] = inDoubtSince?.stored
    container["attempt"] = attempt
    container["unknownSince"] = contact.unreachableSince
    container["priority"] = priority
    container["needs"] = try json(resources)
    container["devices"] = try json(devices)
    container["input"] = try json(input)
    container["submittedStamp"] = try json(submittedStamp)
  }
}

/// What the store holds of how a job ended: one word, beside the exit code and the signal.
enum StoredEnding: String, CaseIterable {
  case completed, failed, outOfMemory, nodeFailure, bootFailure, timeLimit, deadline, preempted, canceled, lost

  init(_ outcome: Outcome) {
    self =
      switch (outcome.result, outcome.cause) {
      case (.succeeded, _): .completed
      case (.canceled, _): .canceled
      case (.lost, _): .lost
      case (.failed, .outOfMemory): .outOfMemory
      case (.failed, .nodeFailure): .nodeFailure
      case (.failed, .launchFailed): .bootFailure
      case (.failed, .timeLimit): .timeLimit
      case (.failed, .deadline): .deadline
      case (.failed, .preempted): .preempted
      case (.failed, _): .failed
      }
  }

  /// - Parameter isByAdmin: whether an administrator ended the job by hand.
  func outcome(exitCode: Int? = nil, signal: Int? = nil, isByAdmin: Bool = false) -> Outcome {
    let outcome: Outcome =
      switch self {
      case .completed: .succeeded
      case .failed: .failed
      case .outOfMemory: .outOfMemory
      case .nodeFailure: .nodeFailure
      case .bootFailure: .launchFailed
      case .timeLimit: .timeLimit
      case .deadline: .deadline
      case .preempted: .preempted
      case .canceled: isByAdmin ? Outcome(.canceled, .canceledByAdmin) : .canceled
      case .lost: .lost
      }
    return outcome.with(exitCode: exitCode, signal: signal)
  }
}

extension JobEvent: FetchableRecord, MutablePersistableRecord {
  public static let databaseTableName = "jobEvent"

  public mutating func didInsert(_ inserted: InsertionSuccess) { id = inserted.rowID }
}
