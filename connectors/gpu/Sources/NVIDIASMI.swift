import Foundation

/// nvidia-smi(1) as the sweep asks it, for the drivers 525 to 570.
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
}

extension NVIDIASMI {
  struct GPU: Sendable, Equatable {
    let index: Int
    /// Nil when not even that can be read.
    let uuid: String?
    /// `0000:65:00.0`
    let bus: String
    let name: String?
    /// MiB; nil where the driver does not say, as with memory that is the system's too.
    let memoryUsed: Int?
    let memoryTotal: Int?
    /// Degrees Celsius.
    let temperature: Int?
    /// Percent.
    let utilization: Int?
    /// What the driver says instead of values: the GPU does not work.
    let fault: String?
  }

  /// A process that computes on a GPU.
  struct App: Sendable, Equatable {
    let uuid: String
    let pid: Int?
    /// MiB.
    let memory: Int?
    /// Who runs it, where that can be seen.
    var user: String?
  }

  /// What nvidia-smi saw at one moment.
  struct Reading: Sendable, Equatable {
    /// When it was asked, by our clock: before that nothing of it is known to be so.
    let time: Date
    var isInstalled = true
    /// Why nothing can be said of any GPU; nil when the rest counts.
    var failure: String?
    /// By index.
    var gpus: [GPU] = []
    var apps: [App] = []
    /// GPUs that the driver has lost, by bus, and its words.
    var lost: [String: String] = [:]
    /// What else it said.
    var warnings: [String] = []
  }
}

extension NVIDIASMI.Reading {
  init(_ output: NVIDIASMI.Output, at time: Date) {
    self.time = time
    for line in output.gpuLines where !line.allSatisfy(\.isWhitespace) {
      if let gpu = NVIDIASMI.GPU(line) { gpus.append(gpu) } else { note(line) }
    }
    gpus.sort { $0.index < $1.index }
    let users = Self.users(output.appLines)
    var appMessages: [String] = []
    for line in output.appLines
    where !line.allSatisfy(\.isWhitespace) && !line.hasPrefix("user ") && !line.hasPrefix("job ") {
      guard var app = NVIDIASMI.App(line) else {
        appMessages.append(line)
        continue
      }
      app.user = app.pid.flatMap { users[$0] }
      apps.append(app)
    }
    judge(output, appMessages)
    if failure != nil { (gpus, apps) = ([], []) }
  }

  /// `user <pid> <name>`
  private static func users(_ lines: [String]) -> [Int: String] {
    lines.reduce(into: [:]) { users, line in
      let words = line.split(separator: " ")
      if words.count == 3, words[0] == "user", let pid = Int(digits: words[1]) { users[pid] = String(words[2]) }
    }
  }

  /// A line that is no GPU's.
  private mutating func note(_ line: String) {
    if let match = line.firstMatch(
      of: /device handle for GPU ?\d*:? ?([0-9A-Fa-f]{4,8}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.[0-9A-Fa-f]): *(.+)/)
    {
      lost[NVIDIASMI.bus(match.1)] = match.2.trimmingCharacters(in: .whitespaces)
    } else {
      warnings.append(String(line.prefix(300)))
    }
  }

