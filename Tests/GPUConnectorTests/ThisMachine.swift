import ConnectorAPI
import Foundation
import JobModel
import Logging
import Shell
import Testing

@testable import GPUConnector
@testable import JobEngine
@testable import JobStoreSQLite

/// A whole service on this machine, with a store and a job root of its own.
final class ThisMachine {
  let directory: URL
  let service: JobService
  var root: String { directory.path + "/root" }

  init(_ change: (inout JobService.Configuration) -> Void = { _ in }) async throws {
    directory = FileManager.default.temporaryDirectory.appendingPathComponent("weir-machine-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    var configuration = JobService.Configuration()
    configuration.pollInterval = .milliseconds(200)
    change(&configuration)
    var places = GPUConnector.Configuration()
    places.sweepInterval = .milliseconds(200)
    places.quarantine = .seconds(1)
    places.grace = .seconds(1)
    let connector = try GPUConnector(
      .thisMachine(root: directory.path + "/root", gpus: 0), configuration: places, logger: .quiet)
    service = JobService(
      store: try SQLiteJobStore(directory: directory.path + "/state"), connector: connector,
      configuration: configuration,
      logger: .quiet)
    try await service.start()
  }

  func end() async {
    await service.stop()
    try? FileManager.default.removeItem(at: directory)
  }

  func submission(_ name: String = "job", script: String = "", entryPoint: String? = nil) -> JobSpec {
    var submission = JobSpec(
      name: name, number: 1, owner: "kirby@example.com", account: LocalRunner.account, nodes: 1, coresPerNode: 0,
      request: script, script: script, shownScript: script)
    submission.entryPoint = entryPoint
    return submission
  }

  /// The job, once it is so.
  func job(_ name: String = "job", _ isSo: (Job) -> Bool) async throws -> Job {
    for _ in 0..<1200 {
      if let job = try await service.find(JobKey(name: name, number: 1)), isSo(job) { return job }
      try await Task.sleep(for: .milliseconds(50))
    }
    throw Late(job: try await service.find(JobKey(name: name, number: 1)))
  }

  func output(_ job: Job) async throws -> String { String(decoding: try await service.finalOutput(job), as: UTF8.self) }
}

struct Late: Error { let job: Job? }

extension Logger {
  static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
}

/// What a shell's script prints in a directory of its own.
func shell(_ script: String, _ arguments: String..., in directory: URL? = nil) throws -> [UInt8] {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: "/bin/sh")
  process.arguments = ["-euc", script, "sh"] + arguments
  let place = directory ?? FileManager.default.temporaryDirectory.appendingPathComponent("sh-\(UUID().uuidString)")
  if directory == nil { try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true) }
  defer { if directory == nil { try? FileManager.default.removeItem(at: place) } }
  process.currentDirectoryURL = place
  let pipe = Pipe()
  process.standardOutput = pipe
  try process.run()
  let bytes = Array(pipe.fileHandleForReading.readDataToEndOfFile())
  process.waitUntilExit()
  #expect(process.terminationStatus == 0)
  return bytes
}

/// Gives bytes in pieces, then the end.
actor Pieces {
  private var rest: ArraySlice<UInt8>

  init(_ bytes: [UInt8]) { rest = bytes[...] }

  func next() -> [UInt8]? {
    defer { rest = rest.dropFirst(1 << 16) }
    return rest.isEmpty ? nil : Array(rest.prefix(1 << 16))
  }
}

/// Takes bytes.
actor Sink {
  private(set) var bytes: [UInt8] = []
  private(set) var matched = -1
  private(set) var files: [JobFile] = []

  func add(_ more: [UInt8]) { bytes += more }
  func matches(_ count: Int) { matched = count }
  func add(_ more: [JobFile]) { files += more }
}

extension Ledger {
  /// The store, for a look into the database itself.
  nonisolated var sqlite: SQLiteJobStore {
    guard let store = store as? SQLiteJobStore else { preconditionFailure("a store in SQLite is expected") }
    return store
  }
}
