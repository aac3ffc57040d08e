import JobModel
import Testing

@testable import GPUConnector

/// A server on which nothing runs.
func server(
  _ name: String, gpus: Int = 0, cpus: Int? = nil, memoryGB: Int? = nil, slots: Int? = nil, tags: Set<String> = [],
  readsPax: Bool? = nil, isUsable: Bool = true
) -> ServerCapacity {
  ServerCapacity(
    ServerLimits(
      name: name, gpus: gpus, cpus: cpus, memoryGB: memoryGB, slots: slots, readsPax: readsPax, tags: tags),
    gpus: Array(0..<gpus), isUsable: isUsable)
}

/// A queue of jobs named `a`, `b`, ... in that order.
private func queue(_ needs: Need...) -> PlacementQueue {
  var queue = PlacementQueue()
  for (index, need) in needs.enumerated() {
    queue.insert(JobID(rawValue: String(UnicodeScalar(UInt8(97 + index)))), need: need)
  }
  return queue
}

extension PlacementQueue {
  /// `a alpha 0 1`: the plan as text.
  fileprivate func text(_ servers: ServerCapacity...) -> [String] {
    plan(servers).map { ([$0.job.rawValue, $0.server] + $0.gpus.map(String.init)).joined(separator: " ") }
  }
}

@Suite("The rules of placing jobs")
struct PlacementRuleTests {
  private let one = Need(gpus: 1)

  @Test("The first server in order with room, and of its GPUs the lowest")
  func preference() {
    let jobs = queue(one, one, one, one, one)
    var (first, second) = (server("s1", gpus: 2), server("s2", gpus: 2))
    #expect(jobs.text(first, second) == ["a s1 0", "b s1 1", "c s2 0", "d s2 1"])
    for gpu in 0..<2 {
      first.take(one, gpus: [gpu])
      second.take(one, gpus: [gpu])
    }
    first.release(one, gpus: [1])
    #expect(queue(one).text(first, second) == ["a s1 1"])
  }

  @Test("By priority, the highest first; within it in the order of submits")
  func order() {
    var jobs = queue(one, one)
    jobs.insert("z", priority: 5, need: one)
    jobs.insert("y", priority: 5, need: Need(gpus: 1, cores: 1))
    jobs.insert("low", priority: -1, need: one)
    #expect(jobs.ids == ["y", "z", "a", "b", "low"])
    #expect(jobs.text(server("s", gpus: 3)) == ["y s 0", "z s 1", "a s 2"])
    jobs.insert("b", priority: 9, need: one)
    #expect(jobs.count == 5 && jobs.ids.first == "b")
  }

  @Test("All GPUs of a job are on one server, or it waits")
  func together() {
    #expect(queue(Need(gpus: 3)).text(server("s1", gpus: 2), server("s2", gpus: 2)) == [])
    #expect(queue(Need(gpus: 2)).text(server("s1", gpus: 1), server("s2", gpus: 2)) == ["a s2 0 1"])
  }

  @Test("An archive in the format pax goes where it is read")
  func pax() {
    let servers = [server("s1", gpus: 1, readsPax: false), server("s2", gpus: 1, readsPax: true)]
    #expect(queue(Need(gpus: 1, needsPax: true), one).text(servers[0], servers[1]) == ["a s2 0", "b s1 0"])
    let fault = PlacementQueue.fault(Need(gpus: 1, needsPax: true), [servers[0].limits])
    #expect(fault?.hasSuffix("s1 has a tar that does not read pax, the format of the archive") == true)
    // What is not known yet keeps nobody out.
    #expect(PlacementQueue.fault(Need(gpus: 1, needsPax: true), [server("s3", gpus: 1).limits]) == nil)
  }

  @Test("A job that waits closes every server that could run it to those behind it")
  func closes() {
    var (first, second) = (server("s1", gpus: 2), server("s2", gpus: 2))
    first.take(one, gpus: [0])
    second.take(one, gpus: [1])
    #expect(queue(Need(gpus: 2), one, Need()).text(first, second) == [])
    #expect(queue(one, Need(gpus: 2), one).text(first, second) == ["a s1 1"])
  }

