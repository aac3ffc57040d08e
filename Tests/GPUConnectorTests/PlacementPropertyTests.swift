import Glibc
import JobModel
import Testing

@testable import GPUConnector

/// Seconds of processor time that it takes: others on the machine do not count.
private func processorTime(_ body: () -> Void) -> Double {
  func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
  let begin = now()
  body()
  return now() - begin
}

/// SplitMix64: the same numbers for the same seed.
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

private struct WaitingJob {
  let id: JobID
  let priority: Int
  let need: Need
}

/// The rules as they are written, job after job, in as few thoughts as possible.
private func naivePlan(_ jobs: [WaitingJob], _ servers: [ServerCapacity]) -> [Placement] {
  var servers = servers
  var closed: Set<String> = []
  var placements: [Placement] = []
  for job in jobs.sorted(by: { ($1.priority, $0.id) < ($0.priority, $1.id) }) {
    if let index = servers.firstIndex(where: { !closed.contains($0.name) && $0.hasRoom(for: job.need) }) {
      let gpus = Array(servers[index].freeGPUs.prefix(job.need.gpus))
      servers[index].take(job.need, gpus: gpus)
      placements.append(Placement(job: job.id, server: servers[index].name, gpus: gpus))
    } else {
      closed.formUnion(servers.filter { $0.isUsable && $0.limits.fits(job.need) }.map(\.name))
    }
  }
  return placements
}

private func id(_ number: Int) -> JobID {
  let digits = String(number)
  return JobID(rawValue: "01J" + String(repeating: "0", count: 23 - digits.count) + digits)
}

@Suite("Placing many jobs")
struct PlacementPropertyTests {
  private static let seeds: [UInt64] = [1, 2] + (0..<2).map { _ in .random(in: 0 ... .max) }

  private func need(_ generator: inout SeededGenerator) -> Need {
    var need = Need(gpus: [0, 1, 1, 1, 2, 4, 8].randomElement(using: &generator)!)
    need.cores = [0, 1, 4, 16].randomElement(using: &generator)!
    need.memoryGB = [0, 0, 8, 64].randomElement(using: &generator)!
    if Int.random(in: 0..<5, using: &generator) == 0 { need.tags = ["fast"] }
    if Int.random(in: 0..<5, using: &generator) == 0 {
      need.candidates = Set((0..<2).map { _ in "s\(Int.random(in: 0..<8, using: &generator))" })
    }
    return need
  }

  private func servers(_ generator: inout SeededGenerator) -> [ServerCapacity] {
    (0..<8).map { number in
      server(
        "s\(number)", gpus: [0, 1, 2, 4, 8].randomElement(using: &generator)!,
        cpus: [nil, 16, 64].randomElement(using: &generator)!,
        memoryGB: [nil, 64, 256].randomElement(using: &generator)!,
        slots: [nil, 0, 4, 16].randomElement(using: &generator)!,
        tags: Bool.random(using: &generator) ? ["fast"] : [],
        isUsable: Int.random(in: 0..<4, using: &generator) > 0)
    }
  }

  @Test(
    "10,000 jobs come, start, end and go as by the rules written naively, and no GPU is lost or doubled",
    arguments: seeds)
  func agreement(seed: UInt64) {
    var generator = SeededGenerator(state: seed)
    var queue = PlacementQueue()
    var waiting: [WaitingJob] = []
    var running: [(placement: Placement, need: Need)] = []
    var servers = servers(&generator)
    var submitted = 0
    for round in 0..<20 {
      for _ in 0..<500 {
        submitted += 1
        let job = WaitingJob(
          id: id(submitted), priority: Int.random(in: 0..<3, using: &generator), need: need(&generator))
        waiting.append(job)
        queue.insert(job.id, priority: job.priority, need: job.need)
      }
      for _ in 0..<20 {
        queue.remove(waiting.remove(at: Int.random(in: 0..<waiting.count, using: &generator)).id)
      }
      let plan = queue.plan(servers)
      #expect(plan == naivePlan(waiting, servers), "seed \(seed), round \(round)")
      #expect(queue.count == waiting.count)
      let needs = Dictionary(uniqueKeysWithValues: waiting.map { ($0.id, $0.need) })
      for placement in plan {
        let index = servers.firstIndex { $0.name == placement.server }!
        servers[index].take(needs[placement.job]!, gpus: placement.gpus)
        running.append((placement, needs[placement.job]!))
        queue.remove(placement.job)
      }
      let started = Set(plan.map(\.job))
      waiting.removeAll { started.contains($0.id) }
      expectWhole(servers, running, "seed \(seed), round \(round)")
      for _ in 0..<(running.count / 2) {
        let (placement, need) = running.remove(at: Int.random(in: 0..<running.count, using: &generator))
        let index = servers.firstIndex { $0.name == placement.server }!
        servers[index].release(need, gpus: placement.gpus)
      }
      expectWhole(servers, running, "seed \(seed), round \(round)")
      for index in servers.indices where Int.random(in: 0..<6, using: &generator) == 0 {
        servers[index].isUsable.toggle()
      }
    }
    #expect(queue.ids == waiting.sorted { ($1.priority, $0.id) < ($0.priority, $1.id) }.map(\.id), "seed \(seed)")
  }

