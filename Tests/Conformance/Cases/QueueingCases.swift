import ConnectorAPI
import Foundation
import JobModel

extension ConformanceCase {
  /// How jobs wait, and what the backend remembers of them.
  static let queueing: [ConformanceCase] = [
    .init("a job has a machine from the board before it runs", .ownQueue) { bench in
      let ended = try await bench.end(of: bench.submit(bench.spec("placed", CaseScript.short)))
      let history = bench.board.history(of: ended.id)
      try expect(history.prefix(3) == [.submitting, .queued, .starting], "the states were \(history.map(\.rawValue))")
      try expect(ended.nodes.count == 1, "its machines are \(ended.nodes)")
    },
    .init("a job whose script is lost is not run", .ownQueue) { bench in
      let spec = bench.spec("lost", CaseScript.short)
      var job = bench.job(spec)
      try? job.apply(.accepted(backendID: job.submissionToken, held: false), at: Date())
      bench.board.insert(job, nil)
      let ended = try await bench.end(of: job, exitCode: false)
      try expect(ended.state == .failed, "it ended as \(ended.state.rawValue)")
    },
    .init("an ended job is found by its tag and its id", .recovering) { bench in
      let job = try await bench.submit(bench.spec("recovered", CaseScript.short))
      let ended = try await bench.end(of: job)
      var unknown = ended
      unknown.backendID = nil
      let found = try await bench.connector.find(unknown, timeout: .seconds(20))
      try expect(found?.backendID == job.backendID && found?.isEnd ?? false, "it is not found by its tag")
      guard let connector = bench.connector as? any RecoveringConnector else { return }
      try await bench.wait(until: "it is among the jobs that ended lately") {
        try await connector.recover(since: ended.submittedAt - 60).contains {
          $0.mark?.token == job.submissionToken && $0.isEnd
        }
      }
      let byID = try await connector.recover(job.key, backendID: job.backendID ?? "")
      try expect(byID?.mark?.token == job.submissionToken, "it is not found by its id and name")
      let other = try await connector.recover(JobKey(name: job.name, number: 2), backendID: job.backendID ?? "")
      try expect(other == nil, "it is found under another number")
    },
    .init("the exit code of a failed job is known in time", .delayedExitCodes) { bench in
      let ended = try await bench.end(of: bench.submit(bench.spec("delayed", "exit 5\n")))
      try expect(
        ended.outcome?.exitCode == bench.exitCode(ofFailure: 5),
        "the exit code is \(ended.outcome?.exitCode.map(String.init) ?? "unknown")")
    },
  ]

  /// What a backend that cannot be reached must not make anybody believe.
  static let unreachable: [ConformanceCase] = [
    .init("a backend that cannot be reached is an error, and never an end of a job", isUnreachable: true) { bench in
      guard let (connector, machine) = bench.subject.unreachable else { return }
      var subject = ConformanceSubject(connector)
      (subject.adapt, subject.account) = (bench.subject.adapt, bench.subject.account)
      let away = Workbench(subject)
      let spec = away.spec("away", CaseScript.lasting)
      var job = away.job(spec)
      let id = connector.has(.ownQueue) ? job.submissionToken : bench.subject.unknownID
      try? job.apply(.accepted(backendID: id, held: false), at: Date())
      if connector.has(.ownQueue) {
        try? job.apply(.placed(machine: machine, devices: [], outputPath: nil), at: Date())
      }
      away.board.insert(job, JobPayload(spec, mark: job.submissionToken))
      let work = Task { await (connector as? any QueueingConnector)?.work(on: away.board) }
      defer { work.cancel() }
      try await bench.wait(until: "the connector names an outage or a failure") {
        try await isUnreachable(job, by: connector)
      }
      for _ in 0..<3 { try expect(try await isUnreachable(job, by: connector), "the job is missing from a snapshot") }
      try expect(away.board.job(job.id)?.state.isTerminal == false, "the job ended")
      guard !connector.has(.ownQueue) else { return }
      do throws(BackendError) {
        _ = try await connector.submit(spec, mark: away.mark(spec, token: ULID.make(at: Date())))
        throw .refused("a submit succeeded")
      } catch {
        guard case .unavailable = error else { throw Deviation("a submit failed with: \(error)") }
      }
    }
  ]

  /// Whether a snapshot fails as unavailable, or says that the job's machine does not answer.
  private static func isUnreachable(_ job: Job, by connector: any Connector) async throws -> Bool {
    do throws(BackendError) {
      let snapshot = try await connector.snapshot(of: [job])
      if snapshot.reports.contains(where: { $0.shows(job) }) { throw .refused("a snapshot shows the job") }
      return snapshot.unreachable[job.backendID ?? ""] != nil
    } catch {
      guard case .unavailable = error else { throw Deviation("the snapshot failed with: \(error)") }
      return true
    }
  }
}
