import Testing

@testable import HTTP

@Suite("Timer wheel")
struct TimerWheelTests {
  private static let tick: Nanoseconds = 1 << 24

  /// The indexes that come up by `now`, in order.
  private func due(_ wheel: inout TimerWheel, by now: Nanoseconds) -> [Int] {
    var found: [Int] = []
    while let index = wheel.popDue(by: now) { found.append(index) }
    return found
  }

  @Test("each comes up once, past its deadline and within two ticks")
  func inOrder() {
    var wheel = TimerWheel()
    let begin = EventLoop.now
    for index in 0..<100 { _ = wheel.schedule(index, by: begin + UInt64(index) * 5_000_000) }
    var seen: [Int] = []
    var now = begin
    while seen.count < 100, now < begin + 2_000_000_000 {
      for index in due(&wheel, by: now) {
        let deadline = begin + UInt64(index) * 5_000_000
        #expect(deadline <= now && now < deadline + 2 * Self.tick)
        seen.append(index)
      }
      now += 1_000_000
    }
    #expect(seen.sorted() == Array(0..<100))
    #expect(wheel.next == .max)
  }

  @Test("a later deadline leaves it where it is, a sooner one moves it, a removed one never comes up")
  func moved() {
    var wheel = TimerWheel()
    let begin = EventLoop.now
    #expect(wheel.schedule(1, by: begin + 1_000_000_000) != nil)
    #expect(wheel.schedule(1, by: begin + 2_000_000_000) == nil)
    #expect(wheel.schedule(1, by: .max) == nil)
    #expect(wheel.schedule(1, by: begin + 500_000_000) != nil)
    #expect(wheel.schedule(2, by: begin + 500_000_000) != nil)
    wheel.remove(2)
    wheel.remove(2)
    #expect(wheel.next > begin + 500_000_000 && wheel.next <= begin + 500_000_000 + Self.tick)
    #expect(due(&wheel, by: begin + 499_000_000) == [])
    #expect(due(&wheel, by: begin + 600_000_000) == [1])
    #expect(due(&wheel, by: begin + 9_000_000_000) == [])
  }

  @Test("a deadline beyond the ring comes up before it, to be put back; a wheel that was empty for long begins anew")
  func beyond() {
    var wheel = TimerWheel()
    let begin = EventLoop.now
    let hour: Nanoseconds = 3_600_000_000_000
    var now = begin
    var deadline = begin + hour
    var visits = 0
    _ = wheel.schedule(7, by: deadline)
    while visits < 20_000, now < deadline {
      now = wheel.next
      #expect(now <= deadline + Self.tick)
      for index in due(&wheel, by: now) {
        visits += 1
        #expect(index == 7)
        if now < deadline { _ = wheel.schedule(7, by: deadline) }
      }
    }
    #expect(visits > 100 && visits < 1000)
    #expect(wheel.next == .max)
    deadline = now + 100_000_000
    #expect(wheel.schedule(7, by: deadline) != nil)
    #expect(wheel.next > deadline && wheel.next <= deadline + Self.tick)
  }
}

@Suite("Index lists")
struct IndexListTests {
  @Test("what is appended comes in order, and leaves from the begin, the middle and the end")
  func order() {
    var lists = IndexLists(count: 2)
    for index in [5, 3, 9, 1] { lists.append(index, to: 0) }
    lists.append(5, to: 0)
    lists.append(9, to: 1)
    lists.remove(100)
    lists.remove(2)
    #expect(lists.first(of: 1) == 9)
    var found: [Int] = []
    while let index = lists.first(of: 0) {
      found.append(index)
      lists.remove(index)
    }
    #expect(found == [3, 1, 5])
    lists.append(5, to: 1)
    lists.remove(9)
    #expect(lists.first(of: 1) == 5)
  }
}
