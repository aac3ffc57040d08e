import Foundation
import GRDB
import JobModel
import JobStore

/// A row of the job table, read on its own: one that is damaged never keeps the others from being read.
///
/// What evidence will tell again (times, numbers, words) is repaired: without it the job would vanish from the lists,
/// which is worse than a start time that is missing. A job whose identity, place or content is damaged is set aside: its
/// row stays as it is, for an administrator.
struct JobRow {
  /// The job; nil when it is set aside.
  let job: Job?
  /// What stood in the columns that were repaired, or that keep the job from being read; empty when all is well.
  let faults: [String]
  /// The job's id and name, as far as they can be read.
  let subject: String
  let id: JobID?

  /// - Parameter now: what is put in the place of times that are damaged.
  init(_ row: Row, now: Date) {
    id = JobID.fromDatabaseValue(row["id"])
    subject = Self.subject(of: row)
    // JSON is read once, unless some of it cannot be read.
    if Self.columns.allSatisfy({ $0.form.mayAccept(row[$0.name]) }), let job = try? Job(row: row) {
      self.job = job
      faults = []
      return
    }
    let damaged = Self.columns.filter { !$0.form.accepts(row[$0.name]) }
    guard !damaged.isEmpty else {
      let job = try? Job(row: row)
      self.job = job
      faults = job == nil ? ["it cannot be read"] : []
      return
    }
    faults = damaged.map { "\($0.name) holds \(Self.shown(row[$0.name]))" }
    guard damaged.allSatisfy(\.isRepairable) else {
      job = nil
      return
    }
    job = try? Job(row: Self.repaired(row, damaged, now: now))
  }

  /// The id and name of the job in a row, as far as they can be read.
  static func subject(of row: Row) -> String {
    let name = String.fromDatabaseValue(row["name"])
    let number = Int.fromDatabaseValue(row["upstreamNumber"]) ?? Int.fromDatabaseValue(row["number"])
    return name.flatMap { name in number.map { "job \(name)/\($0)" } }
      ?? "job with the id \(String.fromDatabaseValue(row["id"]) ?? "?")"
  }

  /// The same without what is SQLite's.
  var stored: StoredJob { StoredJob(job: job, faults: faults, subject: subject) }

  private static func repaired(_ row: Row, _ damaged: [Column], now: Date) -> Row {
    var values = Dictionary(row.map { ($0.0, $0.1) }, uniquingKeysWith: { $1 })
    for column in damaged { values[column.name] = column.substitute.databaseValue }
    func word(_ column: String) -> String { String.fromDatabaseValue(values[column] ?? .null) ?? "" }
    let result = Outcome.Result(rawValue: word("result"))
    let now = now.databaseValue
    // Without a state the result says it. Without either the next poll tells; where no poll does, since it waits in
    // Weir's own queue, it is not started before somebody releases it.
    if let known = JobState(rawValue: word("state")) ?? result.map({ Outcome($0).state }) {
      values["state"] = known.rawValue.databaseValue
    } else {
      let hasMachine = values["startedAt"] != .null || word("nodes") != "[]"
      values["state"] = (hasMachine ? JobState.running : .held).rawValue.databaseValue
      values["heldBy"] = hasMachine ? .null : Holder.system.rawValue.databaseValue
      if values["unreachableSince"] == .null { values["unreachableSince"] = now }
    }
    let known = JobState(rawValue: word("state"))
    let isEnded = known?.isTerminal ?? false
    let outcome = known.flatMap { Lifecycle($0).outcome }
    if !isEnded || result?.rawValue != outcome?.result.rawValue || values["cause"] == .null {
      values["result"] = (outcome?.result.rawValue).databaseValue
      values["cause"] = (outcome?.cause.rawValue).databaseValue
    }
    for column in ["seenAt", "submittedAt"] where values[column] == .null { values[column] = now }
    if isEnded, values["endedAt"] == .null { values["endedAt"] = values["seenAt"] }
    if !isEnded { values["endedAt"] = .null }
    return Row(values)
  }

  private static func shown(_ value: DatabaseValue) -> String {
    switch value.storage {
    case .blob(let data): "\(data.count) bytes that are not text"
    case .string(let text): "'\(StoredBounds.cut(text, to: 100))'"
    default: "\(value)"
    }
  }
}

extension JobRow {
  static var columnNames: [String] { columns.map(\.name) }

  private struct Column: Sendable {
    let name: String
    let form: Form
    var isRepairable = true
    /// What is read in place of a damaged value.
    var substitute: any DatabaseValueConvertible & Sendable = DatabaseValue.null
  }

