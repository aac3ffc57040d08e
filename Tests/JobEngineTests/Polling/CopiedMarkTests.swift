import ConnectorAPI
import Foundation
import JobModel
import Testing

@testable import JobEngine

@Suite("A job that somebody copies keeps its id")
struct CopiedMarkTests {
  let bench = Bench()

  @Test("A copy that is seen before the submit is answered is not the job")
  func copyFirst() async throws {
    let service = try bench.service()
    let connector = bench.connector
    let submission = bench.submission()
    let submit = Task { try await service.submit(submission, actor: "test") }
    while connector.script.withLock({ $0.submits }) == 0 { await Task.yield() }
    let job = try #require(service.recent(bench.submission().key))
    var copy = bench.report(job, .failed, .failed)
    copy.backendID = "9"
    connector.observes(copy)
    _ = await service.poller.poll()
    #expect(try await submit.value.backendID == "1")
    let answered = try #require(service.recent(job.key))
    #expect(answered.backendID == "1" && answered.state == .queued)
  }

  @Test("Of several with the mark of a submit whose answer was lost, the first is the job", arguments: [false, true])
  func answerLost(isReversed: Bool) async throws {
    let service = try bench.service()
    bench.connector.change { $0.submit = { _, _ throws(BackendError) in throw .interrupted("cut") } }
    _ = try? await service.submit(bench.submission(), actor: "test")
    let job = try #require(service.recent(bench.submission().key))
    var reports = ["12", "9"].map { id in
      var report = bench.report(job, .running)
      report.backendID = id
      return report
    }
    if isReversed { reports.reverse() }
    bench.connector.change { [reports] in
      $0.observation = .success(Snapshot(time: Date(), reports: reports))
    }
    _ = await service.poller.poll()
    #expect(service.recent(job.key)?.backendID == "9")
  }

  @Test(
    "Of several with the mark of a job that the store does not know, the first is adopted", arguments: [false, true])
  func adopted(isReversed: Bool) async throws {
    let adoption = RecoveryKey(secret: Array("secret".utf8), accountOf: { _ in "kirby" })
    bench.configuration.recoveryKey = adoption
    let service = try bench.service()
    let submission = bench.submission()
    let mark = adoption.mark(of: submission, token: "01TOKEN", fingerprint: submission.fingerprint)
    var reports = ["12", "9"].map {
      JobReport(
        backendID: $0, mark: mark, name: submission.name, account: "kirby", state: .running, source: "scripted",
        backendWord: "RUNNING")
    }
    if isReversed { reports.reverse() }
    bench.connector.change { [reports] in
      $0.observation = .success(Snapshot(time: Date(), reports: reports))
    }
    _ = await service.poller.poll()
    #expect(service.recent(submission.key)?.backendID == "9")
  }

  /// Comment's token, name, account, and seconds after the submit, of what has the job's id.
  static let holders: [(token: String?, name: String?, account: String?, delay: TimeInterval?, isJob: Bool)] = [
    (nil, nil, "kirby", 0, true), ("01OTHER", "job", "kirby", 0, true), ("01OTHER", nil, "kirby", 5, true),
    (nil, "job", nil, nil, true), (nil, "job", "kirby", 1_000_000, true),
    (nil, nil, "kirby", nil, false), (nil, nil, nil, 0, false), (nil, nil, "mario", 0, false),
    (nil, nil, "kirby", 86_400, false), (nil, nil, "kirby", -86_400, false), (nil, "job", "kirby", -86_400, false),
    ("01OTHER", "job", "kirby", nil, false), ("01OTHER", "job", "mario", 0, false),
  ]

  @Test("What has the id is the job by mark, by name, or by account and time of the submit", arguments: holders.indices)
  func holder(index: Int) async throws {
    let holder = Self.holders[index]
    let service = try bench.service()
    _ = try await service.submit(bench.submission(), actor: "test")
    let job = try #require(service.recent(bench.submission().key))
    var report = bench.report(job, .running)
    (report.mark, report.name, report.account) = (
      holder.token.map { Mark(token: $0) }, holder.name, holder.account
    )
    report.submittedAt = holder.delay.map { job.submittedAt + $0 }
    bench.connector.observes(report)
    _ = await service.poller.poll()
    #expect(service.recent(job.key)?.state == (holder.isJob ? .running : .queued))
  }

  @Test("An id that is used again after a reset of the backend is that of the job whose mark it has")
  func reset() async throws {
    let service = try bench.service()
    for name in ["old", "new"] { _ = try await service.submit(bench.submission(name), actor: "test") }
    let (old, new) = try (
      #require(service.recent(bench.submission("old").key)), #require(service.recent(bench.submission("new").key))
    )
    var report = bench.report(new, .running)
    (report.name, report.submittedAt) = ("new", Date())
    bench.connector.observes(report)
    _ = await service.poller.poll()
    #expect(service.recent(new.key)?.state == .running && service.recent(old.key)?.state == .queued)
    #expect(service.recent(old.key)?.contact.unreachableSince != nil)
  }
}
