/// What a job needs of the machine that it runs on.
public struct ResourceRequest: Sendable, Codable, Equatable {
  public var gpus: Int
  public var cores: Int
  /// Gigabytes; nil when not asked for.
  public var memory: Int?

  public init(gpus: Int = 0, cores: Int = 1, memory: Int? = nil) {
    self.gpus = gpus
    self.cores = cores
    self.memory = memory
  }
}

/// A GPU as its machine names it.
public struct Device: Sendable, Codable, Equatable, Hashable {
  /// From 0, in the order of the machine's own tool (for NVIDIA, by PCI bus).
  public var index: Int
  /// By which it is known again when the indices change; nil where only their number is known.
  public var uuid: String?

  public init(index: Int, uuid: String? = nil) {
    self.index = index
    self.uuid = uuid
  }
}
