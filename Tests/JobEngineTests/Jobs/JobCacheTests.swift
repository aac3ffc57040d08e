import Foundation
import Testing

@testable import JobEngine
@testable import JobModel

@Suite("The cache that readers see")
struct JobCacheTests {
  let bench = Bench()
  let clock = ManualClock()
  let cache: JobCache

  init() { cache = JobCache(clock: clock.clock()) }

  private func job(_ name: String = "job", _ state: JobState = .queued) -> Job {
    var job = Job(bench.submission(name), fingerprint: "f", connector: bench.connector, clock: clock.clock())
    job.lifecycle = Lifecycle(state)
    return job
  }

  @Test("A job is found by its id and by its name, until it is removed")
  func found() {
    let job = job()
    cache.show([(nil, job)], lingering: .zero)
    #expect(cache.read { $0.jobs[job.id] == job && $0.job(named: job.key) == job })
    cache.remove([job.id])
    #expect(cache.read { $0.jobs.isEmpty && $0.timelines.isEmpty && $0.job(named: job.key) == nil })
  }

  @Test("A new try takes the name of the one before; what is learnt of that one changes nothing")
  func newTry() throws {
    let (old, new) = (job(), job())
    cache.show([(nil, old)], lingering: .zero)
    cache.show([(nil, new)], lingering: .zero)
    let replaced = try #require(cache.read { $0.jobs[old.id] })
    #expect(replaced.replacedBy == new.id && replaced.version == old.version + 1)
    var late = replaced
    late.lifecycle = .running
    cache.show([(replaced, late)], lingering: .zero)
    #expect(cache.read { $0.jobs[new.id] == new && $0.job(named: old.key) == new })
    cache.remove([old.id])
    #expect(cache.read { $0.jobs == [new.id: new] && $0.job(named: old.key) == new })
  }

  @Test("Jobs are counted by state, and those that wait by owner, byte by byte")
  func counts() {
    var jobs = [job("a"), job("b", .held), job("c", .running), job("d", .succeeded)]
    cache.load(jobs)
    let owner = jobs[0].owner
    #expect(cache.read { $0.counts.living } == [.queued: 1, .held: 1, .running: 1])
    #expect(cache.waiting(of: owner, besides: jobs[2].key) == 2 && cache.waiting(of: owner, besides: jobs[0].key) == 1)
    #expect(cache.waiting(of: owner + "\u{301}", besides: jobs[0].key) == 0)
    let before = jobs[0]
    jobs[0].lifecycle = .running
    cache.show([(before, jobs[0])], lingering: .zero)
    #expect(cache.read { $0.counts.living } == [.held: 1, .running: 2])
    cache.remove(jobs.map(\.id))
    #expect(cache.read { $0.counts.living }.isEmpty && cache.waiting(of: owner, besides: jobs[0].key) == 0)
  }

  @Test("Jobs that are read have their names whatever their order")
  func loaded() {
    var old = job()
    let new = job()
    old.replacedBy = new.id
    cache.load([new, old])
    #expect(cache.read { $0.job(named: old.key) == new && $0.jobs.count == 2 })
  }

  @Test("A job that moved is known to have been in the other list for the time that was given")
  func moved() {
    let waiting = job()
    var running = waiting
    running.lifecycle = .running
    cache.show([(nil, waiting)], lingering: .seconds(5))
    cache.show([(waiting, running)], lingering: .seconds(5))
    #expect(cache.read { $0.moved[running.id]?.from } == .queued)
    clock.pass(6)
    cache.show([(running, running)], lingering: .seconds(5))
    #expect(cache.read { $0.moved.isEmpty })
  }

  @Test("Each change counts")
  func generation() {
    let job = job()
    let first = cache.read { $0.generation }
    cache.show([(nil, job)], lingering: .zero)
    cache.remove([job.id])
    #expect(cache.read { $0.generation } == first + 2)
    cache.note(storeIssue: "full")
    #expect(cache.read { $0.generation } == first + 2 && cache.read { $0.storeIssue } == "full")
  }

  @Test("An owner's waiting jobs are counted byte by byte of the name, without the one that is submitted again")
  func waiting() {
    for (name, state) in [("a", .submitting), ("b", .held), ("c", .queued), ("d", .running)] as [(String, JobState)] {
      cache.show([(nil, job(name, state))], lingering: .zero)
    }
    #expect(cache.waiting(of: "kirby@example.com", besides: JobKey(name: "x", number: 1)) == 3)
    #expect(cache.waiting(of: "kirby@example.com", besides: JobKey(name: "a", number: 1)) == 2)
    #expect(cache.waiting(of: "kirby", besides: JobKey(name: "x", number: 1)) == 0)
  }
}
