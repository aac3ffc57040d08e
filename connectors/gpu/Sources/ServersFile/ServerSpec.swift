/// A server as the servers file describes it.
struct ServerSpec: Sendable, Equatable {
  let name: String
  /// How it is reached; nil for this machine.
  var login: Login?
  /// Where the connection goes through.
  var jump: Login?
  var gpus: GPUChoice = .auto
  /// Cores that jobs may use together; nil for all that the server has.
  var cpus: Int?
  /// Memory in GB that jobs may use together; nil for all that the server has.
  var memoryGB: Int?
  /// Jobs without GPUs at once; nil for as many as there are cores.
  var slots: Int?
  /// Where job directories are made: absolute, or as seen from the account's home directory.
  var root = ServerSpec.standardRoot
  var environment: [String: String] = [:]
  /// Shell text that runs before each job, and after it.
  var preamble = ""
  var epilogue = ""
  var tags: Set<String> = []
  /// Whether new jobs may start there.
  var isEnabled = true
  /// MiB of a GPU's memory that may be in use while it counts as unused.
  var idleMemory = 1024

  static let standardRoot = ".weir"

  /// This machine, as the account that runs Weir.
  static func local(root: String = standardRoot) -> ServerSpec {
    var spec = ServerSpec(name: "local")
    spec.root = root
    return spec
  }

  init(name: String) { self.name = name }

  /// What the server has for jobs: what the file says, else what was found on it; nil for what neither knows.
  func limits(gpus found: Int? = nil, _ facts: PrepareAnswer? = nil) -> ServerLimits {
    let cpus = cpus ?? facts?.cpus
    return ServerLimits(
      name: name, gpus: found ?? gpus.count, cpus: cpus, memoryGB: memoryGB ?? facts.map { $0.memoryMB / 1024 },
      slots: slots ?? cpus, readsPax: facts?.readsPax, tags: tags)
  }
}

/// Which GPUs of a server are for jobs.
enum GPUChoice: Sendable, Equatable {
  /// All that nvidia-smi shows; none without it.
  case auto
  /// The first so many.
  case count(Int)
  case these([GPUName])

  /// How many; nil where only nvidia-smi can tell.
  var count: Int? {
    switch self {
    case .auto: nil
    case .count(let count): count
    case .these(let names): names.count
    }
  }
}

/// What a GPU is called: its index may change when the server starts anew, its UUID never does.
enum GPUName: Sendable, Hashable, CustomStringConvertible {
  case index(Int)
  /// `GPU-` and 36 characters, in lower case.
  case uuid(String)

  init?(_ text: String) {
    if let index = Int(text), (0..<1024).contains(index), text.first != "+" {
      self = .index(index)
    } else if text.wholeMatch(of: /GPU-[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}/) != nil {
      self = .uuid("GPU-" + text.dropFirst(4).lowercased())
    } else {
      return nil
    }
  }

  var description: String {
    switch self {
    case .index(let index): "\(index)"
    case .uuid(let uuid): uuid
    }
  }
}
