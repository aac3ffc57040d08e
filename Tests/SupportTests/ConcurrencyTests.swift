import Dispatch
import Support
import Testing

@Suite("Tasks and queues")
struct ConcurrencyTests {
  private actor Counter {
    private let executor: QueueExecutor
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
    private var count = 0

    init(mayBlock: Bool) { executor = QueueExecutor(label: "counter", mayBlock: mayBlock) }

    func add() { count += 1 }

    /// What is asked on the queue itself, as a Dispatch source would.
    func askedOnItsQueue() async -> Int {
      await withCheckedContinuation { continuation in
        executor.queue.async { @Sendable in continuation.resume(returning: self.assumeIsolated { $0.count }) }
      }
    }
  }

  @Test("An actor runs on its queue, where its sources may ask for its state", arguments: [false, true])
  func executor(mayBlock: Bool) async {
    let counter = Counter(mayBlock: mayBlock)
    await withTaskGroup { group in
      for _ in 0..<1000 { group.addTask { await counter.add() } }
    }
    #expect(await counter.askedOnItsQueue() == 1000)
  }

  @Test("The first result ends the others; without one there is none; an error ends them too")
  func firstOfSeveral() async throws {
    struct Failure: Error {}
    typealias Activity = @Sendable () async throws -> Int?
    let forever: Activity = {
      try await Task.sleep(for: .seconds(600))
      return 1
    }
    let (two, nothing): (Activity, Activity) = ({ 2 }, { nil })
    let failing: Activity = { throw Failure() }
    #expect(try await firstResult(of: [forever, two]) == 2)
    #expect(try await firstResult(of: [nothing, nothing]) == nil)
    await #expect(throws: Failure.self) { try await firstResult(of: [forever, failing]) }
  }
}
