import ConnectorSupport
import JobModel
import Jobs
import ScriptTemplates
import Shell

extension ServerAgent {
  /// Files of a job as a tar.gz; see ``JobService/results(of:matching:withOutput:onMatched:onOutput:)``.
  func results(
    of job: Job, matching globs: [ResultGlob], withOutput: Bool,
    onMatched: @escaping @Sendable (Int) async throws -> Void,
    onOutput: @escaping @Sendable ([UInt8]) async throws -> Void
  ) async throws {
    let head = Head(name)
    try await stream(
      GPUScript.results, job, [withOutput ? "1" : "0"] + ResultGlob.tests(globs)
    ) { bytes in
      guard let (line, rest) = try head.take(bytes) else { return }
      if let line {
        guard line.hasPrefix("matched "), let count = Int(digits: line.dropFirst(8)) else { throw head.fault(line) }
        try await onMatched(count)
      }
      if !rest.isEmpty { try await onOutput(rest) }
    }
    try head.requireTaken()
  }

  /// Paths, sizes and times of a job's files.
  func files(
    of job: Job, matching globs: [ResultGlob], onFiles: @escaping @Sendable ([JobFile]) async throws -> Void
  ) async throws {
    let head = Head(name)
    let left = Shared<[UInt8]>([])
    try await stream(GPUScript.files, job, ResultGlob.tests(globs)) { bytes in
      guard let (line, rest) = try head.take(bytes) else { return }
      if let line, line != "files" { throw head.fault(line) }
      let bytes = left.value + rest
      let end = bytes.lastIndex(of: 0) ?? -1
      left.change { $0 = Array(bytes[(end + 1)...]) }
      guard end >= 0 else { return }
      try await onFiles(bytes[..<end].split(separator: 0).map { record in try head.file(record) })
    }
    try head.requireTaken()
    guard left.value.isEmpty else { throw BackendError.unavailable("\(name): its list of files ends too early") }
  }

  private func stream(
    _ script: ScriptText, _ job: Job, _ arguments: [String],
    onOutput: @escaping @Sendable ([UInt8]) async throws -> Void
  ) async throws {
    let result: CommandResult
    do {
      let command = try Command.script(script, [try root(), job.submissionToken, String(job.attempt)] + arguments)
      result = try await runner.value.stream(
        command, as: account, input: .bytes([]), timeout: nil, purpose: .action, onOutput: onOutput)
    } catch let error as RunError {
      throw BackendError.unavailable("\(name): \(error)")
    }
    guard result.succeeded else {
      throw BackendError.unavailable(
        "\(name): \(result.message.isEmpty ? "status \(result.exitStatus)" : result.message)")
    }
  }
}

/// The first line of a stream, and what comes after it.
private final class Head: Sendable {
  private static let longest = 200

  private let server: String
  private let state = Shared<(bytes: [UInt8], isTaken: Bool)>(([], false))

  init(_ server: String) { self.server = server }

  /// - Returns: the line, the first time that it is all there, and the bytes behind it; nil until it is.
  func take(_ bytes: [UInt8]) throws -> (line: String?, rest: [UInt8])? {
    try state.change { state -> Result<(String?, [UInt8])?, BackendError> in
      if state.isTaken { return .success((nil, bytes)) }
      state.bytes += bytes
      guard let end = state.bytes.firstIndex(of: UInt8(ascii: "\n")) else {
        return state.bytes.count > Self.longest ? .failure(fault("")) : .success(nil)
      }
      let line = String(decoding: state.bytes[..<end], as: UTF8.self)
      if line == "absent" { return .failure(.notFound("\(server) does not have the job")) }
      let rest = Array(state.bytes[(end + 1)...])
      state = ([], true)
      return .success((line, rest))
    }.get()
  }

  func requireTaken() throws { if !state.value.isTaken { throw fault("") } }

  /// `<size> <seconds> <path>`
  func file(_ record: ArraySlice<UInt8>) throws -> JobFile {
    let fields = record.split(separator: UInt8(ascii: " "), maxSplits: 2, omittingEmptySubsequences: false)
    guard fields.count == 3, let size = MachineNumber.count(String(decoding: fields[0], as: UTF8.self), upTo: .max),
      let seconds = Double(String(decoding: fields[1], as: UTF8.self)), abs(seconds) < 1e15
    else { throw fault(String(decoding: record, as: UTF8.self)) }
    return JobFile(path: Array(fields[2]), size: size, modified: Int(seconds.rounded(.down)))
  }

  func fault(_ line: some StringProtocol) -> BackendError {
    .unavailable("\(server): unexpected answer '\(line.prefix(Self.longest))'")
  }
}
