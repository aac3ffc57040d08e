/// What a user asks to run, checked for form but not yet for what the place allows.
public struct JobSpec: Sendable, Equatable, Codable {
  public var name: String
  public var number: Int
  public var owner: String
  public var account: String
  public var nodes: Int
  public var coresPerNode: Int
  /// Gigabytes of memory on each node; nil when not asked for.
  public var memoryPerNode: Int?
  public var gpusPerNode: Int
  /// The time limit in the form the user wrote it, `HH:MM:SS` or one of Slurm's; nil for the place's default.
  public var timeLimit: String?
  public var licenses: String?
  public var partition: String?
  /// Whether nodes are shared with no other job.
  public var exclusive: Bool
  public var held: Bool
  /// Options of the connector's own, in the order given.
  public var options: [Option]
  /// Of jobs that wait in Weir's own queue those of a higher priority start first.
  public var priority = 0
  /// Variables for the script, beside those that the machine and the connector set.
  public var environment: [Option] = []
  /// Whether the job succeeds by saying JARVICE_CMD_SUCCESS, as the upstream's scripts do, and not by its exit status.
  public var isJudgedByOutput = false
  /// Whether standard error goes where standard output goes.
  public var joinsOutput = false
  /// The archive that comes with it; set by the service, which has checked it.
  public package(set) var input: JobInput?
  /// A file in the archive that is run in place of ``script``, by its path there.
  public var entryPoint: String?
  /// What was asked, word for word, before the site's settings were added to it.
  public var request: String
  /// The script as it runs, once on each node. Holds registry passwords: never stored, logged or answered.
  public var script: String
  /// The same script with every secret masked: what may be shown and stored.
  public var shownScript: String

  public struct Option: Sendable, Equatable, Codable {
    public let name: String
    public let value: String
    public init(name: String, value: String) {
      self.name = name
      self.value = value
    }
  }

  public init(
    name: String, number: Int, owner: String, account: String, nodes: Int, coresPerNode: Int,
    memoryPerNode: Int? = nil, gpusPerNode: Int = 0, timeLimit: String? = nil, licenses: String? = nil,
    partition: String? = nil, exclusive: Bool = true, held: Bool = false, options: [Option] = [],
    request: String, script: String, shownScript: String
  ) {
    self.name = name
    self.number = number
    self.owner = owner
    self.account = account
    self.nodes = nodes
    self.coresPerNode = coresPerNode
    self.memoryPerNode = memoryPerNode
    self.gpusPerNode = gpusPerNode
    self.timeLimit = timeLimit
    self.licenses = licenses
    self.partition = partition
    self.exclusive = exclusive
    self.held = held
    self.options = options
    self.request = request
    self.script = script
    self.shownScript = shownScript
  }

  public var key: JobKey { JobKey(name: name, number: number) }

  /// Seconds of the time limit; nil for none.
  public var timeLimitSeconds: Int? { timeLimit.flatMap(ValueRule.seconds(ofTimeLimit:)) }
}

extension JobSpec {
  /// The first value that cannot be given to any place, with what is expected there; nil when all can.
  ///
  /// Each API has checked them already, under the names that its callers know; this is for connectors, which build
  /// commands of them.
  public var fault: String? {
    func fault(_ name: String, _ value: String?, _ rule: ValueRule) -> String? {
      value.flatMap { rule.accepts($0) ? nil : "\(name): expected \(rule.expected)" }
    }
    let first =
      fault("name", name, .jobName) ?? fault("number", String(number), .jobNumber)
      ?? fault("nodes", String(nodes), .nodes) ?? fault("coresPerNode", String(coresPerNode), .coresPerNode)
      ?? fault("gpusPerNode", String(gpusPerNode), .gpusPerNode)
      ?? fault("memoryPerNode", memoryPerNode.map { String($0) }, .memoryPerNode)
      ?? fault("timeLimit", timeLimit, .timeLimit) ?? fault("licenses", licenses, .licenses)
      ?? fault("partition", partition, .partition)
    if let first { return first }
    for option in options {
      if let fault = fault("the name of an option", option.name, .optionName)
        ?? fault("option \(option.name)", option.value, .optionValue)
      {
        return fault
      }
    }
    return nil
  }
}
