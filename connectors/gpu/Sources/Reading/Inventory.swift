import ConnectorAPI
import JobModel

/// A GPU that a job holds, or held.
struct GPUHold: Sendable, Equatable {
  let device: Device
  /// The job's id.
  let job: String
}

/// A GPU that a job held until then.
struct GPURelease: Sendable, Equatable {
  let device: Device
  let time: ContinuousClock.Instant
}

/// The GPUs of a server that are for jobs, and the state of each.
struct Inventory: Sendable, Equatable {
  enum State: Sendable, Equatable {
    case free
    /// Held by a living job of ours.
    case allocated(job: String)
    /// In use by a process of something that does not hold it: of a job of ours if `job` is set. Without a pid when only
    /// the memory tells; the memory is in MiB.
    case usedByOthers(pid: Int?, user: String?, memory: Int?, job: String? = nil)
    /// Not to be seen, and why that is said.
    case missing(String)
    case failed(String)
    /// Nothing has been seen of it yet, or not since the job that held it ended.
    case unknown

    /// Whether a job could have it now or after the job that holds it.
    fileprivate var isFit: Bool {
      switch self {
      case .free, .allocated, .unknown: true
      case .usedByOthers, .missing, .failed: false
      }
    }
  }

  struct GPU: Sendable, Equatable {
    /// What nvidia-smi calls it now; nil while that is not known.
    var index: Int?
    var uuid: String?
    var bus: String?
    var name: String?
    var memoryUsed: Int?
    var memoryTotal: Int?
    var temperature: Int?
    var utilization: Int?
    var state = State.unknown
    /// The first of the latest readings that all showed it unfit for jobs; nil when the latest does not.
    var unfitSince: ContinuousClock.Instant?
    /// For how long, from the first of those readings to the latest.
    var unfitFor = Duration.zero

    /// What a job holds it by: the UUID where there is one.
    var id: GPUName? { uuid.map(GPUName.uuid) ?? index.map(GPUName.index) }

    /// Whether jobs may count on it: what is unfit for a moment only is no reason to let others pass.
    var isInService: Bool { state.isFit || unfitFor < Inventory.patience }

    func isCalled(_ name: GPUName) -> Bool {
      switch name {
      case .index(let index): self.index == index
      case .uuid(let uuid): self.uuid == uuid
      }
    }

    /// Whether both are one GPU. Another in its slot took its place.
    fileprivate func isSame(as other: GPU) -> Bool { id == other.id || bus != nil && bus == other.bus }
  }

  /// For how long a GPU must have been unfit before jobs that need it block nobody any more.
  static let patience = Duration.seconds(60)
  /// For how long memory that no process explains may be what a job left, which the driver is still freeing.
  static let settling = Duration.seconds(10)

  /// By index.
  let gpus: [GPU]

  /// The indices of those that can be given out, ascending.
  var free: [Int] { gpus.filter { $0.state == .free }.compactMap(\.index) }

  /// How many a job may count on if it waits: those that are free, held by our jobs, about to be looked at, or unfit
  /// only for a short while.
  var inService: Int { gpus.count(where: \.isInService) }

  /// The GPUs of these indices, by what jobs hold them by.
  func names(_ indices: [Int]) -> [GPUName] {
    indices.compactMap { index in gpus.first { $0.index == index }?.id }
  }

  /// - Parameters:
  ///   - reading: the latest; nil before there was one.
  ///   - held: which GPUs living jobs hold. A GPU stays the job's whatever is read of it.
  ///   - released: when jobs that held a GPU ended: until a later reading shows nothing on it, it is not free.
  ///   - previous: what was known before: GPUs that nvidia-smi showed once, and no longer shows, are missing.
  init(
    _ spec: ServerSpec, reading: NVIDIASMI.Reading?, held: [GPUHold] = [], released: [GPURelease] = [],
    previous: Inventory? = nil
  ) {
    let known = previous?.gpus ?? []
    let jobs = Set(held.map(\.job))
    var gpus: [GPU] = []
    // One GPU may be named twice, by index and UUID.
    func isListed(_ gpu: GPU) -> Bool { gpus.contains { $0.isSame(as: gpu) } }
    func add(_ gpu: GPU) { if !isListed(gpu) { gpus.append(gpu) } }
    switch spec.gpus {
    case .auto:
      for gpu in reading?.gpus ?? [] { add(GPU(gpu, spec, reading, jobs)) }
      for gpu in known { add(GPU(unseen: gpu, .auto, reading)) }
    case .count, .these:
      for name in spec.gpus.names {
        if let gpu = reading?.gpus.first(where: { GPU($0).isCalled(name) }) {
          add(GPU(gpu, spec, reading, jobs))
        } else {
          let gpu = known.first { $0.isCalled(name) && !isListed($0) } ?? GPU(name)
          add(GPU(unseen: gpu, spec.gpus, reading, name: name))
        }
      }
    }
    if let reading, reading.isInstalled {
      for release in released where reading.time <= release.time {
        for index in gpus.positions(of: release.device) where gpus[index].state.isHealthy {
          gpus[index].state = .unknown
        }
      }
    }
    for hold in held {
      for index in gpus.positions(of: hold.device) { gpus[index].state = .allocated(job: hold.job) }
    }
    for index in gpus.indices where !gpus[index].state.isFit {
      guard let reading else { continue }
      let before = known.first { $0.isSame(as: gpus[index]) }
      let since = min(before?.unfitSince ?? reading.time, reading.time)
      (gpus[index].unfitSince, gpus[index].unfitFor) = (since, reading.time - since)
    }
    self.gpus = gpus.sorted { $0.index ?? .max < $1.index ?? .max }
  }
}

