import ConnectorAPI
import JobModel
import ScriptTemplates
import Shell
import Support

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

/// Watches the GPUs of a server, and knows the state of each.
final class GPUMonitor: Sendable {
  private let shell: ServerShell
  private let spec: Shared<ServerSpec>
  private let serverStatus: Shared<ServerStatus>
  private let holdings: Holdings
  private let interval: Duration
  /// Called when something may have become free.
  private let onChange: @Sendable () -> Void
  private let status = Shared(GPUStatus())
  private let wakeup = Wakeup()

  /// - Parameter interval: the least time between two looks at GPUs that no job has just left.
  init(
    _ shell: ServerShell, spec: Shared<ServerSpec>, status: Shared<ServerStatus>, holdings: Holdings,
    interval: Duration, onChange: @escaping @Sendable () -> Void
  ) {
    self.shell = shell
    self.spec = spec
    serverStatus = status
    self.holdings = holdings
    self.interval = interval
    self.onChange = onChange
  }

  /// Whether the server has GPUs to ask nvidia-smi for.
  var hasGPUs: Bool { spec.value.gpus != .count(0) }

  /// What nvidia-smi said last; see ``GPUStatus``.
  var reading: NVIDIASMI.Reading? { status.value.reading }

  /// Every GPU that it ever said.
  var known: Inventory? { status.value.known }

  /// Whether its GPUs, if it has any, are known.
  var isRead: Bool { !hasGPUs || reading != nil }

  /// The state of each GPU.
  var inventory: Inventory { inventory(reading) }

  /// The state of each GPU as a reading shows them.
  private func inventory(_ reading: NVIDIASMI.Reading?) -> Inventory {
    let status = status.value
    return Inventory(
      spec.value, reading: reading, held: holdings.gpus, released: status.released, previous: status.known)
  }

  /// The GPUs of these indices, as jobs hold them.
  func devices(_ indices: [Int]) -> [Device] {
    let gpus = inventory.gpus
    return indices.map { index in Device(index: index, uuid: gpus.first { $0.index == index }?.uuid) }
  }

  /// Notes that a job has left its GPUs, and has them looked at.
  func release(_ devices: [Device]) {
    guard !devices.isEmpty else { return }
    status.change { $0.release(devices) }
    wakeup.signal()
  }

  /// Forgets the last reading: the server was away, and what it showed before is not known to be so.
  func renewReading() {
    status.change { $0.reading = nil }
    wakeup.signal()
  }

  /// Asks nvidia-smi again and again until the task is cancelled. A look costs at most a fifth of the time, but for one
  /// at a GPU that a job has just left: what the driver frees late is seen soon.
  func watch() async {
    while !Task.isCancelled {
      guard hasGPUs, let facts = serverStatus.value.facts else {
        await wakeup.sleep(for: .seconds(1))
        continue
      }
      let began = ContinuousClock.now
      await read(facts, began)
      onChange()
      let cost = .now - began
      let isSettling = status.value.isSettling(inventory)
      await wakeup.sleep(for: isSettling ? max(.milliseconds(300), cost) : max(interval, cost * 5))
    }
  }

  private func read(_ facts: PrepareAnswer, _ began: ContinuousClock.Instant) async {
    var reading = NVIDIASMI.Reading(time: began)
    do throws(BackendError) {
      let result = try await shell.run(
        GPUScript.sweep, [facts.root, "1", facts.machine, "", ""], timeout: .seconds(30), purpose: .observation)
      let answer = try shell.understood { () throws(MalformedAnswer) in
        try SweepAnswer(result.stdout, asked: [], asksSMI: true)
      }
      if let output = answer.smi { reading = NVIDIASMI.Reading(output, at: began) }
    } catch {
      guard !Task.isCancelled else { return }
      reading.failure = "nvidia-smi could not be asked: \(error)"
    }
    let known = inventory(reading)
    let latest = reading
    status.change { gpus in
      gpus.reading = latest
      gpus.known = known
    }
  }
}
