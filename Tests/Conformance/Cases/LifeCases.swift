import ConnectorAPI
import Foundation
import JobModel

extension ConformanceCase {
  /// What every connector must show of the life of a job.
  static let life: [ConformanceCase] = [
    .init("a job runs, succeeds and is reported by its tag", runsScript: false) { bench in
      let job = try await bench.submit(bench.spec("short", CaseScript.short))
      let ended = try await bench.end(of: job)
      if bench.subject.runsScripts {
        try expect(ended.state == .succeeded, "it ended as \(ended.state.rawValue): \(ended.reason)")
        try expect(
          ended.outcome?.exitCode == 0, "its exit code is \(ended.outcome?.exitCode.map(String.init) ?? "unknown")")
      }
      try expect(!ended.nodes.isEmpty, "no machine of an ended job is reported")
      try expect(ended.startedAt != nil && ended.endedAt != nil, "start or end of an ended job are not reported")
    },
    .init("states follow each other in order", runsScript: false) { bench in
      let job = try await bench.submit(bench.spec("order", CaseScript.lasting))
      let running = try await bench.reach(.running, of: job)
      try expect(running.startedAt != nil, "a running job has no time of start")
      try await bench.cancel(running)
      _ = try await bench.end(of: job, exitCode: false)
      let order: [JobState] = [.submitting, .held, .queued, .starting, .running, .canceling]
      let ranks = bench.board.history(of: job.id).map { order.firstIndex(of: $0) ?? order.count }
      try expect(ranks == ranks.sorted(), "the states were \(bench.board.history(of: job.id).map(\.rawValue))")
    },
    .init("the exit code of a script is reported") { bench in
      let ended = try await bench.end(of: bench.submit(bench.spec("fails", "exit 3\n")))
      try expect(ended.state == .failed, "it ended as \(ended.state.rawValue)")
      try expect(
        ended.outcome?.exitCode == bench.exitCode(ofFailure: 3),
        "its exit code is \(ended.outcome?.exitCode.map(String.init) ?? "unknown")")
    },
    .init("a running job is canceled, and a cancel of an ended job changes nothing", runsScript: false) { bench in
      let job = try await bench.reach(.running, of: bench.submit(bench.spec("cancel", CaseScript.lasting)))
      try await bench.cancel(job)
      let ended = try await bench.end(of: job, exitCode: false)
      try expect(ended.state == .canceled, "it ended as \(ended.state.rawValue)")
      do throws(BackendError) { try await bench.connector.cancel(ended) } catch {
        guard case .notFound = error else { throw Deviation("the cancel of an ended job failed: \(error)") }
      }
      try expect(bench.current(job) == ended || bench.current(job).state == .canceled, "its end has changed")
    },
    .init("a running job is in every snapshot, and its report has its tag", runsScript: false) { bench in
      let job = try await bench.reach(.running, of: bench.submit(bench.spec("shown", CaseScript.lasting)))
      for _ in 0..<3 {
        let snapshot = try await bench.connector.snapshot(of: [bench.current(job)])
        let id = job.backendID ?? ""
        let report = snapshot.reports.first { $0.shows(job) }
        try expect(
          report != nil || snapshot.unchanged.contains(id) && bench.connector.has(.ownQueue),
          "a snapshot does not have a job that runs")
        try expect(report.map { $0.mark?.token == job.submissionToken } ?? true, "a report has no tag")
        try expect(!(report?.isEnd ?? false), "a snapshot shows the end of a job that runs")
      }
      try await bench.cancel(job)
    },
    .init("a job that the backend does not have never ends", runsScript: false) { bench in
      var job = bench.job(bench.spec("unknown", CaseScript.short))
      try? job.apply(.accepted(backendID: bench.subject.unknownID, held: false), at: Date())
      let snapshot = try await bench.connector.snapshot(of: [job])
      try expect(!snapshot.reports.contains { $0.shows(job) && $0.isEnd }, "a snapshot shows an end of it")
    },
    .init("a job that the backend does not have is not found", unless: [.ownQueue]) { bench in
      var job = bench.job(bench.spec("unknown", CaseScript.short))
      try? job.apply(.accepted(backendID: bench.subject.unknownID, held: false), at: Date())
      let snapshot = try await bench.connector.snapshot(of: [job])
      try expect(!snapshot.reports.contains { $0.shows(job) }, "a snapshot shows it")
      try expect(try await bench.connector.find(job, timeout: .seconds(20)) == nil, "it was found")
      job.backendID = nil
      try expect(try await bench.connector.find(job, timeout: .seconds(20)) == nil, "it was found by its tag")
    },
    .init("what cannot run is refused before it is submitted") { bench in
      var spec = bench.spec("refused", CaseScript.short)
      spec.name = "a b; touch x"
      do throws(BackendError) { _ = try bench.connector.preview(spec) } catch {
        guard case .refused = error else { throw Deviation("the error is \(error), not a refusal") }
        return
      }
      throw Deviation("the name \(spec.name.debugDescription) was accepted")
    },
    .init("a healthy backend has no outage", runsScript: false) { bench in
      try await bench.wait(until: "it has no outage") { bench.connector.outage == nil }
    },
    .init("what is not claimed is refused, with the connector's name", runsScript: false) { bench in
      let connector = bench.connector
      let uses: [(Capability, () throws -> Void)] = [
        (.releasing, { _ = try connector.releasing }), (.holding, { _ = try connector.holding }),
        (.suspending, { _ = try connector.suspending }), (.signalling, { _ = try connector.signalling }),
        (.describing, { _ = try connector.describing }), (.readingOutput, { _ = try connector.readingOutput }),
        (.streamingFiles, { _ = try connector.streamingFiles }),
        (.listingDirectories, { _ = try connector.listing("/") }),
      ]
      for (capability, use) in uses {
        do {
          try use()
          try expect(connector.has(capability), "\(capability.rawValue) is not claimed and not refused")
        } catch let error as BackendError {
          try expect(!connector.has(capability), "\(capability.rawValue) is claimed and refused")
          try expect(error.description.contains("the connector \(connector.name) cannot"), "the refusal is: \(error)")
        }
      }
    },
  ]
}