  @Test("Servers that it can never use stay open")
  func staysOpen() {
    var large = server("large", gpus: 4)
    large.take(one, gpus: [0])
    let jobs = queue(Need(gpus: 4), one, Need(gpus: 2), one)
    #expect(jobs.text(server("small", gpus: 2), large) == ["b small 0"])
    #expect(
      queue(Need(gpus: 1, candidates: ["large"]), Need(gpus: 4), one).text(server("small", gpus: 1), large)
        == ["a large 1", "c small 0"])
  }

  @Test("A job whose servers are all unusable blocks nobody, and starts when they are back")
  func unusable() {
    let jobs = queue(Need(gpus: 4), Need(gpus: 1, candidates: ["large"]), Need(gpus: 1, tags: ["a100"]), one)
    let small = server("small", gpus: 1)
    #expect(jobs.text(server("large", gpus: 4, tags: ["a100"], isUsable: false), small) == ["d small 0"])
    #expect(jobs.text(server("large", gpus: 4, tags: ["a100"]), small) == ["a large 0 1 2 3", "d small 0"])
  }

  @Test("A job that needs more GPUs than are in service blocks nobody")
  func outOfService() {
    let limited = ServerCapacity(ServerLimits(name: "s", gpus: 3), gpus: [0, 2, 3])
    #expect(queue(Need(gpus: 4), one).text(limited) == ["b s 0"])
  }

  @Test("A job without GPUs takes a slot, one with GPUs none")
  func slots() {
    #expect(queue(Need(), one, Need(), Need()).text(server("s", gpus: 1, slots: 2)) == ["a s", "b s 0", "c s"])
    #expect(queue(Need(), one).text(server("s", gpus: 1, slots: 0)) == ["b s 0"])
  }

  @Test("Cores and memory are counted where they are known")
  func counted() {
    let jobs = queue(Need(cores: 3, memoryGB: 5), Need(cores: 2, memoryGB: 1))
    #expect(jobs.text(server("s", cpus: 4, memoryGB: 64)) == ["a s"])
    #expect(jobs.text(server("s", cpus: 8, memoryGB: 5)) == ["a s"])
    #expect(jobs.text(server("s")) == ["a s", "b s"])
    #expect(queue(Need(cores: 5), Need(cores: 4)).text(server("s", cpus: 4)) == ["b s"])
  }

  @Test("What runs already is counted, also where it is more than the server now has")
  func shrunk() {
    var small = server("s", gpus: 1, cpus: 2, slots: 1)
    small.take(Need(cores: 4), gpus: [])
    small.take(Need(gpus: 1), gpus: [7])
    #expect(small.freeCPUs == -2 && small.freeSlots == 0 && small.freeGPUs == [0])
    #expect(queue(Need(gpus: 1, cores: 1)).text(small) == [])
  }

  @Test("A job that was removed is not placed, and one that is placed stays until it is removed")
  func removal() {
    var jobs = queue(one, one, one)
    let free = server("s", gpus: 2)
    #expect(jobs.text(free) == ["a s 0", "b s 1"] && jobs.text(free) == ["a s 0", "b s 1"])
    jobs.remove("a")
    jobs.remove("nobody")
    #expect(jobs.text(free) == ["b s 0", "c s 1"] && !jobs.contains("a") && jobs.contains("b"))
    jobs.insert("a", need: one)
    #expect(jobs.text(free) == ["a s 0", "b s 1"])
    for id: JobID in ["a", "b", "c"] { jobs.remove(id) }
    #expect(jobs.isEmpty && jobs.text(free) == [])
  }
}

@Suite("Jobs that no server can ever run")
struct PlacementFaultTests {
  private let servers = [
    ServerLimits(name: "alpha", gpus: 4, cpus: 32, memoryGB: 256, slots: 0, tags: ["a100"]),
    ServerLimits(name: "beta", gpus: 1, cpus: 64, memoryGB: 64, slots: 8),
  ]

  @Test(
    "The sentence names what is needed and what there is",
    arguments: [
      (Need(gpus: 4, cores: 32), nil),
      (Need(), nil),
      (Need(gpus: 1, tags: ["a100"], candidates: ["alpha", "beta"]), nil),
      (
        Need(gpus: 5),
        "no server can ever run this job, which needs 5 GPUs: alpha has 4 GPUs, beta has 1 GPU"
      ),
      (
        Need(gpus: 2, cores: 40, memoryGB: 10),
        "no server can ever run this job, which needs 2 GPUs, 40 cores and 10 GB of memory: alpha has 32 cores,"
          + " beta has 1 GPU"
      ),
      (
        Need(memoryGB: 100),
        "no server can ever run this job, which needs no GPUs and 100 GB of memory: alpha accepts no jobs without GPUs,"
          + " beta has 64 GB of memory"
      ),
      (
        Need(gpus: 2, candidates: ["beta"]),
        "no server can ever run this job, which needs 2 GPUs: beta has 1 GPU"
      ),
      (Need(candidates: ["beta", "gamma"]), "there is no server called gamma"),
      (Need(tags: ["h100"]), "no server that may be chosen has the tag h100"),
      (Need(tags: ["h100", "a100"]), "no server that may be chosen has all of the tags a100, h100"),
    ])
  func sentence(need: Need, expected: String?) {
    #expect(PlacementQueue.fault(need, servers) == expected)
  }

  @Test("What is not known yet refuses nothing")
  func unknown() {
    #expect(PlacementQueue.fault(Need(gpus: 99, cores: 999), [ServerLimits(name: "s")]) == nil)
    #expect(PlacementQueue.fault(Need(), []) == "there is no server")
  }

  @Test("Of many servers some are named")
  func many() {
    let many = (1...20).map { ServerLimits(name: "s\($0)", gpus: 1) }
    let sentence = PlacementQueue.fault(Need(gpus: 2), many)
    #expect(sentence?.hasSuffix("s8 has 1 GPU, and so on") == true)
  }
}
