import ConnectorAPI
import JobModel

extension ConformanceCase {
  /// What is done to jobs.
  static let controlling: [ConformanceCase] = [
    .init("a held job waits until it is released", .releasing, runsScript: false) { bench in
      let job = try await bench.reach(.held, of: bench.submit(bench.spec("held", CaseScript.short, held: true)))
      try expect(job.startedAt == nil, "it has started")
      try await bench.release(job)
      let ended = try await bench.end(of: job)
      let history = bench.board.history(of: job.id)
      try expect(history.contains(.queued) && ended.startedAt != nil, "the states were \(history.map(\.rawValue))")
    },
    .init("a job that waits is canceled without having run", .releasing, runsScript: false) { bench in
      let job = try await bench.submit(bench.spec("waits", CaseScript.short, held: true))
      try await bench.cancel(job)
      let ended = try await bench.end(of: job, exitCode: false)
      try expect(ended.state == .canceled, "it ended as \(ended.state.rawValue)")
      try expect(!bench.board.history(of: job.id).contains(.running), "it ran")
    },
    .init("a job that waits is found by its tag", .releasing) { bench in
      let job = try await bench.submit(bench.spec("tag", CaseScript.short, held: true))
      var unknown = try bench.current(job)
      unknown.backendID = nil
      let found = try await bench.connector.find(unknown, timeout: .seconds(20))
      try expect(
        found?.backendID == job.backendID, "found is \(found?.backendID ?? "nothing"), not \(job.backendID ?? "")")
      try expect(found?.mark?.token == job.submissionToken, "what was found has no tag")
      try expect(found.map { !$0.isEnd } ?? false, "it was found as ended")
      try await bench.cancel(job)
    },
    .init("a job that waits is held; one that runs is not", .holding) { bench in
      let job = try await bench.submit(bench.spec("hold", CaseScript.short, held: true))
      try await bench.connector.holding.hold(job)
      try await bench.release(job)
      _ = try await bench.end(of: job)
      let running = try await bench.reach(.running, of: bench.submit(bench.spec("late", CaseScript.lasting)))
      do throws(BackendError) {
        try await bench.connector.holding.hold(running)
        throw .interrupted("a job that runs was held")
      } catch {
        guard case .refused = error else { throw Deviation(error.description) }
      }
      try await bench.cancel(running)
    },
    .init("a running job is suspended and goes on", .suspending) { bench in
      let job = try await bench.reach(.running, of: bench.submit(bench.spec("suspend", CaseScript.lasting)))
      try await bench.connector.suspending.suspend(job)
      _ = try await bench.reach(.suspended, of: job)
      try await bench.connector.suspending.resume(job)
      _ = try await bench.reach(.running, of: job)
      try await bench.cancel(job)
      try expect(try await bench.end(of: job, exitCode: false).state == .canceled, "it was not canceled")
    },
    .init("a suspended job can be canceled", .suspending) { bench in
      let job = try await bench.reach(.running, of: bench.submit(bench.spec("frozen", CaseScript.lasting)))
      try await bench.connector.suspending.suspend(job)
      try await bench.cancel(bench.reach(.suspended, of: job))
      try expect(try await bench.end(of: job, exitCode: false).state == .canceled, "it was not canceled")
    },
    .init("a signal reaches the job; an unknown one is refused", .signalling, needs: [.readingOutput]) { bench in
      let script = "trap 'exit 7' USR1\necho ready\nwhile :; do sleep 0.1; done\n"
      let job = try await bench.reach(.running, of: bench.submit(bench.spec("signal", script)))
      try await bench.wait(until: "the script sets its trap") {
        try await bench.connector.readingOutput.output(job, lines: 1) == Array("ready\n".utf8)
      }
      do throws(BackendError) {
        try await bench.connector.signalling.signal(job, "USR1; touch x")
        throw .interrupted("an unknown signal was sent")
      } catch {
        guard case .refused = error else { throw Deviation(error.description) }
      }
      try await bench.connector.signalling.signal(job, "USR1")
      let ended = try await bench.end(of: job)
      try expect(ended.outcome?.exitCode == 7, "it ended as \(ended.state.rawValue): \(ended.reason)")
    },
    .init("a running job has an address", .interactive, runsScript: false) { bench in
      let job = try await bench.reach(.running, of: bench.submit(bench.spec("url", CaseScript.lasting)))
      let url = (bench.connector as? any InteractiveConnector)?.url(of: job)
      try expect(url?.hasPrefix("http") ?? false, "its address is \(url ?? "nil")")
      try await bench.cancel(job)
    },
  ]
}
