import Synchronization
import Testing

@testable import LegacyAPI

/// What goes on at once, and the most of it there was.
private final class Watch: Sendable {
  private let state = Mutex((now: [String: Int](), all: 0, one: 0))
  var most: (all: Int, one: Int) { state.withLock { ($0.all, $0.one) } }
  var isEmpty: Bool { state.withLock { $0.now.values.allSatisfy { $0 == 0 } } }

  func begin(_ name: String) {
    state.withLock { state in
      state.now[name, default: 0] += 1
      state.all = max(state.all, state.now.values.reduce(0, +))
      state.one = max(state.one, state.now[name] ?? 0)
    }
  }
  func end(_ name: String) { state.withLock { $0.now[name, default: 0] -= 1 } }
}

@Suite("Turns")
struct TurnsTests {
  @Test("Never more at once than there may be, and none is forgotten")
  func bounds() async {
    let turns = Turns(most: 3, ofOne: 2)
    let watch = Watch()
    await withTaskGroup(of: Void.self) { group in
      for index in 0..<60 {
        let name = "n\(index % 3)"
        group.addTask {
          await turns.run(name) {
            watch.begin(name)
            await Task.yield()
            watch.end(name)
          }
        }
      }
    }
    #expect(watch.most.all <= 3 && watch.most.one <= 2 && watch.isEmpty)
  }

  @Test("One that has all its turns taken keeps nobody else waiting")
  func others() async {
    let turns = Turns(most: 3, ofOne: 2)
    let (hold, release) = AsyncStream.makeStream(of: Void.self)
    let (began, begin) = AsyncStream.makeStream(of: Void.self)
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<4 {
        group.addTask {
          await turns.run("slow") {
            begin.yield()
            for await _ in hold { break }
          }
        }
      }
      var seen = 0
      for await _ in began {
        seen += 1
        if seen == 2 { break }
      }
      await turns.run("other") {}
      release.finish()
    }
  }
}