  /// Whether what was printed can be believed. nvidia-smi(1) has the meaning of the statuses: 6 is "no such object", and
  /// 8, 10, 14 and 15 are about single GPUs, the others being shown.
  private mutating func judge(_ output: NVIDIASMI.Output, _ appMessages: [String]) {
    let status = output.gpuStatus
    switch status {
    case 127:
      isInstalled = false
      warnings = []
      return
    case 124, 137, 143:
      failure = "nvidia-smi did not answer in time"
      return
    case 0: break
    case 6 where gpus.isEmpty && lost.isEmpty && warnings == ["No devices were found"]: return
    default:
      guard gpus.isEmpty else { break }
      let lost = lost.min { $0.key < $1.key }.map { "GPU \($0.key): \($0.value)" }
      failure = lost ?? warnings.first ?? "nvidia-smi ended with status \(status) and said nothing"
      return
    }
    // Before 535 the processes of some consumer GPUs are not told.
    let isHarmless = appMessages.allSatisfy {
      ["no running processes found", "[not supported]", "[n/a]", "no devices were found"].contains(
        $0.trimmingCharacters(in: .whitespaces).lowercased()) || $0.contains("device handle for GPU")
    }
    if output.appStatus != 0, !isHarmless || (appMessages.isEmpty && lost.isEmpty) {
      let words = appMessages.first ?? "it ended with status \(output.appStatus)"
      failure = "nvidia-smi does not tell the processes: \(words)"
    } else if !isHarmless {
      warnings += appMessages
    }
  }
}

extension NVIDIASMI.GPU {
  /// `index, uuid, bus, name, memory.used, memory.total, temperature.gpu, utilization.gpu`; nil for any other line.
  fileprivate init?(_ line: String) {
    let fields = line.split(separator: ",", omittingEmptySubsequences: false).map {
      $0.trimmingCharacters(in: .whitespaces)
    }
    guard fields.count >= 8, let index = Int(digits: fields[0][...]), fields[2].contains(":") else { return nil }
    let last = fields.count - 4
    let texts = [fields[1], fields[3..<last].joined(separator: ", ")].map { Field($0) }
    let numbers = fields[last...].map { Field($0) }
    self.index = index
    uuid = texts[0].text.flatMap { $0.hasPrefix("GPU-") ? $0.lowercasedAfterPrefix : nil }
    bus = NVIDIASMI.bus(fields[2][...])
    name = texts[1].text
    (memoryUsed, memoryTotal) = (numbers[0].number, numbers[1].number)
    (temperature, utilization) = (numbers[2].number, numbers[3].number)
    // Of utilization drivers say [Unknown Error] also where all is well.
    let errors = (texts + numbers.dropLast()).compactMap(\.error)
    fault = errors.first ?? (uuid == nil ? "its UUID cannot be read" : nil)
  }

  /// What stands in a column: a value, nothing to say, or what is wrong.
  private struct Field {
    var text: String?
    var error: String?

    var number: Int? { text.flatMap { Double($0) }.flatMap { Int(exactly: $0.rounded()) } }

    init(_ text: String) {
      let isBracketed = text.hasPrefix("[") && text.hasSuffix("]")
      let word = isBracketed ? String(text.dropFirst().dropLast()) : text
      switch word.lowercased() {
      case "", "n/a", "not supported", "not available", "insufficient permissions", "(null)": break
      case "err!", "unknown error": error = word
      default: if isBracketed { error = word } else { self.text = text }
      }
    }
  }
}

extension NVIDIASMI.App {
  /// `gpu_uuid, pid, used_memory`; nil for any other line.
  fileprivate init?(_ line: String) {
    let fields = line.split(separator: ",", omittingEmptySubsequences: false).map {
      $0.trimmingCharacters(in: .whitespaces)
    }
    guard fields.count == 3, fields[0].hasPrefix("GPU-") || fields[0].hasPrefix("MIG-") else { return nil }
    uuid = fields[0].lowercasedAfterPrefix
    pid = Int(digits: fields[1][...])
    memory = Int(digits: fields[2][...])
  }
}

extension NVIDIASMI {
  /// One form for a bus that is shown as `00000000:65:00.0` in tables and as `0000:65:00.0` in messages.
  static func bus(_ text: Substring) -> String {
    let parts = text.lowercased().split(separator: ":")
    return parts.count == 3 ? "\(parts[0].suffix(4)):\(parts[1]):\(parts[2])" : text.lowercased()
  }
}

extension String {
  /// `GPU-` and the rest in lower case, as ``GPUName`` has it.
  fileprivate var lowercasedAfterPrefix: String { prefix(4) + dropFirst(4).lowercased() }
}
