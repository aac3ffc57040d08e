import ConnectorAPI
import Foundation
import JobModel
import Testing

@testable import JobEngine

/// Tests of jobs that polls do not show any more.
protocol VanishingJobs {
  var bench: Bench { get }
  var clock: ManualClock { get }
}

extension VanishingJobs {
  /// Polls that miss a job for 100 seconds lose it; a job's id is the length of its name.
  func prepare() {
    bench.configuration.clock = clock.clock()
    bench.configuration.lostAfter = 100
    bench.connector.change { $0.submit = { submission, _ in "\(submission.name.count)" } }
  }

  /// Jobs that were seen to run, the first with the id 3, the next 4 and so on.
  func running(_ count: Int, _ service: JobService) async throws -> [Job] {
    var jobs: [Job] = []
    for number in 0..<count {
      let submission = bench.submission("job" + String(repeating: "x", count: number))
      _ = try await service.submit(submission, actor: "test")
      jobs.append(try #require(service.recent(submission.key)))
    }
    show(jobs.map { bench.report($0, .running) })
    await poll(service)
    #expect(jobs.allSatisfy { service.recent($0.key)?.state == .running })
    return jobs
  }

  func show(_ reports: [JobReport]) {
    bench.connector.change { [date = clock.date] in
      $0.observation = .success(Snapshot(time: date, reports: reports))
    }
  }

  func poll(_ service: JobService, _ count: Int = 1) async {
    for _ in 0..<count {
      clock.pass(20)
      _ = await service.poller.poll()
      await service.followUps.resolve()
    }
  }

  func lost(_ service: JobService) async throws -> Job {
    let job = try #require(try await running(1, service).first)
    bench.connector.change { $0.output = Array("half".utf8) }
    show([])
    await poll(service, 8)
    let lost = try #require(service.recent(job.key))
    try #require(lost.state == .lost)
    return lost
  }
}
