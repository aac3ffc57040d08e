import Callers
import JobEngine
import JobModel
import Synchronization
import Testing

@testable import LegacyAPI

/// Reads that hang until they are let go.
private final class Hang: Sendable {
  private let state = Mutex((isOver: false, waiting: [CheckedContinuation<Void, Never>](), begun: 0))
  private let (beginnings, beginning) = AsyncStream.makeStream(of: Void.self)
  var begun: Int { state.withLock { $0.begun } }

  func read() async {
    state.withLock { $0.begun += 1 }
    beginning.yield()
    await withCheckedContinuation { continuation in
      let isOver = state.withLock { state in
        if !state.isOver { state.waiting.append(continuation) }
        return state.isOver
      }
      if isOver { continuation.resume() }
    }
  }

  func begins(_ count: Int) async {
    for await _ in beginnings where begun >= count { return }
  }

  func end() {
    let waiting = state.withLock { state in
      state.isOver = true
      return state.waiting
    }
    for continuation in waiting { continuation.resume() }
  }
}

/// Whose reads hang, how many of them may at once, and whose read goes on meanwhile.
struct OutputTurn: Sendable, CustomTestStringConvertible {
  struct Read: Sendable {
    let mail: String
    let machine: String?
    let caller: Caller
  }

  let testDescription: String
  let hanging: Read
  let bound: Int
  let wanted: Read

  private static let (kirby, mario) = ("kirby@example.com", "mario@example.com")

  static let all = [
    OutputTurn(
      testDescription: "one machine of several",
      hanging: .init(mail: kirby, machine: "a", caller: .service), bound: 4,
      wanted: .init(mail: kirby, machine: "b", caller: .service)),
    OutputTurn(
      testDescription: "one account of a cluster",
      hanging: .init(mail: kirby, machine: nil, caller: .service), bound: 4,
      wanted: .init(mail: mario, machine: nil, caller: .service)),
    OutputTurn(
      testDescription: "one user of a machine",
      hanging: .init(mail: kirby, machine: "a", caller: .user(kirby)), bound: 2,
      wanted: .init(mail: mario, machine: "a", caller: .user(mario))),
    OutputTurn(
      testDescription: "a user, and the service",
      hanging: .init(mail: kirby, machine: "a", caller: .user(kirby)), bound: 2,
      wanted: .init(mail: kirby, machine: "a", caller: .service)),
  ]
}

@Suite("Turns to read the output of jobs")
struct OutputTurnsTests {
  private func job(_ read: OutputTurn.Read, _ name: String, _ bench: Bench) async throws -> Job {
    _ = try await bench.submit(name, mail: read.mail)
    var job = try #require(bench.service.recent(JobKey(name: name, number: 1)))
    job.nodes = read.machine.map { [$0] } ?? []
    return job
  }

  @Test("Reads that hang are few, and hold up nobody else's", arguments: OutputTurn.all)
  func turns(turn: OutputTurn) async throws {
    try await Bench.run { bench in
      let hanging = try await job(turn.hanging, "hanging", bench)
      let wanted = try await job(turn.wanted, "wanted", bench)
      let (api, hang) = (bench.api, Hang())
      await withTaskGroup(of: Void.self) { group in
        for _ in 0...turn.bound {
          group.addTask { await api.readingOutput(of: hanging, turn.hanging.caller) { await hang.read() } }
        }
        await hang.begins(turn.bound)
        // It would wait for ever if it had to wait for those.
        await api.readingOutput(of: wanted, turn.wanted.caller) {}
        #expect(hang.begun == turn.bound)
        hang.end()
      }
      #expect(hang.begun == turn.bound + 1)
    }
  }
}
