import Callers
import Foundation
import HTTP
import JSON
import JobEngine
import JobModel
import Synchronization

/// What a job printed, and what is said of it. Output may be large, and its reader slow: what is long is sent bit by bit.
extension LegacyAPI {
  /// Output up to so many bytes is answered as a whole.
  private static let longOutput = 65_536

  func exitStatus(of job: Job, _ caller: Caller) async throws -> Response {
    let kept = try await service.answeredOutputSource(of: job)
    let output: OutputSource
    var room: LoadShare?
    if let kept {
      output = kept
    } else {
      // Once the output of an ended job is read, it counts as answered.
      if job.state.isTerminal { room = try gate.reserve(answerBytes: Load.streamBytes, for: caller) }
      output = try await readingOutput(of: job, caller) { try await service.finalOutputSource(of: job) }
    }
    // The upstream has acted on the first answer.
    let told = try await service.toldEnd(of: job)
    let outcome = told?.outcome ?? job.outcome
    let word = outcome?.legacyWord ?? "F"
    var response = try await response(
      of: [
        .int(outcome?.legacyCode ?? -9), .string(clock(told?.elapsed ?? job.elapsed)),
        [.string(""), .string("<< termination state: \(word) -- see STDOUT for job errors >>")],
      ], filledWith: OutputText(output), caller, key: output.fileVersion.map { "\(job.id) \($0)" })
    // What is too long to be kept needs more room, which the gate counts.
    if let room, output.heldBytes <= Self.longOutput { response.lease = room }
    return response
  }

  /// What is answered to a submit: the script is shown, which is up to six times as long in JSON.
  func answer(to receipt: JobService.Receipt, _ caller: Caller, in room: LoadShare?) async throws -> Response {
    let script = OutputSource(Array(receipt.shownScript.utf8))
    var response = try await response(
      of: [.string(receipt.backendID), .string("")], filledWith: OutputText(whole: script), caller)
    if let room { response.lease = room }
    return response
  }

  /// Room for the answer to a submit, taken before the job is made: a refusal afterwards would deny the job. Nil where the
  /// answer is so short that it is not counted.
  /// - Throws: 429 when too many answers to that caller wait, 503 when too many wait in all.
  func roomForAnswer(to submission: JobSpec, _ caller: Caller) throws(HTTPError) -> LoadShare? {
    let count = submission.shownScript.utf8.count
    let bytes = count <= Self.longOutput ? 6 * count : count + Load.streamBytes
    return bytes <= Self.longOutput ? nil : try gate.reserve(answerBytes: bytes, for: caller)
  }

  /// A response of JSON with a text in the place of the first empty string.
  /// - Parameter key: of what stays the same, so that it is measured once.
  private func response(
    of value: JSONText.Value, filledWith text: OutputText, _ caller: Caller, key: String? = nil
  ) async throws -> Response {
    let frame = JSONText.encode(value)
    guard let quotes = frame.firstRange(of: Array("\"\"".utf8)) else { return .json(frame) }
    let (head, tail) = (Array(frame[...quotes.lowerBound]), Array(frame[(quotes.upperBound - 1)...]))
    if text.source.count <= Self.longOutput {
      return .json(head + (try text.escaped()) + tail)
    }
    let length = try await heavyWork(of: caller).run(caller.name) { [lengths] in
      if let known = key.flatMap({ lengths[$0] }) { return known }
      let length = try text.escapedCount()
      if let key { lengths[key] = length }
      return length
    }
    return text.source.response(type: "application/json", length: head.count + length + tail.count) { writer in
      try await writer.write(head)
      try await text.send { try await writer.write($0) }
      try await writer.write(tail)
    }
  }

  func tail(of job: Job, lines: Int, _ caller: Caller) async throws -> Response {
    let output = try await readingOutput(of: job, caller) { try await service.tailSource(of: job, lines: lines) }
    let type = "text/plain; charset=utf-8"
    if output.count <= Self.longOutput {
      return Response(headers: ["Content-Type": type], body: .bytes(try output.bytes()))
    }
    return output.response(type: type, length: output.count) { writer in
      try await output.forEachPiece { try await writer.write($0) }
    }
  }

  /// What the scheduler says of a job, and below it what Weir has to say of its script.
  func events(of job: Job) async throws -> String {
    let text = try await service.describe(job)
    let warnings = await service.shownScript(of: job).map { ScriptLines($0).warnings } ?? []
    guard !warnings.isEmpty else { return text }
    return text + (text.isEmpty || text.hasSuffix("\n") ? "" : "\n") + warnings.joined(separator: "\n") + "\n"
  }
}

extension OutputSource {
  /// A response with this for its body, written bit by bit.
  fileprivate func response(
    type: String, length: Int, _ produce: @escaping @Sendable (BodyWriter) async throws -> Void
  ) -> Response {
    var response = Response(headers: ["Content-Type": type], body: .stream(length: length, produce))
    response.heldBytes = heldBytes
    return response
  }
}

/// The lengths of long answers that were measured last.
final class AnswerLengths: Sendable {
  private static let most = 1000
  private let known = Mutex<[String: Int]>([:])

  subscript(key: String) -> Int? {
    get { known.withLock { $0[key] } }
    set {
      known.withLock { known in
        if known.count >= Self.most { known.removeAll(keepingCapacity: true) }
        known[key] = newValue
      }
    }
  }
}
