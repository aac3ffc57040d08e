import Foundation
import JobModel
import Synchronization
import Testing

@testable import JobEngine

@Suite("The event bus")
struct EventBusTests {
  let bus = EventBus()

  private func change(_ number: Int) -> EventBus.Change {
    let now = Date(timeIntervalSince1970: 1_800_000_000)
    let job = Job(
      id: JobID(rawValue: "\(number)"), key: JobKey(name: "job", number: number), owner: "kirby", account: "kirby",
      connector: "scripted", submissionToken: "T\(number)", fingerprint: "f", lifecycle: .queued(since: nil),
      contact: Contact(seenAt: now, source: "test"), submittedAt: now)
    let event = JobEvent(
      job: job.id, time: now, actor: "test", from: nil, to: .queued, source: "test", reason: "")
    return .init(job: job, events: [event])
  }

  private func publish(_ numbers: ClosedRange<Int>) { bus.publish(numbers.map(change)) }

  @Test("Every subscriber gets each change with its event, in order, before publish returns")
  func order() {
    let seen = Mutex<[[Int]]>([[], []])
    for index in 0...1 {
      bus.subscribe { change in
        #expect(change.events.map(\.job) == [change.job.id])
        seen.withLock { $0[index].append(change.job.key.number) }
      }
    }
    publish(1...3)
    publish(4...4)
    #expect(seen.withLock { $0 } == [[1, 2, 3, 4], [1, 2, 3, 4]])
  }

  @Test("A subscriber that left gets nothing more; others do")
  func leaving() {
    let seen = Mutex<[String]>([])
    let first = bus.subscribe { change in seen.withLock { $0.append("first \(change.job.key.number)") } }
    bus.subscribe { change in seen.withLock { $0.append("second \(change.job.key.number)") } }
    publish(1...1)
    first.cancel()
    first.cancel()
    publish(2...2)
    #expect(seen.withLock { $0 } == ["first 1", "second 1", "second 2"])
    #expect(bus.subscriberCount == 1)
  }

  @Test("A subscriber may leave from within a change")
  func leavingWithin() {
    let subscription = Mutex<EventBus.Subscription?>(nil)
    let calls = Mutex(0)
    let own = bus.subscribe { _ in
      calls.withLock { $0 += 1 }
      subscription.withLock { $0 }?.cancel()
    }
    subscription.withLock { $0 = own }
    publish(1...1)
    publish(2...2)
    #expect(calls.withLock { $0 } == 1 && bus.subscriberCount == 0)
  }
}
