import Foundation
import Testing

@testable import JobEngine
@testable import JobModel

@Suite("Ended jobs in the cache")
struct EndedJobsTests {
  let bench = Bench()
  let clock = ManualClock()
  let cache: JobCache

  init() { cache = JobCache(clock: clock.clock()) }

  /// Ended jobs in the cache, the first to leave first.
  private func jobs(_ count: Int, _ outcome: Outcome = .succeeded) -> [Job] {
    let jobs = (0..<count).map { number in
      var job = Job(
        bench.submission("job\(number)\(outcome)"), fingerprint: "f", connector: bench.connector,
        clock: clock.clock())
      (job.lifecycle, job.backendID) = (.ended(outcome), "\(number)")
      return job
    }
    cache.show(jobs.map { (nil, $0) }, lingering: .zero)
    return jobs
  }

  private var left: Set<JobID> { cache.read { Set($0.jobs.keys) } }

  @Test("The latest stay, those whose end nobody has seen beside them")
  func latest() {
    var ended = EndedJobs(limit: 2, awaitsExitCodes: false)
    let (seen, lost) = (jobs(4), jobs(3, .lost))
    for job in seen + lost { ended.add(job) }
    ended.trim(cache, now: clock.now) { _ in false }
    #expect(left == Set((seen.suffix(2) + lost.suffix(2)).map(\.id)))
  }

  @Test("What is not on disk as it is stays until it is")
  func unsaved() {
    var ended = EndedJobs(limit: 1, awaitsExitCodes: false)
    let jobs = jobs(3)
    for job in jobs { ended.add(job) }
    ended.trim(cache, now: clock.now) { $0 == jobs[0].id }
    #expect(left == [jobs[0].id, jobs[2].id])
    ended.trim(cache, now: clock.now) { _ in false }
    #expect(left == [jobs[2].id])
  }

  @Test("A job that lives again is not removed by its earlier end")
  func corrected() {
    var ended = EndedJobs(limit: 0, awaitsExitCodes: false)
    let lost = jobs(1, .lost)[0]
    ended.add(lost)
    var running = lost
    running.lifecycle = .running
    cache.show([(lost, running)], lingering: .zero)
    ended.trim(cache, now: clock.now) { _ in false }
    #expect(left == [running.id])
  }

  @Test("A job whose exit code may still be learnt stays, longer while accounting cannot be asked")
  func exitCodes() {
    var ended = EndedJobs(limit: 0, awaitsExitCodes: true)
    let job = jobs(1, .failed)[0]
    ended.add(job)
    ended.trim(cache, now: clock.now) { _ in false }
    #expect(left == [job.id])
    clock.pass(700)
    ended.noteAccountingFailure(at: clock.now)
    ended.trim(cache, now: clock.now) { _ in false }
    #expect(left == [job.id])
    clock.pass(700)
    ended.trim(cache, now: clock.now) { _ in false }
    #expect(left == [])
  }
}
