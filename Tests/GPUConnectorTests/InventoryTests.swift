import JobEngine
import JobModel
import Testing

@testable import GPUConnector

private let a = "GPU-8f6d2c1a-94b3-4a7e-b0c5-2d1e3f4a5b6c"
private let b = "GPU-0d3c5e7f-1122-4334-9556-77889900aabb"
private let c = "GPU-11111111-2222-4333-9444-555566667777"

private let epoch = ContinuousClock.now
private func at(_ seconds: Double) -> ContinuousClock.Instant { epoch + .seconds(seconds) }

/// A job `J` that holds the GPU of that index and UUID.
private func held(_ index: Int, _ uuid: String? = nil) -> [GPUHold] {
  [GPUHold(device: Device(index: index, uuid: uuid), job: "J")]
}

/// What nvidia-smi shows of GPUs with these UUIDs, in the slots 1, 2, ... by default.
private func reading(
  _ uuids: String..., used: [Int] = [], slots: [Int]? = nil, apps: String = "", messages: String = "",
  status: Int = 0, time: Double = 100
) -> NVIDIASMI.Reading {
  let lines = uuids.enumerated().map { index, uuid in
    let slot = slots?[index] ?? index + 1
    return
      "\(index), \(uuid), 00000000:0\(slot):00.0, NVIDIA A100, \(index < used.count ? used[index] : 0), 81920, 30, 0"
  }
  return SMICase(name: "", status: status, gpus: (lines + [messages]).joined(separator: "\n"), apps: apps)
    .reading(at: at(time))
}

private func spec(_ gpus: GPUChoice) -> ServerSpec {
  var spec = ServerSpec(name: "alpha")
  spec.gpus = gpus
  return spec
}

private let noTool = SMICase(name: "", status: 127, appStatus: 127).reading(at: at(100))

@Suite("The GPUs of a server")
struct InventoryTests {
  @Test("A GPU that nvidia-smi shows unused is free; a job's is the job's, whatever is seen on it")
  func freeAndAllocated() {
    let seen = reading(a, b, c, apps: "\(b), 7, 5000\nuser 7 ada")
    let inventory = Inventory(spec(.auto), reading: seen, held: held(1, b))
    #expect(inventory.gpus.map(\.state) == [.free, .allocated(job: "J"), .free])
    #expect(inventory.free == [0, 2] && inventory.inService == 3)
    #expect(inventory.names([0, 2]) == [.uuid(a), .uuid(c)])
    #expect(inventory.gpus[1].name == "NVIDIA A100" && inventory.gpus[1].memoryTotal == 81920)
  }

  @Test("A GPU with a stranger's process is used by others, with pid and user")
  func others() {
    let inventory = Inventory(spec(.auto), reading: reading(a, b, apps: "\(a), 7, 5000\nuser 7 ada"))
    #expect(inventory.gpus.map(\.state) == [.usedByOthers(pid: 7, user: "ada", memory: 5000), .free])
    #expect(inventory.free == [1])
  }

  @Test("Memory in use above the limit counts, with no process to be seen too")
  func memory() {
    let inventory = Inventory(spec(.auto), reading: reading(a, b, used: [1025, 1024]))
    #expect(inventory.gpus.map(\.state) == [.usedByOthers(pid: nil, user: nil, memory: 1025), .free])
  }

  @Test("After a job's end its GPU is free only when a later reading shows nothing on it")
  func release() {
    func state(time: Double, apps: String = "") -> Inventory.State {
      Inventory(
        spec(.auto), reading: reading(a, apps: apps, time: time),
        released: [GPURelease(device: Device(index: 0, uuid: a), time: at(100))]
      ).gpus[0].state
    }
    #expect(state(time: 99) == .unknown && state(time: 100) == .unknown && state(time: 100.1) == .free)
    #expect(state(time: 101, apps: "\(a), 7, 1") == .usedByOthers(pid: 7, user: nil, memory: 1))
    let waiting = Inventory(
      spec(.auto), reading: reading(a, time: 99), released: [GPURelease(device: Device(index: 0), time: at(100))])
    #expect(waiting.free == [] && waiting.inService == 1)
  }

  @Test("Before there is a reading nothing is free")
  func noReading() {
    #expect(Inventory(spec(.auto), reading: nil).gpus == [])
    let counted = Inventory(spec(.count(2)), reading: nil, held: held(1))
    #expect(counted.gpus.map(\.state) == [.unknown, .allocated(job: "J")] && counted.free == [])
    let named = Inventory(spec(.these([.uuid(a)])), reading: nil, held: held(0, a))
    #expect(named.gpus.map(\.state) == [.allocated(job: "J")] && named.gpus[0].index == nil)
  }

  @Test("A GPU that is no longer shown is missing, and lost where the driver says so")
  func missing() {
    let before = Inventory(spec(.auto), reading: reading(a, b, c))
    let after = Inventory(spec(.auto), reading: reading(a, c, slots: [1, 3]), previous: before)
    #expect(after.gpus.map(\.state) == [.free, .free, .missing("nvidia-smi does not show it")])
    #expect(after.gpus.map(\.uuid) == [a, c, b] && after.gpus.map(\.index) == [0, 1, nil])
    let message = "Unable to determine the device handle for GPU0000:02:00.0: GPU is lost"
    let lost = Inventory(
      spec(.auto), reading: reading(a, c, slots: [1, 3], messages: message, status: 15), previous: after)
    #expect(lost.gpus.last?.state == .failed("GPU is lost") && lost.gpus.last?.uuid == b)
    let back = Inventory(spec(.auto), reading: reading(a, b, c), previous: lost)
    #expect(back.gpus.map(\.state) == [.free, .free, .free])
  }

