import ConnectorAPI
import Foundation
import JobModel
import JobStore

extension PayloadError {
  init(_ error: StoreError) {
    if case .missing(let reason) = error { self = .lost(reason) } else { self = .unreadable(error.summary) }
  }
}

/// The form in the store: a version, the length of the head in four bytes, the head as JSON, the script byte by byte.
///
/// The shown script is in the store already, and what was asked word for word is in the fingerprint: neither is kept a
/// second time. Earlier releases wrote all of it as one JSON object.
extension JobPayload {
  private static let version: UInt8 = 1
  private static let headStart = 5

  private struct Head: Codable {
    let submission: JobSpec
    let mark: String
    /// Whether the script is the shown one, byte by byte, and does not follow.
    let isScriptShown: Bool
  }

  private struct EarlierForm: Codable {
    let submission: JobSpec
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
      self.init(earlier.submission, mark: earlier.mark)
      return
    }
    guard bytes.count >= Self.headStart, bytes[0] == Self.version else { throw StoreError.unusable("unknown format") }
    let end = bytes[1..<Self.headStart].reduce(0) { $0 << 8 | Int($1) } + Self.headStart
    guard end <= bytes.count else { throw StoreError.unusable("it ends too early") }
    let head = try JSONDecoder().decode(Head.self, from: Data(bytes[Self.headStart..<end]))
    var submission = head.submission
    submission.shownScript = shownScript
    submission.script = head.isScriptShown ? shownScript : String(decoding: bytes[end...], as: UTF8.self)
    self.init(submission, mark: head.mark)
  }
}