extension [Inventory.GPU] {
  /// Which of them a job's device may be: the one of its UUID and, unless the index of that is known too, the one of its
  /// index, but for one whose UUID is known to be another. So a GPU has two names and is held by either.
  fileprivate func positions(of device: Device) -> [Int] {
    let uuid = device.uuid?.lowercased()
    let same = indices.filter { uuid != nil && self[$0].uuid?.lowercased() == uuid }
    if same.contains(where: { self[$0].index != nil }) { return same }
    return same + indices.filter { self[$0].index == device.index && (self[$0].uuid == nil || uuid == nil) }
  }
}

extension Inventory.State {
  /// Whether nothing is wrong with the GPU itself.
  fileprivate var isHealthy: Bool {
    switch self {
    case .free, .usedByOthers: true
    case .allocated, .missing, .failed, .unknown: false
    }
  }
}

extension Inventory.GPU {
  fileprivate init(_ name: GPUName) {
    switch name {
    case .index(let index): self.index = index
    case .uuid(let uuid): self.uuid = uuid
    }
  }

  fileprivate init(_ gpu: NVIDIASMI.GPU) {
    (index, uuid, bus, name) = (gpu.index, gpu.uuid, gpu.bus, gpu.name)
    (memoryUsed, memoryTotal) = (gpu.memoryUsed, gpu.memoryTotal)
    (temperature, utilization) = (gpu.temperature, gpu.utilization)
  }

  /// A GPU that the reading shows.
  /// - Parameter jobs: those that hold a GPU of the server: their processes on a MIG device of no known GPU say nothing.
  fileprivate init(
    _ gpu: NVIDIASMI.GPU, _ spec: ServerSpec, _ reading: NVIDIASMI.Reading?, _ jobs: Set<String>
  ) {
    self.init(gpu)
    let app = reading?.apps.first { app in
      app.mayRun(on: gpu) && (app.uuid == gpu.uuid || !(app.job.map(jobs.contains) ?? false))
    }
    if let fault = reading?.fault(index: gpu.index, uuid: gpu.uuid, bus: gpu.bus) ?? gpu.fault {
      state = .failed(fault)
    } else if let app {
      state = .usedByOthers(pid: app.pid, user: app.user, memory: app.memory, job: app.job)
    } else if let used = gpu.memoryUsed, used > spec.idleMemory {
      state = .usedByOthers(pid: nil, user: nil, memory: used)
    } else {
      state = .free
    }
  }

  /// A GPU that should be there, and that the reading does not show.
  ///
  /// - Parameter name: what it is called in the servers file. Its index may be another GPU's by now, but for that.
  fileprivate init(
    unseen gpu: Self, _ choice: GPUChoice, _ reading: NVIDIASMI.Reading?, name: GPUName? = nil
  ) {
    self = gpu
    guard let reading else {
      state = .unknown
      return
    }
    (memoryUsed, temperature, utilization) = (nil, nil, nil)
    if let failure = reading.failure {
      state = .failed(failure)
      return
    }
    if name.map({ $0 == gpu.index.map(GPUName.index) }) != true { index = nil }
    if !reading.isInstalled {
      // Without nvidia-smi counts rule, but for what only it can find.
      state = choice != .auto && uuid == nil ? .free : .missing("there is no nvidia-smi on the server")
    } else if let fault = reading.fault(index: gpu.index, uuid: uuid, bus: bus) {
      state = .failed(fault)
    } else {
      state = .missing("nvidia-smi does not show it")
    }
  }
}

extension GPUChoice {
  fileprivate var names: [GPUName] {
    switch self {
    case .auto: []
    case .count(let count): (0..<count).map(GPUName.index)
    case .these(let names): names
    }
  }
}

extension ServerSpec {
  /// What the server has for jobs now.
  ///
  /// - Parameters:
  ///   - facts: what was found on the server.
  ///   - running: the needs of the jobs that live there; their GPUs are in the inventory.
  func capacity(
    _ inventory: Inventory, _ facts: PrepareAnswer?, running: [Need], isUsable: Bool
  ) -> ServerCapacity {
    let limits = limits(gpus: inventory.inService, facts)
    var capacity = ServerCapacity(limits, gpus: inventory.free, isUsable: isUsable && isEnabled)
    for need in running { capacity.take(need, gpus: []) }
    return capacity
  }
}
