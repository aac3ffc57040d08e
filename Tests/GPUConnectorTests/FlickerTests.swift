import JobEngine
import JobModel
import Testing

@testable import GPUConnector

private let epoch = ContinuousClock.now

private func uuid(_ index: Int) -> String { "GPU-0000000\(index)-1122-4334-9556-77889900aabb" }

/// What nvidia-smi may say of one GPU for a moment.
private enum Flicker: CaseIterable {
  case memory, process, missing, error, lost

  func row(_ index: Int) -> String? {
    let bus = "00000000:0\(index):00.0"
    return switch self {
    case .memory: "\(index), \(uuid(index)), \(bus), NVIDIA A100, 70000, 81920, 30, 0"
    case .process: "\(index), \(uuid(index)), \(bus), NVIDIA A100, 10, 81920, 30, 0"
    case .missing, .lost: nil
    case .error: "\(index), \(uuid(index)), \(bus), NVIDIA A100, [Unknown Error], 81920, 30, 0"
    }
  }
}

/// - Parameter flickers: what is wrong with single GPUs; nothing can be said of any if `fails`.
private func reading(
  _ count: Int, _ flickers: [Int: Flicker] = [:], fails: Bool = false, at seconds: Double
) -> NVIDIASMI.Reading {
  var (lines, apps, status): ([String], [String], Int) = ([], [], 0)
  for index in 0..<count {
    guard let flicker = flickers[index] else {
      lines.append("\(index), \(uuid(index)), 00000000:0\(index):00.0, NVIDIA A100, 0, 81920, 30, 0")
      continue
    }
    if let row = flicker.row(index) { lines.append(row) }
    if flicker == .process { apps.append("\(uuid(index)), 4711, 10") }
    if flicker == .lost {
      lines.append("Unable to determine the device handle for GPU 0000:0\(index):00.0: GPU is lost")
      status = 15
    }
  }
  if fails { (lines, status) = (["Failed to initialize NVML: Unknown Error"], 255) }
  return .init(
    .init(gpuStatus: status, gpuLines: lines, appStatus: 0, appLines: apps), at: epoch + .seconds(seconds))
}

@Suite("GPUs that are unfit for a moment")
struct FlickerTests {
  private let spec = ServerSpec(name: "alpha")

  @Test("Are counted on by those that wait for them, until it has lasted", arguments: Flicker.allCases)
  fileprivate func patience(flicker: Flicker) {
    var known = Inventory(spec, reading: reading(2, at: 0))
    func look(_ seconds: Double, _ flickers: [Int: Flicker]) -> (free: [Int], inService: Int) {
      known = Inventory(spec, reading: reading(2, flickers, at: seconds), previous: known)
      return (known.free, known.inService)
    }
    #expect(look(10, [0: flicker]) == ([1], 2) && look(69, [0: flicker]) == ([1], 2))
    // A fit moment, and it begins again.
    #expect(look(70, [:]) == ([0, 1], 2))
    #expect(look(71, [0: flicker]) == ([1], 2) && look(130, [0: flicker]) == ([1], 2))
    #expect(look(131, [0: flicker]) == ([1], 1) && look(500, [0: flicker]) == ([1], 1))
    #expect(look(501, [:]) == ([0, 1], 2))
  }

  @Test("So it is at the first reading, and when nothing can be said of any")
  func first() {
    #expect(Inventory(spec, reading: reading(2, [0: .process], at: 0)).inService == 2)
    var known = Inventory(spec, reading: reading(2, at: 0))
    known = Inventory(spec, reading: reading(2, fails: true, at: 5), previous: known)
    #expect(known.free == [] && known.inService == 2)
    known = Inventory(spec, reading: reading(2, fails: true, at: 65), previous: known)
    #expect(known.inService == 0)
  }

  @Test("A job's own use is no time of being unfit")
  func own() {
    let hold = [GPUHold(device: Device(index: 0, uuid: uuid(0)), job: "J")]
    var known = Inventory(spec, reading: reading(2, [0: .memory], at: 0), held: hold)
    let later = reading(2, [0: .memory], at: 1000)
    known = Inventory(spec, reading: later, held: hold, previous: known)
    let after = Inventory(spec, reading: later, previous: known)
    #expect(after.inService == 2 && after.free == [1])
    // What the driver still frees is nobody else's use.
    #expect(after.gpus.allSatisfy { $0.trouble == nil })
    #expect(
      Inventory(spec, reading: reading(2, [0: .memory], at: 1015), previous: after).gpus[0].trouble
        == "70000 MiB of its memory are in use by others")
  }

  @Test(
    "No job starts later because of one behind it, while GPUs flicker",
    arguments: [1, 2, UInt64.random(in: 0 ... .max), UInt64.random(in: 0 ... .max)])
  func strictOrder(seed: UInt64) {
    var generator = SeededGenerator(state: seed)
    let count = 4
    var known = Inventory(spec, reading: reading(count, at: 0))
    var queue = PlacementQueue()
    var waiting: [(id: JobID, gpus: Int)] = []
    var running: [(hold: [GPUHold], ends: Int)] = []
    var unfitSince: [Int: Int] = [:]
    for step in 1..<400 {
      let gpus = [1, 1, 2, 4].randomElement(using: &generator) ?? 1
      let id = JobID(rawValue: "01J" + String(repeating: "0", count: 20) + String(step + 100))
      waiting.append((id, gpus))
      queue.insert(id, need: Need(gpus: gpus))
      running.removeAll { $0.ends <= step }
      // Short enough to be no reason to pass.
      var flickers: [Int: Flicker] = [:]
      for gpu in 0..<count where Int.random(in: 0..<3, using: &generator) == 0 {
        if let since = unfitSince[gpu], step - since >= 29 { continue }
        flickers[gpu] = Flicker.allCases.randomElement(using: &generator)
      }
      for gpu in 0..<count {
        if flickers[gpu] == nil { unfitSince[gpu] = nil } else { unfitSince[gpu] = unfitSince[gpu] ?? step }
      }
      let held = running.flatMap(\.hold)
      known = Inventory(
        spec, reading: reading(count, flickers, at: Double(step) * 2), held: held, previous: known)
      let capacity = spec.capacity(known, nil, running: [], isUsable: true)
      let plan = queue.plan([capacity])
      #expect(plan.map(\.job) == waiting.prefix(plan.count).map(\.id), "seed \(seed), step \(step)")
      for placement in plan {
        let hold = placement.gpus.map {
          GPUHold(device: Device(index: $0, uuid: uuid($0)), job: placement.job.rawValue)
        }
        #expect(!held.contains { other in hold.contains { $0.device == other.device } }, "seed \(seed), step \(step)")
        running.append((hold, step + Int.random(in: 1..<6, using: &generator)))
        queue.remove(placement.job)
      }
      waiting.removeFirst(plan.count)
    }
  }
}