  private static let columns: [Column] =
    ["id", "name", "owner", "account", "connector", "submissionToken", "fingerprint"]
    .map { Column(name: $0, form: .text(isOptional: false), isRepairable: false) }
    + ["backendID", "outputPath"].map { Column(name: $0, form: .text(isOptional: true), isRepairable: false) }
    + [
      Column(name: "number", form: .whole(1...StoredBounds.number, isOptional: false), isRepairable: false),
      Column(name: "upstreamNumber", form: .whole(0...StoredBounds.count, isOptional: false), isRepairable: false),
      Column(name: "replacedBy", form: .text(isOptional: true), isRepairable: false),
      Column(name: "version", form: .whole(1...StoredBounds.number, isOptional: false), substitute: 1),
      // It names the job's directory.
      Column(name: "attempt", form: .whole(1...StoredBounds.count, isOptional: false), isRepairable: false),
      // What a job holds is not to be given to another.
      Column(name: "nodes", form: .json([String].self), isRepairable: false),
      Column(name: "devices", form: .json([Device].self), isRepairable: false),
      Column(name: "resources", form: .json(ResourceRequest?.self), isRepairable: false),
      Column(name: "input", form: .json(JobInput?.self), isRepairable: false),
      Column(name: "terms", form: .json(JobTerms?.self), isRepairable: false),
      Column(name: "submittedStamp", form: .json(Stamp?.self)),
      Column(name: "state", form: .word(JobState.allCases.map(\.rawValue), isOptional: false)),
      Column(name: "heldBy", form: .word(Holder.allCases.map(\.rawValue), isOptional: true)),
      Column(name: "result", form: .word(Outcome.Result.allCases.map(\.rawValue), isOptional: true)),
      Column(name: "cause", form: .word(Outcome.Cause.allCases.map(\.rawValue), isOptional: true)),
      Column(name: "seenBy", form: .text(isOptional: false), substitute: "weir"),
      Column(name: "reason", form: .text(isOptional: false), substitute: ""),
      Column(name: "backendWord", form: .text(isOptional: true)),
      Column(name: "exitCode", form: .whole(StoredBounds.exitCodes, isOptional: true)),
      Column(name: "signal", form: .whole(StoredBounds.exitCodes, isOptional: true)),
      Column(name: "elapsed", form: .whole(0...StoredBounds.count, isOptional: false), substitute: 0),
      Column(
        name: "priority", form: .whole(-StoredBounds.count...StoredBounds.count, isOptional: false), substitute: 0),
      Column(name: "seenAt", form: .time(isOptional: false)),
      Column(name: "submittedAt", form: .time(isOptional: false)),
    ]
    + ["startedAt", "endedAt", "inDoubtSince", "queuedSince", "unreachableSince"].map {
      Column(name: $0, form: .time(isOptional: true))
    }
}

extension JobRow {
  /// What a column may hold.
  enum Form: Sendable {
    case text(isOptional: Bool)
    case word([String], isOptional: Bool)
    case whole(ClosedRange<Int>, isOptional: Bool)
    case time(isOptional: Bool)
    case json(any (Decodable & Sendable).Type)

    /// The same, without a look into JSON.
    func mayAccept(_ value: DatabaseValue) -> Bool {
      if case .json = self { return value.isNull || String.fromDatabaseValue(value) != nil }
      return accepts(value)
    }

    func accepts(_ value: DatabaseValue) -> Bool {
      switch self {
      case .text(let isOptional), .word(_, let isOptional), .whole(_, let isOptional), .time(let isOptional):
        if value.isNull { return isOptional }
      case .json: if value.isNull { return true }
      }
      switch self {
      case .text: return String.fromDatabaseValue(value) != nil
      case .word(let words, _): return String.fromDatabaseValue(value).map(words.contains) ?? false
      case .whole(let range, _): return Int.fromDatabaseValue(value).map(range.contains) ?? false
      case .time: return Self.time(value) != nil
      case .json(let type):
        guard let text = String.fromDatabaseValue(value) else { return false }
        return (try? JSONDecoder().decode(type, from: Data(text.utf8))) != nil
      }
    }

    /// A time that was written as text, as the store does; nil for any other value.
    static func time(_ value: DatabaseValue) -> Date? {
      guard case .string = value.storage, let time = Date.fromDatabaseValue(value), StoredBounds.holds(time) else {
        return nil
      }
      return time
    }
  }
}

extension JobRow {
  /// The rows of a query, each read on its own.
  static func fetchAll(
    _ db: Database, sql: String, arguments: StatementArguments = .init(), now: Date
  ) throws -> [JobRow] {
    let rows = try Row.fetchCursor(db, sql: sql, arguments: arguments)
    var read: [JobRow] = []
    while let row = try rows.next() { read.append(JobRow(row, now: now)) }
    return read
  }

  /// The job of a row that was asked for.
  /// - Throws: ``StoreError`` that names the row, when it is set aside.
  static func job(_ row: Row?, now: Date) throws -> Job? { try row.map { try JobRow($0, now: now).readable() } }

  /// The jobs of rows that were asked for; throws like ``job(_:)``.
  static func jobs(_ db: Database, sql: String, arguments: StatementArguments, now: Date) throws -> [Job] {
    try fetchAll(db, sql: sql, arguments: arguments, now: now).map { try $0.readable() }
  }

  private func readable() throws -> Job {
    guard let job else {
      throw StoreError.unusable(
        "the record of \(stored.sentence); `weir store check` lists all damaged records, put one of a backup in its place"
      )
    }
    return job
  }
}
