import ConnectorSupport

/// nvidia-smi(1) as sweep.sh asks it, for the drivers 450 to 570.
enum NVIDIASMI {
  /// What it printed, and its exit statuses.
  struct Output: Sendable, Equatable {
    var gpuStatus: Int
    var gpuLines: [String]
    var appStatus: Int
    /// With a line `user <pid> <name>` for each process, and a line `job <pid> <id>` for each that is a job's.
    var appLines: [String]

    init(gpuStatus: Int, gpuLines: [String], appStatus: Int, appLines: [String]) {
      self.gpuStatus = gpuStatus
      self.gpuLines = gpuLines
      self.appStatus = appStatus
      self.appLines = appLines
    }

    /// The sections `smi-gpus <status>` and `smi-apps <status>`, up to `smi-end`.
    init(_ lines: inout AnswerLines) throws(MalformedAnswer) {
      gpuStatus = try lines.number("smi-gpus")
      gpuLines = []
      while let line = lines.first, !line.hasPrefix("smi-") {
        gpuLines.append(String(line))
        _ = lines.next()
      }
      appStatus = try lines.number("smi-apps")
      appLines = []
      while let line = lines.first, !line.hasPrefix("smi-") {
        appLines.append(String(line))
        _ = lines.next()
      }
      let line = lines.next()
      guard line == "smi-end" else { throw lines.malformed(line) }
    }
  }

  /// Statuses of a query that are not nvidia-smi's own.
  enum QueryStatus {
    /// It did not answer in time: given by sweep.sh, or by whatever ended it.
    static let timeouts: Set<Int> = [124, 137, 143]
    /// The disk of the job root took nothing, so that its answer could not be read. Given by sweep.sh.
    static let diskFull = 125
    /// There is no nvidia-smi, or it cannot be loaded.
    static let notFound = 127
  }

  struct GPU: Sendable, Equatable {
    let index: Int
    /// Nil when not even that can be read.
    let uuid: String?
    /// See ``NVIDIASMI/bus(_:)``.
    let bus: String
    let name: String?
    /// MiB; nil where the driver does not say, as with memory that is the system's too.
    let memoryUsed: Int?
    let memoryTotal: Int?
    /// Degrees Celsius.
    let temperature: Int?
    /// Percent; nil in MIG mode too.
    let utilization: Int?
    /// What the driver says instead of values: the GPU does not work.
    let fault: String?
  }

  /// A process that computes on a GPU.
  struct App: Sendable, Equatable {
    /// Of a GPU, or of a MIG device.
    let uuid: String
    let pid: Int?
    /// MiB.
    let memory: Int?
    /// Who runs it, where that can be seen.
    var user: String?
    /// The job that it belongs to by its environment.
    var job: String?

    /// Whether it may run on a GPU. A MIG device that does not name its GPU may be of any that is in MIG mode.
    func mayRun(on gpu: GPU) -> Bool {
      if uuid == gpu.uuid { return true }
      guard uuid.hasPrefix("MIG-") else { return false }
      if uuid.hasPrefix("MIG-gpu-") {
        return gpu.uuid.map { uuid.hasPrefix("MIG-" + $0.lowercased() + "/") } ?? (gpu.utilization == nil)
      }
      return gpu.utilization == nil
    }
  }
}

extension NVIDIASMI.GPU {
  /// `index, uuid, bus, name, memory.used, memory.total, temperature.gpu, utilization.gpu`; nil for any other line.
  init?(_ line: String) {
    let fields = NVIDIASMI.fields(line)
    guard fields.count >= 8, let index = MachineNumber.count(fields[0], upTo: 65_535),
      let bus = NVIDIASMI.bus(fields[2])
    else { return nil }
    // A name may hold commas.
    let last = fields.count - 4
    let texts = [fields[1], fields[3..<last].joined(separator: ", ")].map { Field($0) }
    let numbers = fields[last...].map { Field($0) }
    self.index = index
    self.bus = bus
    uuid = texts[0].text.flatMap(NVIDIASMI.uuid)
    name = texts[1].text
    (memoryUsed, memoryTotal) = (numbers[0].number, numbers[1].number)
    (temperature, utilization) = (numbers[2].number, numbers[3].number)
    // Of utilization drivers say [Unknown Error] also where all is well.
    let errors = (texts + numbers.dropLast()).compactMap(\.error)
    fault = errors.first ?? (uuid == nil ? "its UUID cannot be read" : nil)
  }

  /// One column: a value, nothing to say, or an error.
  private struct Field {
    var text: String?
    var error: String?

    var number: Int? { text.flatMap { MachineNumber.count($0.prefix { $0 != "." }) } }

    init(_ text: String) {
      let isBracketed = text.hasPrefix("[") && text.hasSuffix("]")
      let word = isBracketed ? String(text.dropFirst().dropLast()) : text
      switch word.lowercased() {
      case "", "n/a", "not supported", "not available", "insufficient permissions", "(null)", "function not found",
        "requested functionality has been deprecated":
        break
      case "err!", "unknown error", "gpu is lost", "gpu requires reset": error = word
      default: if isBracketed { error = word } else { self.text = text }
      }
    }
  }
}

extension NVIDIASMI.App {
  /// `gpu_uuid, pid, used_memory`; nil for any other line.
  init?(_ line: String) {
    let fields = NVIDIASMI.fields(line)
    guard fields.count == 3, let uuid = NVIDIASMI.uuid(fields[0]) else { return nil }
    self.uuid = uuid
    pid = MachineNumber.count(fields[1])
    memory = MachineNumber.count(fields[2])
  }
}

extension NVIDIASMI {
  /// The columns of a line, without the blanks and the line end around them.
  fileprivate static func fields(_ line: String) -> [String] {
    line.split(separator: ",", omittingEmptySubsequences: false).map { $0.trimmed }
  }

  /// `GPU-` or `MIG-` and the rest in lower case, as ``GPUName`` has it; nil for any other text.
  static func uuid(_ text: String) -> String? {
    let prefix = text.prefix(4).uppercased()
    guard prefix == "GPU-" || prefix == "MIG-", text.count > 4 else { return nil }
    return prefix + text.dropFirst(4).lowercased()
  }

  /// One form for a PCI bus id, which is `00000000:0F:00.0` in tables and `0000:0f:00.0` in messages: lower case, and a
  /// domain of four digits or, where its value needs more, of eight. Nil for any other text.
  static func bus(_ text: some StringProtocol) -> String? {
    let parts = text.lowercased().split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 3, (1...8).contains(parts[0].count), let domain = UInt32(parts[0], radix: 16) else {
      return nil
    }
    let digits = String(domain, radix: 16)
    let zeros = String(repeating: "0", count: max(0, (digits.count > 4 ? 8 : 4) - digits.count))
    return "\(zeros)\(digits):\(parts[1]):\(parts[2])"
  }
}

extension StringProtocol {
  /// Without white space and line ends at both sides.
  var trimmed: String {
    let rest = drop { $0.isWhitespace }
    guard let last = rest.lastIndex(where: { !$0.isWhitespace }) else { return "" }
    return String(rest[...last])
  }
}
