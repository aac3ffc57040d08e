import Archives
import ConnectorAPI
import Foundation
import Testing

@testable import JobEngine
@testable import JobModel

/// The bytes of a small archive, by GNU tar.
func archive(_ script: String) throws -> [UInt8] {
  let directory = FileManager.default.temporaryDirectory.appendingPathComponent("input-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: directory) }
  let process = Process()
  process.executableURL = URL(fileURLWithPath: "/bin/sh")
  process.arguments = ["-c", script]
  process.currentDirectoryURL = directory
  let pipe = Pipe()
  process.standardOutput = pipe
  process.standardError = FileHandle.nullDevice
  try process.run()
  let bytes = Array(pipe.fileHandleForReading.readDataToEndOfFile())
  process.waitUntilExit()
  return bytes
}

/// Gives bytes in pieces, then the end.
actor Pieces {
  private var rest: ArraySlice<UInt8>
  private let size: Int

  init(_ bytes: [UInt8], of size: Int = 1000) {
    rest = bytes[...]
    self.size = size
  }

  func next() -> [UInt8]? {
    defer { rest = rest.dropFirst(size) }
    return rest.isEmpty ? nil : Array(rest.prefix(size))
  }
}

extension InputReader {
  func all() throws -> [UInt8] {
    var bytes: [UInt8] = []
    while let piece = try next() { bytes += piece }
    return bytes
  }
}

@Suite("A job's archive is checked, kept and given back as it was")
struct InputTests {
  let bench = Bench()

  private var files: [String] {
    (try? FileManager.default.contentsOfDirectory(atPath: bench.directory.path + "/inputs")) ?? []
  }

  private func submit(
    _ service: JobService, _ bytes: [UInt8], _ change: (inout JobSpec) -> Void = { _ in }
  ) async throws -> Job {
    var submission = bench.submission()
    change(&submission)
    let pieces = Pieces(bytes)
    _ = try await service.submit(submission, actor: "test") { await pieces.next() }
    return try #require(try await service.find(submission.key))
  }

  @Test("It is on disk with the job, of the same bytes and digest, and after a restart too")
  func kept() async throws {
    let bytes = try archive("echo true >run && mkdir d && seq 100000 >d/data && tar -cz run d")
    let job = try await submit(bench.service(), bytes) { $0.entryPoint = "run" }
    let sum = try String(decoding: archive("sha256sum \(bench.directory.path)/inputs/\(job.id)"), as: UTF8.self)
    #expect(sum.hasPrefix(try #require(job.input?.sha256)))
    #expect(job.input?.size == bytes.count && job.input?.entries == 3 && job.input?.contents == 588_895 + 5)
    #expect(files == [job.id.rawValue])
    let restarted = try bench.service()
    try await restarted.start()
    let again = try #require(try await restarted.find(job.key))
    #expect(again.input == job.input)
    #expect(try await restarted.input(of: again).all() == bytes)
    await restarted.stop()
  }

  @Test(
    "What is wrong with it is refused by the entry's name, before anything is asked and with nothing left",
    arguments: [
      ("tar -czPf - /etc/hostname", nil, "'/etc/hostname' has an absolute path"),
      ("ln -s ../x l && tar -cz l", nil, "the link 'l' points, or could point, outside the archive: '../x'"),
      ("mkfifo p && tar -cz p", nil, "'p' is a FIFO: only files, directories and links are allowed"),
      ("touch a && tar -cz a", "run.sh", "the entry point run.sh is not in the archive"),
      ("touch a && tar -c a", nil, "the archive is not a gzip file: expected a tar.gz"),
      ("touch a && tar -cz a | head -c 100", nil, "the archive is truncated after 'a'"),
      ("true", nil, "the archive is not a gzip file: expected a tar.gz"),
    ] as [(String, String?, String)])
  func refused(script: String, entryPoint: String?, reason: String) async throws {
    let service = try bench.service()
    let bytes = try archive(script)
    await #expect(throws: JobError.refused(reason)) {
      _ = try await submit(service, bytes) { $0.entryPoint = entryPoint }
    }
    #expect(try await service.find(bench.submission().key) == nil)
    #expect(bench.connector.script.withLock { $0.submits } == 0)
    #expect(files == [])
  }

  @Test("It may not be larger than the limit, and one that does not come whole leaves nothing")
  func limits() async throws {
    bench.configuration.inputSize = 5000
    let service = try bench.service()
    let bytes = try archive("head -c 20000 /dev/urandom >x && tar -cz x")
    await #expect(throws: JobError.refused("the archive has more than 5000 bytes")) {
      _ = try await submit(service, bytes)
    }
    struct Broken: Error {}
    let pieces = Pieces(Array(bytes.prefix(2500)))
    await #expect(throws: Broken.self) {
      _ = try await service.submit(bench.submission(), actor: "test") {
        guard let piece = await pieces.next() else { throw Broken() }
        return piece
      }
    }
    #expect(files == [])
  }

  @Test("The same submit again is one job and one file; with another archive it is another, and refused")
  func repeated() async throws {
    let service = try bench.service()
    let bytes = try archive("echo 1 >a && tar -cz a")
    let job = try await submit(service, bytes)
    #expect(try await submit(service, bytes).id == job.id)
    let other = try archive("echo 2 >a && tar -cz a")
    await #expect(throws: JobError.conflict(job.key)) { _ = try await submit(service, other) }
    await #expect(throws: JobError.conflict(job.key)) {
      _ = try await service.submit(bench.submission(), actor: "test")
    }
    #expect(bench.connector.script.withLock { $0.submits } == 1)
    #expect(files == [job.id.rawValue])
  }

  @Test("A hundred submits at once, each with its archive, are one job with one file")
  func atOnce() async throws {
    let service = try bench.service()
    let submission = bench.submission()
    let bytes = try archive("echo 1 >a && tar -cz a")
    let ids = try await withThrowingTaskGroup(of: String.self) { group in
      for _ in 0..<100 {
        let pieces = Pieces(bytes)
        group.addTask { try await service.submit(submission, actor: "test") { await pieces.next() }.backendID }
      }
      return try await group.reduce(into: Set()) { $0.insert($1) }
    }
    #expect(ids == ["1"])
    #expect(files == [try await service.find(submission.key)?.id.rawValue])
  }

  @Test("It goes when the backend refuses the job, and with the job's output")
  func removed() async throws {
    bench.configuration.unclaimedOutput = 0
    let service = try bench.service()
    let bytes = try archive("echo 1 >a && tar -cz a")
    bench.connector.change { $0.submit = { _, _ throws(BackendError) in throw .refused("no") } }
    await #expect(throws: JobError.refused("no")) { _ = try await submit(service, bytes) }
    #expect(files == [])
    bench.connector.change { $0.submit = { _, _ in "1" } }
    let job = try await submit(service, bytes)
    await service.ledger.transition(job, actor: "test") { job in
      job.lifecycle = .ended(.succeeded)
      job.endedAt = Date()
    }
    #expect(files == [job.id.rawValue])
    await service.retention.removeDue()
    #expect(files == [])
    let over = try #require(try await service.find(job.key))
    await #expect(throws: JobError.expired(job.key, .succeeded)) { _ = try await service.input(of: over) }
  }

  @Test("What was coming in when Weir was killed is removed when it starts")
  func stray() async throws {
    let service = try bench.service()
    let job = try await submit(service, archive("echo 1 >a && tar -cz a"))
    for name in ["01K.part", "01KABCDEFGHJKMNPQRSTVWXYZ0"] {
      try Data([1]).write(to: bench.directory.appendingPathComponent("inputs/\(name)"))
    }
    let restarted = try bench.service()
    try await restarted.start()
    #expect(files == [job.id.rawValue])
    await restarted.stop()
  }

  @Test("Without an archive there is no entry point, and nothing to give back")
  func without() async throws {
    let service = try bench.service()
    var submission = bench.submission()
    submission.entryPoint = "run"
    await #expect(throws: JobError.refused("entrypoint: the submission has no archive")) {
      _ = try await service.submit(submission, actor: "test")
    }
    _ = try await service.submit(bench.submission(), actor: "test")
    let job = try #require(try await service.find(bench.submission().key))
    await #expect(throws: JobError.notFound("job job/1 was submitted without an archive")) {
      _ = try await service.input(of: job)
    }
  }
}
