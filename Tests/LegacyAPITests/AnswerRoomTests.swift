import Callers
import Foundation
import HTTP
import JobEngine
import JobModel
import Testing

@testable import LegacyAPI

@Suite("A caller whose answers have no room left")
struct AnswerRoomTests {
  private func load() -> Load {
    var limits = LoadLimits()
    limits.answerBytesOfCaller = 100_000
    return Load(limits: limits)
  }

  /// A script whose answer is long.
  private static let long = Script.plain + Array(repeating: "# " + String(repeating: "x", count: 997), count: 100)

  @Test("A submit is refused before the job is made, and accepted once there is room", arguments: [20, 100])
  func submit(lines: Int) async throws {
    let (backend, load) = (StagedConnector(), load())
    let script = Script.plain + Array(repeating: "#" + String(repeating: "\u{1}", count: 999), count: lines)
    try await Bench.run(backend, load: load) { bench in
      let user = Bench.Sender.user("kirby@example.com")
      let held = try bench.api.gate.reserve(answerBytes: 90_000, for: .user("kirby@example.com"))
      let refused = try await bench.call("/submit", Script.args(lines: script), as: user)
      #expect(refused.status == 429 && refused.code == "too_many_requests")
      #expect(backend.current.submits == 0, "refused, though the job was made")
      withExtendedLifetime(held) {}
    }
    try await Bench.run(backend, load: load) { bench in
      let answered = try await bench.call(
        "/submit", Script.args(lines: script), as: .user("kirby@example.com"))
      #expect(answered.status == 200 && backend.current.submits == 1)
    }
  }

  @Test("An end that cannot be answered does not count as answered", arguments: [10, 200_000])
  func end(bytes: Int) async throws {
    let backend = StagedConnector()
    backend.change {
      $0.report.lifecycle = .ended(.succeeded)
      $0.output = Array(repeating: UInt8(ascii: "x"), count: bytes)
    }
    try await Bench.run(backend, load: load()) { bench in
      let (user, name) = (Bench.Sender.user("kirby@example.com"), "kirby@example.com")
      let submitted = try await bench.submit()
      await bench.look()
      let job = try #require(bench.service.recent(JobKey(name: submitted.name, number: 1)))
      var held: LoadShare? = try bench.api.gate.reserve(answerBytes: 90_000, for: .user(name))
      #expect(try await bench.call("/exitstatus", submitted, as: user).status == 429)
      #expect(try await bench.service.answeredOutputSource(of: job) == nil)
      held = nil
      #expect(held == nil)
      #expect(try await bench.call("/exitstatus", submitted, as: user).status == 200)
      #expect(try await bench.service.answeredOutputSource(of: job) != nil)
    }
  }

  @Test("The service and other users are answered meanwhile")
  func others() async throws {
    let backend = StagedConnector()
    try await Bench.run(backend, load: load()) { bench in
      let held = try bench.api.gate.reserve(answerBytes: 90_000, for: .user("mario@example.com"))
      for sender in [Bench.Sender.upstream, .user("kirby@example.com")] {
        #expect(try await bench.call("/submit", Script.args(lines: Self.long), as: sender).status == 200)
      }
      #expect(backend.current.submits == 1, "the same submit twice is one job")
      withExtendedLifetime(held) {}
    }
  }

  @Test("What needs little room is answered all the same")
  func short() async throws {
    try await Bench.run(StagedConnector(), load: load()) { bench in
      let user = Bench.Sender.user("kirby@example.com")
      let held = try bench.api.gate.reserve(answerBytes: 200_000, for: .user("kirby@example.com"))
      #expect(try await bench.call("/submit", Script.args(), as: user).status == 200)
      #expect(try await bench.get("/queued", as: user).status == 200)
      withExtendedLifetime(held) {}
    }
  }
}
