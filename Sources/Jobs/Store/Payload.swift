import Foundation
import GRDB
import JobModel

/// Why what a job is to be run by cannot be had.
public enum PayloadError: Error, Sendable, CustomStringConvertible {
  /// It is gone, or cannot be decrypted: trying again does not help.
  case lost(String)
  /// It cannot be read right now.
  case unreadable(StoreError)

  public var description: String {
    switch self {
    case .lost(let reason): reason
    case .unreadable(let error): error.summary
    }
  }
}

extension JobBoard {
  /// What a job is to be run by, and the mark that it is to carry.
  public struct Payload: Sendable {
    public let submission: Submission
    public let mark: String

    init(_ submission: Submission, _ mark: Mark) {
      self.submission = submission
      self.mark = mark.description
    }
  }

  /// What a job is to be run by.
  public func payload(of job: Job) async throws(PayloadError) -> Payload {
    let kept: (payload: [UInt8], shownScript: String)?
    do { kept = try await ledger.store.payload(of: job.id) } catch let error as PayloadError { throw error } catch {
      throw .unreadable(StoreError(error))
    }
    guard let kept else { throw .lost("its script is not in the store any more") }
    guard let payload = try? Payload(kept.payload, shownScript: kept.shownScript) else {
      throw .lost("its script in the store is damaged")
    }
    return payload
  }

  /// The archive that a job was submitted with.
  public func input(of job: Job) throws(PayloadError) -> InputReader {
    let path = ledger.store.inputFile(job.id)
    var status = stat()
    guard lstat(path, &status) == 0 else {
      guard [ENOENT, ENOTDIR].contains(errno) else {
        throw .unreadable(.unusable("\(path): \(String(cString: strerror(errno)))"))
      }
      throw .lost("its archive is missing from inputs/ in the state directory")
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw .lost("its archive in inputs/ of the state directory is not a regular file")
    }
    do { return try InputReader(path) } catch { throw .unreadable(error) }
  }
}

/// The form in the store: a version, the length of the head in four bytes, the head as JSON, the script byte by byte.
///
/// The shown script is in the store already, and what was asked word for word is in the fingerprint: neither is kept a
/// second time. Earlier releases wrote all of it as one JSON object.
extension JobBoard.Payload {
  private static let version: UInt8 = 1
  private static let headStart = 5

  private struct Head: Codable {
    let submission: Submission
    let mark: String
    /// Whether the script is the shown one, byte by byte, and does not follow.
    let isScriptShown: Bool
  }

  private struct EarlierForm: Codable {
    let submission: Submission
    let mark: String
  }

  func encoded() throws -> [UInt8] {
    var submission = submission
    let script = Array(submission.script.utf8)
    let isScriptShown = submission.shownScript.utf8.elementsEqual(script)
    (submission.request, submission.script, submission.shownScript) = ("", "", "")
    let head = try JSONEncoder().encode(Head(submission: submission, mark: mark, isScriptShown: isScriptShown))
    var bytes = [Self.version]
    bytes.reserveCapacity(Self.headStart + head.count + script.count)
    for shift in [24, 16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: head.count >> shift)) }
    bytes += head
    if !isScriptShown { bytes += script }
    return bytes
  }

  init(_ bytes: [UInt8], shownScript: String) throws {
    guard bytes.first != UInt8(ascii: "{") else {
      let earlier = try JSONDecoder().decode(EarlierForm.self, from: Data(bytes))
      (submission, mark) = (earlier.submission, earlier.mark)
      return
    }
    guard bytes.count >= Self.headStart, bytes[0] == Self.version else { throw StoreError.unusable("unknown format") }
    let end = bytes[1..<Self.headStart].reduce(0) { $0 << 8 | Int($1) } + Self.headStart
    guard end <= bytes.count else { throw StoreError.unusable("it ends too early") }
    let head = try JSONDecoder().decode(Head.self, from: Data(bytes[Self.headStart..<end]))
    var submission = head.submission
    submission.shownScript = shownScript
    submission.script = head.isScriptShown ? shownScript : String(decoding: bytes[end...], as: UTF8.self)
    self.submission = submission
    mark = head.mark
  }
}

extension JobStore {
  /// What a job that waits here will be run by, decrypted, and its shown script; nil once it is over.
  func payload(of id: JobID) async throws -> (payload: [UInt8], shownScript: String)? {
    let row = try await database.read { db -> (sealed: DatabaseValue, shown: DatabaseValue)? in
      try Row.fetchOne(
        db,
        sql: """
          SELECT sealed, (SELECT text FROM shownScript WHERE shownScript.job = payload.job) FROM payload WHERE job = ?
          """, arguments: [id]
      ).map { ($0[0], $0[1]) }
    }
    guard let row else { return nil }
    guard let sealed = Data.fromDatabaseValue(row.sealed), let plain = seal.open(sealed) else {
      if !health.isNoted(StoreHealth.decryption) {
        health.note(
          StoreHealth.decryption,
          "the script of a waiting job cannot be decrypted, and the job fails: seal.key is not the key of this database, or the record is damaged"
        )
      }
      throw PayloadError.lost(
        "its script cannot be decrypted: seal.key is not the key that it was stored with, or the record is damaged")
    }
    guard let shown = String.fromDatabaseValue(row.shown) else {
      throw PayloadError.lost("its redacted script is missing from the store")
    }
    return (plain, shown)
  }

  /// Notes whether scripts of waiting jobs cannot be decrypted, as far as the smaller ones tell: at the start, and again
  /// while there are some.
  func examineSeal() throws { note(try database.read { [seal] db in try Self.undecryptable(db, seal) }) }

  /// The same, where something was found before.
  func examineSealAgain() async throws {
    guard health.isNoted(StoreHealth.decryption) else { return }
    note(try await database.read { [seal] db in try Self.undecryptable(db, seal) })
  }

  private static func undecryptable(_ db: Database, _ seal: Seal) throws -> (lost: Int, all: Int) {
    let sealed = try DatabaseValue.fetchCursor(
      db, sql: "SELECT sealed FROM payload WHERE length(sealed) < 65536 LIMIT 1000")
    var (lost, all) = (0, 0)
    while let value = try sealed.next() {
      all += 1
      if Data.fromDatabaseValue(value).flatMap({ seal.open($0) }) == nil { lost += 1 }
    }
    return (lost, all)
  }

  private func note(_ count: (lost: Int, all: Int)) {
    guard count.lost > 0 else { return health.note(StoreHealth.decryption, nil) }
    let cause =
      seal.newKeyReason
      ?? (count.lost == count.all
        ? "seal.key is not the key of this database" : "their records or seal.key are damaged")
    health.note(
      StoreHealth.decryption,
      "the scripts of \(count.lost) waiting jobs cannot be decrypted, and these jobs fail: \(cause); to save them stop Weir and put the seal.key of the same backup in its place"
    )
  }
}
