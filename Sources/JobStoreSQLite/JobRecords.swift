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
    guard let state = JobState(rawValue: row["state"]) else { throw StoreError.unusable("the job has no state") }
    let outcome = Outcome(row)
    self.init(
      id: row["id"], key: JobKey(name: row["name"], number: row["upstreamNumber"]),
      owner: row["owner"], account: row["account"], connector: row["connector"],
      submissionToken: row["submissionToken"], fingerprint: row["fingerprint"],
      lifecycle: Lifecycle(
        state, outcome: outcome.flatMap { $0.state == state ? $0 : nil },
        since: row[state == .submitting ? "inDoubtSince" : "queuedSince"],
        holder: (row["heldBy"] as String?).flatMap(Holder.init)),
      contact: Contact(seenAt: row["seenAt"], source: row["seenBy"], unreachableSince: row["unreachableSince"]),
      backendWord: row["backendWord"], reason: row["reason"], attempt: try Attempt(row: row, number: row["attempt"]),
      submittedAt: row["submittedAt"], submittedStamp: try Self.json(row["submittedStamp"]), priority: row["priority"],
      resources: try Self.json(row["resources"]), input: try Self.json(row["input"]))
    number = row["number"]
    version = row["version"]
    replacedBy = row["replacedBy"]
    terms = try Self.json(row["terms"])
  }

  /// The value in a column; nil where there is none.
  fileprivate static func json<Value: Decodable>(_ text: String?) throws -> Value? {
    try text.map { try JSONDecoder().decode(Value.self, from: Data($0.utf8)) }
  }

  /// A list, of which most are empty or hold one plain name: a decoder takes many times as long for these.
  fileprivate static func list<Element: Decodable>(_ text: String) throws -> [Element] {
    if text == "[]" { return [] }
    if text.hasPrefix("[\""), text.hasSuffix("\"]"), text.utf8.count > 4 {
      let name = text.dropFirst(2).dropLast(2)
      let isPlain = name.utf8.allSatisfy { $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") && $0 >= 0x20 }
      if isPlain, let list = [String(name)] as? [Element] { return list }
    }
    return try json(text) ?? []
  }

  fileprivate static func text<Element: Encodable>(_ list: [Element]) throws -> String {
    list.isEmpty ? "[]" : try json(list) ?? "[]"
  }

  fileprivate static func json(_ value: (some Encodable)?) throws -> String? {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    return try value.map { String(decoding: try encoder.encode($0), as: UTF8.self) }
  }

  public func encode(to container: inout PersistenceContainer) throws {
    container["id"] = id
    container["number"] = number
    container["version"] = version
    container["name"] = key.name
    container["upstreamNumber"] = key.number
    container["replacedBy"] = replacedBy
    container["owner"] = owner
    container["account"] = account
    container["connector"] = connector
    container["submissionToken"] = submissionToken
    container["fingerprint"] = fingerprint
    container["state"] = state.rawValue
    container["inDoubtSince"] = inDoubtSince?.stored
    if case .queued(let since) = lifecycle {
      container["queuedSince"] = since?.stored
    } else {
      container["queuedSince"] = nil
    }
    if case .held(let holder) = lifecycle { container["heldBy"] = holder?.rawValue } else { container["heldBy"] = nil }
    container["result"] = outcome?.result.rawValue
    container["cause"] = outcome?.cause.rawValue
    container["exitCode"] = outcome?.exitCode
    container["signal"] = outcome?.signal
    container["seenBy"] = contact.source
    container["seenAt"] = contact.seenAt
    container["unreachableSince"] = contact.unreachableSince
    container["backendWord"] = backendWord
    container["reason"] = reason
    container["attempt"] = attempt
    try currentAttempt.encode(to: &container)
    container["submittedAt"] = submittedAt
    container["submittedStamp"] = try Self.json(submittedStamp)
    container["priority"] = priority
    container["resources"] = try Self.json(resources)
    container["input"] = try Self.json(input)
    container["terms"] = try Self.json(terms)
  }
}

extension Attempt {
  fileprivate init(row: Row, number: Int) throws {
    self.init(
      number: number, backendID: row["backendID"], outputPath: row["outputPath"],
      nodes: try Job.list(row["nodes"]), devices: try Job.list(row["devices"]), elapsed: row["elapsed"],
      startedAt: row["startedAt"],
      endedAt: row["endedAt"])
  }

  fileprivate func encode(to container: inout PersistenceContainer) throws {
    container["backendID"] = backendID
    container["outputPath"] = outputPath
    container["nodes"] = try Job.text(nodes)
    container["devices"] = try Job.text(devices)
    container["elapsed"] = elapsed
    container["startedAt"] = startedAt
    container["endedAt"] = endedAt
  }
}

/// An attempt as a row of its own.
struct EarlierAttemptRow: PersistableRecord {
  static let databaseTableName = "earlierAttempt"

  let job: JobID
  let earlier: EarlierAttempt

  func encode(to container: inout PersistenceContainer) throws {
    container["job"] = job
    container["number"] = earlier.attempt.number
    try earlier.attempt.encode(to: &container)
    container["reason"] = earlier.reason
  }

  static func fetchAll(_ db: Database, of id: JobID) throws -> [EarlierAttempt] {
    try Row.fetchAll(db, sql: "SELECT * FROM earlierAttempt WHERE job = ? ORDER BY number", arguments: [id])
      .compactMap { row in
        guard columns.allSatisfy({ $0.1.accepts(row[$0.0]) }) else { return nil }
        return try? EarlierAttempt(Attempt(row: row, number: row["number"]), reason: row["reason"])
      }
  }

  /// What each column may hold.
  static let columns: [(String, JobRow.Form)] =
    [
      ("number", .whole(1...StoredBounds.count, isOptional: false)),
      ("elapsed", .whole(0...StoredBounds.count, isOptional: false)), ("nodes", .json([String].self)),
      ("devices", .json([Device].self)), ("reason", .text(isOptional: false)),
    ] + ["backendID", "outputPath"].map { ($0, .text(isOptional: true)) }
    + ["startedAt", "endedAt"].map { ($0, .time(isOptional: true)) }
}

extension Outcome {
  /// How a job ended, by the columns of a row; nil when these say nothing.
  init?(_ row: Row) {
    guard let result = (row["result"] as String?).flatMap(Result.init) else { return nil }
    let cause = (row["cause"] as String?).flatMap(Cause.init) ?? .none
    self.init(result, cause, exitCode: row["exitCode"], signal: row["signal"])
  }
}

extension JobEvent: FetchableRecord, MutablePersistableRecord {
  public static let databaseTableName = "jobEvent"

  public mutating func didInsert(_ inserted: InsertionSuccess) { number = inserted.rowID }
}
