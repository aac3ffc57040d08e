import JobModel
import Jobs
import ScriptTemplates
import Shell

/// Where the looks at a server's GPUs stand. A reading is asked for apart from the jobs: a driver that is slow, or hangs,
/// must not make jobs look as if nobody had seen them.
struct GPUStatus: Sendable {
  /// What nvidia-smi said last; nil until it was asked since the server was made ready.
  var reading: NVIDIASMI.Reading?
  /// Every GPU that it ever said.
  var known: Inventory?
  /// The GPUs of jobs that ended lately.
  private(set) var released: [GPURelease] = []

  /// Notes that jobs have left GPUs: what was read before says nothing of them.
  mutating func release(_ devices: [Device], at time: ContinuousClock.Instant = .now) {
    released.removeAll { time - $0.time > Inventory.patience }
    released += devices.map { GPURelease(device: $0, time: time) }
  }

  /// Whether a job has just left a GPU that cannot be given out yet.
  func isSettling(_ inventory: Inventory, at now: ContinuousClock.Instant = .now) -> Bool {
    let recent = released.filter { now - $0.time < Inventory.settling }.map(\.device.index)
    return inventory.gpus.contains { gpu in
      guard let index = gpu.index, recent.contains(index) else { return false }
      if case .allocated = gpu.state { return false }
      return gpu.state != .free
    }
  }
}

extension ServerController {
  /// Whether the server has GPUs to ask nvidia-smi for.
  nonisolated var hasGPUs: Bool { spec.value.gpus != .count(0) }

  /// Notes that a job has left its GPUs, and has them looked at.
  nonisolated func release(_ devices: [Device]) {
    guard !devices.isEmpty else { return }
    gpuStatus.change { $0.release(devices) }
    gpuWakeup.signal()
  }

  /// Forgets the last reading: the server was away, and what it showed before is not known to be so.
  nonisolated func renewReading() {
    gpuStatus.change { $0.reading = nil }
    gpuWakeup.signal()
  }

  /// Asks nvidia-smi again and again until the task is cancelled. A look costs at most a fifth of the time, but for one
  /// at a GPU that a job has just left: what the driver frees late is seen soon.
  func watchGPUs() async {
    while !Task.isCancelled {
      guard hasGPUs, let facts = status.value.facts else {
        await gpuWakeup.sleep(for: .seconds(1))
        continue
      }
      let began = ContinuousClock.now
      await readGPUs(facts, began)
      onChange()
      let cost = .now - began
      let isSettling = gpuStatus.value.isSettling(inventory)
      await gpuWakeup.sleep(
        for: isSettling ? max(.milliseconds(300), cost) : max(configuration.sweepInterval, cost * 5))
    }
  }

  private func readGPUs(_ facts: PrepareAnswer, _ began: ContinuousClock.Instant) async {
    var reading = NVIDIASMI.Reading(time: began)
    do throws(BackendError) {
      let result = try await run(
        GPUScript.sweep, [facts.root, "1", facts.machine, "", ""], timeout: .seconds(30), purpose: .observation)
      let answer = try understood { () throws(MalformedAnswer) in
        try SweepAnswer(result.stdout, asked: [], asksSMI: true)
      }
      if let output = answer.smi { reading = NVIDIASMI.Reading(output, at: began) }
    } catch {
      guard !Task.isCancelled else { return }
      reading.failure = "nvidia-smi could not be asked: \(error)"
    }
    let known = inventory(reading)
    gpuStatus.change { gpus in
      gpus.reading = reading
      gpus.known = known
    }
  }
}