  @Test("A job keeps its GPU by UUID when the indices change, also one that is missing")
  func shifted() {
    let before = Inventory(spec(.auto), reading: reading(a, b), held: held(1, b))
    let held = held(1, b)
    #expect(
      Inventory(spec(.auto), reading: reading(b, a, slots: [2, 1]), held: held, previous: before).gpus.map(\.state)
        == [.allocated(job: "J"), .free])
    #expect(
      Inventory(spec(.auto), reading: reading(a), held: held, previous: before).gpus.map(\.state)
        == [.free, .allocated(job: "J")])
  }

  @Test("A GPU whose UUID cannot be read any more is one GPU still, and another in its slot takes its place")
  func sameSlot() {
    let before = Inventory(spec(.auto), reading: reading(a, b))
    let unreadable = Inventory(spec(.auto), reading: reading(a, "[Unknown Error]"), previous: before)
    #expect(unreadable.gpus.map(\.state) == [.free, .failed("Unknown Error")])
    #expect(Inventory(spec(.auto), reading: reading(a, b), previous: unreadable).gpus.map(\.state) == [.free, .free])
    #expect(Inventory(spec(.auto), reading: reading(a, c), previous: before).gpus.map(\.uuid) == [a, c])
  }

  @Test("While nvidia-smi fails no GPU is given out, and jobs keep theirs")
  func failure() {
    let broken = SMICase(name: "", status: 9, gpus: "no driver").reading(at: at(200))
    let before = Inventory(spec(.auto), reading: reading(a, b))
    let after = Inventory(spec(.auto), reading: broken, held: held(1, b), previous: before)
    #expect(after.gpus.map(\.state) == [.failed("no driver"), .allocated(job: "J")])
    #expect(Inventory(spec(.count(1)), reading: broken).gpus.map(\.state) == [.failed("no driver")])
  }

  @Test("Without nvidia-smi counts rule, UUIDs are not found, and auto means none")
  func counts() {
    let counted = Inventory(
      spec(.count(3)), reading: noTool, held: held(1), released: [GPURelease(device: Device(index: 0), time: at(500))])
    #expect(counted.gpus.map(\.state) == [.free, .allocated(job: "J"), .free] && counted.names([2]) == [.index(2)])
    #expect(Inventory(spec(.these([.index(5), .index(2)])), reading: noTool).free == [2, 5])
    #expect(
      Inventory(spec(.these([.uuid(a)])), reading: noTool).gpus.map(\.state)
        == [.missing("there is no nvidia-smi on the server")])
    #expect(Inventory(spec(.auto), reading: noTool).gpus == [])
  }

  @Test("With nvidia-smi a count means the first ones, and each is looked at")
  func countSeen() {
    let seen = reading(a, b, apps: "\(a), 7, 1")
    #expect(Inventory(spec(.count(1)), reading: seen).gpus.map(\.uuid) == [a])
    #expect(
      Inventory(spec(.count(3)), reading: seen).gpus.map(\.state)
        == [.usedByOthers(pid: 7, user: nil, memory: 1), .free, .missing("nvidia-smi does not show it")])
    let before = Inventory(spec(.count(2)), reading: reading(a, b))
    let after = Inventory(spec(.count(2)), reading: reading(b, slots: [2]), previous: before)
    #expect(after.gpus.map(\.state) == [.free, .missing("nvidia-smi does not show it")])
    #expect(after.gpus.map(\.uuid) == [b, nil])
  }

  @Test("A list restricts, by index or UUID, and one GPU by two names is one")
  func list() {
    let inventory = Inventory(
      spec(.these([.uuid(c), .index(0), .index(2), .uuid("GPU-none")])), reading: reading(a, b, c))
    #expect(inventory.gpus.map(\.uuid) == [a, c, "GPU-none"])
    #expect(inventory.free == [0, 2])
  }

  @Test("What a server has now is what the queue places by")
  func capacity() throws {
    let lines = ["root /r", "now 5", "boot b", "cpus 64", "memory 102400", "host h", "arch x", "pax 1", "machine m@h"]
    let facts = try PrepareAnswer(Array(lines.map { $0 + "\n" }.joined().utf8))
    var server = spec(.auto)
    (server.cpus, server.tags) = (16, ["fast"])
    let inventory = Inventory(
      server, reading: reading(a, b, c, apps: "\(a), 7, 1"), held: held(1, b))
    let running = [Need(gpus: 1, cores: 4, memoryGB: 8), Need(cores: 2)]
    let capacity = server.capacity(inventory, facts, running: running, isUsable: true)
    #expect(
      capacity.limits
        == ServerLimits(
          name: "alpha", gpus: 3, cpus: 16, memoryGB: 100, slots: 16, readsPax: true, tags: ["fast"]))
    #expect(
      capacity.freeGPUs == [2] && capacity.freeCPUs == 10 && capacity.freeMemoryGB == 92 && capacity.freeSlots == 15)
    server.isEnabled = false
    #expect(!server.capacity(inventory, nil, running: [], isUsable: true).isUsable)
  }
}