  /// What is allocated and what is free is all there is, each once.
  private func expectWhole(
    _ servers: [ServerCapacity], _ running: [(placement: Placement, need: Need)], _ comment: Comment
  ) {
    for server in servers {
      let here = running.filter { $0.placement.server == server.name }
      let gpus = here.flatMap(\.placement.gpus) + server.freeGPUs
      #expect(gpus.sorted() == Array(0..<server.limits.gpus!), comment)
      #expect(server.freeCPUs.map { $0 + here.reduce(0) { $0 + $1.need.cores } } == server.limits.cpus, comment)
      #expect(
        server.freeMemoryGB.map { $0 + here.reduce(0) { $0 + $1.need.memoryGB } } == server.limits.memoryGB, comment)
      #expect(server.freeSlots.map { $0 + here.count { $0.need.gpus == 0 } } == server.limits.slots, comment)
    }
  }

  @Test("Neither a change nor a plan slows with the length of the queue")
  func cost() {
    func seconds(waiting: Int) -> (change: Double, plan: Double) {
      let needs = (0..<8).map { Need(gpus: 1 + $0 % 2, cores: $0) }
      var queue = PlacementQueue()
      for number in 0..<waiting { queue.insert(id(number), priority: number % 2, need: needs[number % 8]) }
      let servers = (0..<8).map { server("s\($0)", gpus: 8) }
      let change = (0..<5).map { _ in
        processorTime {
          for number in stride(from: 0, to: waiting, by: waiting / 500) {
            queue.remove(id(number))
            queue.insert(id(number), priority: number % 2, need: needs[number % 8])
          }
        }
      }
      let plan = (0..<5).map { _ in processorTime { for _ in 0..<10 { _ = queue.plan(servers) } } }
      return (change.min()!, plan.min()!)
    }
    let (short, long) = (seconds(waiting: 1_000), seconds(waiting: 100_000))
    #expect(long.change < 5 * short.change && long.plan < 3 * short.plan, "\(short) \(long)")
  }

  @Test("A plan does not look at all the jobs that wait for a server that is down")
  func waitingForOne() {
    var queue = PlacementQueue()
    for number in 0..<100_000 { queue.insert(id(number), need: Need(gpus: 1, candidates: ["down"])) }
    queue.insert(id(100_000), need: Need(gpus: 1))
    let servers = [server("down", gpus: 1, isUsable: false), server("up", gpus: 1)]
    let time = processorTime {
      for _ in 0..<100 { #expect(queue.plan(servers).map(\.job) == [id(100_000)]) }
    }
    #expect(time < 1)
  }
}

@Suite("The sorted list")
struct SortedListTests {
  @Test("Holds what a sorted array holds", arguments: [1, 2, UInt64.random(in: 0 ... .max)])
  func agreement(seed: UInt64) {
    var generator = SeededGenerator(state: seed)
    var list = SortedList<Int>()
    var numbers: Set<Int> = []
    for step in 0..<5_000 {
      let number = Int.random(in: 0..<3_000, using: &generator)
      if step % 3 == 2 {
        #expect(list.remove(number) == (numbers.remove(number) != nil), "seed \(seed)")
      } else if numbers.insert(number).inserted {
        list.insert(number)
      }
    }
    let sorted = numbers.sorted()
    #expect(Array(list) == sorted && list.count == sorted.count, "seed \(seed)")
    for number in -1...3_000 { #expect(list.first(after: number) == sorted.first { $0 > number }, "seed \(seed)") }
    var copy = list
    var popped: [Int] = []
    while let first = copy.popFirst() { popped.append(first) }
    #expect(popped == sorted && copy.isEmpty && Array(list) == sorted, "seed \(seed)")
    #expect(copy.popFirst() == nil && copy.first(after: 0) == nil && !copy.remove(1))
  }
}
