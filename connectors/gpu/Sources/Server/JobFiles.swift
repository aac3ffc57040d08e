import ConnectorAPI
import ConnectorSupport
import JobModel
import ScriptTemplates
import Shell

/// The files and the output of jobs on a server, and what else of them is there to read and to remove.
struct JobFiles: Sendable {
  let shell: ServerShell
  let status: Shared<ServerStatus>

  /// Removes what there is of a job.
  /// - Parameter keepingWork: whether the files of the job stay, and only the rest goes.
  func remove(_ job: Job, keepingWork: Bool) async throws(BackendError) {
    let facts = try shell.ready()
    if let owner = status.value.foreignOwner { throw .unavailable("\(shell.name): \(owner)") }
    let result = try await shell.run(
      GPUScript.remove, [facts.root, job.submissionToken, facts.machine] + (keepingWork ? ["work"] : []),
      timeout: .seconds(300))
    let answer = try shell.understood { () throws(MalformedAnswer) in try RemoveAnswer(result.stdout) }
    if answer == .busy { throw .refused("\(shell.name): processes of the job still run") }
  }

  /// The end of what a job has printed: so many bytes and lines at most.
  func output(_ job: Job, stream: String, bytes: Int, lines: Int) async throws(BackendError) -> [UInt8] {
    try await shell.run(
      GPUScript.output,
      [try shell.root(), job.submissionToken, String(job.attempt), stream, String(bytes), String(max(1, lines))],
      limit: bytes + 1024
    ).stdout
  }

  /// Bytes of what a job has printed; nil when there is no such file.
  func outputSize(_ job: Job, stream: String) async throws(BackendError) -> Int? {
    let result = try await shell.run(
      GPUScript.size, [try shell.root(), job.submissionToken, String(job.attempt), stream], limit: 1024)
    let words = String(decoding: result.stdout, as: UTF8.self).split(whereSeparator: \.isWhitespace)
    return words.first.flatMap { MachineNumber.count($0, upTo: 1 << 62) }
  }

  /// What there is to say of a job, for people.
  func describe(_ job: Job) async throws(BackendError) -> String {
    let result = try await shell.run(
      GPUScript.describe, [try shell.root(), job.submissionToken, String(job.attempt)])
    return String(decoding: result.stdout, as: UTF8.self)
  }

  /// What lies in a directory of the server; see ``Connector/list(_:account:roots:)``.
  func list(_ path: String, roots: [String]) async throws(BackendError) -> [DirectoryEntry] {
    let command = try Listing.command(path, roots: roots)
    let result: CommandResult
    do throws(RunError) {
      result = try await shell.runner.run(
        command, as: shell.account, stdin: [], limits: .init(), timeout: .seconds(20), purpose: .action)
    } catch {
      throw .unavailable("\(shell.name): \(error)")
    }
    return try Listing.entries(of: path, result)
  }

  /// Files of a job as a tar.gz; see ``JobService/results(of:matching:withOutput:onMatched:onOutput:)``.
  func results(
    of job: Job, matching globs: [ResultGlob], withOutput: Bool,
    onMatched: @escaping @Sendable (Int) async throws -> Void,
    onOutput: @escaping @Sendable ([UInt8]) async throws -> Void
  ) async throws {
    let head = StreamHead(shell.name)
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
    let head = StreamHead(shell.name)
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
    guard left.value.isEmpty else { throw BackendError.unavailable("\(shell.name): its list of files ends too early") }
  }

  private func stream(
    _ script: ScriptText, _ job: Job, _ arguments: [String],
    onOutput: @escaping @Sendable ([UInt8]) async throws -> Void
  ) async throws {
    let result: CommandResult
    do {
      let command = try Command.script(
        script, [try shell.root(), job.submissionToken, String(job.attempt)] + arguments)
      result = try await shell.runner.stream(
        command, as: shell.account, input: .bytes([]), timeout: nil, purpose: .action, onOutput: onOutput)
    } catch let error as RunError {
      throw BackendError.unavailable("\(shell.name): \(error)")
    }
    guard result.succeeded else {
      throw BackendError.unavailable(
        "\(shell.name): \(result.message.isEmpty ? "status \(result.exitStatus)" : result.message)")
    }
  }
}

/// The first line of a stream, and what comes after it.
private final class StreamHead: Sendable {
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
