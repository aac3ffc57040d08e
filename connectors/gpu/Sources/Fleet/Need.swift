import JobModel

/// What a job needs of the one server that it runs on.
struct Need: Sendable, Hashable {
  /// Whole GPUs. A job without takes one of the server's slots.
  var gpus = 0
  /// Cores, where the server's are counted.
  var cores = 0
  /// Memory in GB, where the server's is counted.
  var memoryGB = 0
  /// Whether its archive is written in the format pax.
  var needsPax = false
  /// Tags that the server must have, all of them.
  var tags: Set<String> = []
  /// Servers that may be chosen, by name; empty for any.
  var candidates: Set<String> = []

  /// Whether the server is one of those that may be chosen at all, whatever it has.
  func allows(_ server: ServerLimits) -> Bool {
    (candidates.isEmpty || candidates.contains(server.name)) && tags.isSubset(of: server.tags)
  }
}

/// What a server has when nothing runs on it; nil for what is not counted, or not known yet.
struct ServerLimits: Sendable, Equatable {
  let name: String
  var gpus: Int?
  var cpus: Int?
  var memoryGB: Int?
  /// Jobs without GPUs at once.
  var slots: Int?
  /// Whether its tar reads the format pax.
  var readsPax: Bool?
  var tags: Set<String> = []

  /// What of it is too little for a job, as a phrase: `has 2 GPUs`; nil when the job fits.
  func shortage(_ need: Need) -> String? {
    if let gpus, need.gpus > gpus { return "has \(gpus.counted("GPU"))" }
    if let cpus, need.cores > cpus { return "has \(cpus.counted("core"))" }
    if let memoryGB, need.memoryGB > memoryGB { return "has \(memoryGB) GB of memory" }
    if need.gpus == 0, slots == 0 { return "accepts no jobs without GPUs" }
    if need.needsPax, readsPax == false { return "has a tar that does not read pax, the format of the archive" }
    return nil
  }

  /// Whether a job could run there if nothing else did.
  func fits(_ need: Need) -> Bool { need.allows(self) && shortage(need) == nil }
}

/// What a server has, and what of it is free.
struct ServerCapacity: Sendable, Equatable {
  /// With the GPUs that are free or held by our jobs: one that is missing, failed or used by others is no reason to wait.
  let limits: ServerLimits
  /// Whether new jobs may start there: reachable, enabled, and not in quarantine.
  var isUsable: Bool
  /// Indices, ascending.
  private(set) var freeGPUs: [Int]
  private(set) var freeCPUs: Int?
  private(set) var freeMemoryGB: Int?
  private(set) var freeSlots: Int?

  var name: String { limits.name }

  /// A server on which nothing runs.
  init(_ limits: ServerLimits, gpus: [Int], isUsable: Bool = true) {
    self.limits = limits
    self.isUsable = isUsable
    freeGPUs = gpus.sorted()
    freeCPUs = limits.cpus
    freeMemoryGB = limits.memoryGB
    freeSlots = limits.slots
  }

  /// Whether a job can start there now.
  func hasRoom(for need: Need) -> Bool {
    isUsable && limits.fits(need) && need.gpus <= freeGPUs.count && need.cores <= freeCPUs ?? .max
      && need.memoryGB <= freeMemoryGB ?? .max && (need.gpus > 0 || freeSlots ?? 1 > 0)
  }

  /// Whether no job at all could start there now.
  var isFull: Bool { freeGPUs.isEmpty && freeSlots ?? 1 <= 0 }

  /// The GPUs that a job would get: the lowest that are free.
  func lowestGPUs(_ count: Int) -> [Int] { Array(freeGPUs.prefix(max(0, count))) }

  /// Counts what a job takes. What runs already is counted too where it is more than the server has: its configuration
  /// may have changed since.
  mutating func take(_ need: Need, gpus: [Int]) {
    freeGPUs.removeAll(where: gpus.contains)
    count(need, -1)
  }

  /// Counts what a job gives back.
  mutating func release(_ need: Need, gpus: [Int]) {
    freeGPUs = Set(freeGPUs).union(gpus).sorted()
    count(need, 1)
  }

  private mutating func count(_ need: Need, _ sign: Int) {
    freeCPUs = freeCPUs.map { $0 + sign * need.cores }
    freeMemoryGB = freeMemoryGB.map { $0 + sign * need.memoryGB }
    if need.gpus == 0 { freeSlots = freeSlots.map { $0 + sign } }
  }
}

/// Where a job is to start.
struct Placement: Sendable, Equatable {
  let job: JobID
  let server: String
  /// Indices, ascending.
  let gpus: [Int]
}

extension Int {
  /// `1 GPU`, `2 GPUs`.
  func counted(_ noun: String) -> String { "\(self == 0 ? "no" : "\(self)") \(noun)\(self == 1 ? "" : "s")" }
}
