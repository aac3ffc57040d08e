import Foundation
import JobModel
import Testing

@testable import JobEngine

@Suite("A stream of changes")
struct ChangeStreamTests {
  let bus = EventBus()

  private func publish(_ numbers: ClosedRange<Int>) {
    let now = Date(timeIntervalSince1970: 1_800_000_000)
    bus.publish(
      numbers.map { number in
        .init(
          job: Job(
            id: JobID(rawValue: "\(number)"), key: JobKey(name: "job", number: number), owner: "kirby",
            account: "kirby",
            connector: "scripted", submissionToken: "T\(number)", fingerprint: "f", lifecycle: .queued(since: nil),
            contact: Contact(seenAt: now, source: "test"), submittedAt: now), events: [])
      })
  }

  private func number(_ element: ChangeStream.Element?) -> String {
    switch element {
    case .change(let change): "\(change.job.key.number)"
    case .lost(let count): "lost \(count)"
    case nil: "end"
    }
  }

  @Test("The reader gets what came before it asked, and what comes while it waits")
  func reading() async {
    let stream = bus.changes(buffering: 10)
    publish(1...2)
    #expect(number(await stream.next()) == "1")
    #expect(number(await stream.next()) == "2")
    async let third = stream.next()
    publish(3...3)
    #expect(number(await third) == "3")
  }

  @Test("Of more than it takes the oldest are dropped, and the reader is told how many")
  func lost() async {
    let stream = bus.changes(buffering: 3)
    publish(1...8)
    var seen: [String] = []
    for _ in 0..<4 { seen.append(number(await stream.next())) }
    #expect(seen == ["lost 5", "6", "7", "8"])
    publish(9...9)
    #expect(number(await stream.next()) == "9", "a loss is told once")
  }

  @Test("It ends when it, or the task that reads it, is canceled; a released stream leaves the bus")
  func ends() async {
    let stream = bus.changes(buffering: 3)
    publish(1...1)
    stream.cancel()
    #expect(number(await stream.next()) == "end")
    #expect(bus.subscriberCount == 0)
    let other = bus.changes(buffering: 3)
    let reader = Task { await other.next() }
    reader.cancel()
    #expect(number(await reader.value) == "end")
    #expect(bus.subscriberCount == 0)
    do {
      let released = bus.changes(buffering: 3)
      withExtendedLifetime(released) { #expect(bus.subscriberCount == 1) }
    }
    publish(2...2)
    #expect(bus.subscriberCount == 0)
  }
}
