import Foundation

/// The GPUs of a server that are for jobs, and the state of each.
struct Inventory: Sendable, Equatable {
  enum State: Sendable, Equatable {
    case free
    /// Held by a living job of ours.
    case allocated(job: String)
    /// In use by what is no living job of ours. Without a pid when only the memory tells; the memory is in MiB.
    case usedByOthers(pid: Int?, user: String?, memory: Int?)
    /// Not to be seen, and why that is said.
    case missing(String)
    case failed(String)
    /// Nothing has been seen of it yet, or not since the job that held it ended.
    case unknown
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

    /// What a job holds it by: the UUID where there is one.
    var id: GPUName? { uuid.map(GPUName.uuid) ?? index.map(GPUName.index) }

    func isCalled(_ name: GPUName) -> Bool {
      switch name {
      case .index(let index): self.index == index
      case .uuid(let uuid): self.uuid == uuid
      }
    }
  }

  /// By index.
  let gpus: [GPU]

  /// The indices of those that can be given out, ascending.
  var free: [Int] { gpus.filter { $0.state == .free }.compactMap(\.index) }

  /// How many a job may count on if it waits: those that are free, held by our jobs, or about to be looked at.
  var inService: Int {
    gpus.count { gpu in
      switch gpu.state {
      case .free, .allocated, .unknown: true
      case .usedByOthers, .missing, .failed: false
      }
    }
  }

  /// The GPUs of these indices, by what jobs hold them by.
  func names(_ indices: [Int]) -> [GPUName] {
    indices.compactMap { index in gpus.first { $0.index == index }?.id }
  }

  /// - Parameters:
  ///   - reading: the latest; nil before there was one.
  ///   - held: which GPU a living job holds. A GPU stays the job's whatever is read of it.
  ///   - released: when the last job that held a GPU ended: until a later reading shows nothing on it, it is not free.
  ///   - previous: what was known before: GPUs that nvidia-smi showed once, and no longer shows, are missing.
  init(
    _ spec: ServerSpec, reading: NVIDIASMI.Reading?, held: [GPUName: String] = [:], released: [GPUName: Date] = [:],
    previous: Inventory? = nil
  ) {
    let known = previous?.gpus ?? []
    var gpus: [GPU] = []
    // One GPU may be named twice, by index and UUID; one in its slot took the place of another.
    func isListed(_ gpu: GPU) -> Bool { gpus.contains { $0.id == gpu.id || $0.bus != nil && $0.bus == gpu.bus } }
    func add(_ gpu: GPU) { if !isListed(gpu) { gpus.append(gpu) } }
    switch spec.gpus {
    case .auto:
      for gpu in reading?.gpus ?? [] { add(GPU(gpu, spec, reading, released)) }
      for gpu in known { add(GPU(unseen: gpu, .auto, reading)) }
    case .count, .these:
      for name in spec.gpus.names {
        if let gpu = reading?.gpus.first(where: { GPU($0).isCalled(name) }) {
          add(GPU(gpu, spec, reading, released))
        } else {
          let gpu = known.first { $0.isCalled(name) && !isListed($0) } ?? GPU(name)
          add(GPU(unseen: gpu, spec.gpus, reading, name: name))
        }
      }
    }
    for index in gpus.indices {
      let names = [gpus[index].uuid.map(GPUName.uuid), gpus[index].index.map(GPUName.index)].compactMap(\.self)
      if let job = names.lazy.compactMap({ held[$0] }).first { gpus[index].state = .allocated(job: job) }
    }
    self.gpus = gpus.sorted { $0.index ?? .max < $1.index ?? .max }
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
  fileprivate init(
    _ gpu: NVIDIASMI.GPU, _ spec: ServerSpec, _ reading: NVIDIASMI.Reading?, _ released: [GPUName: Date]
  ) {
    self.init(gpu)
    let release = [uuid.map(GPUName.uuid), .index(gpu.index)].compactMap { $0.flatMap { released[$0] } }.max()
    if let fault = reading?.lost[gpu.bus] ?? gpu.fault {
      state = .failed(fault)
    } else if let reading, let release, reading.time <= release {
      state = .unknown
    } else if let app = reading?.apps.first(where: { $0.uuid == gpu.uuid }) {
      state = .usedByOthers(pid: app.pid, user: app.user, memory: app.memory)
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
    } else if let lost = bus.flatMap({ reading.lost[$0] }) {
      state = .failed(lost)
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
