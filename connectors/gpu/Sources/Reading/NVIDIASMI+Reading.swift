import ConnectorSupport

extension NVIDIASMI {
  /// What nvidia-smi saw at one moment.
  struct Reading: Sendable, Equatable {
    /// When it was asked: before that nothing of it is known to be so.
    let time: ContinuousClock.Instant
    var isInstalled = true
    /// Why nothing can be said of any GPU; nil when the rest counts.
    var failure: String?
    /// By index.
    var gpus: [GPU] = []
    var apps: [App] = []
    /// GPUs that do not work by its words, whether they have a row or not.
    var faults: [Message.Subject: String] = [:]
    /// What else it said, each line once.
    var warnings: [String] = []
  }
}

extension NVIDIASMI.Reading {
  init(_ output: NVIDIASMI.Output, at time: ContinuousClock.Instant) {
    self.time = time
    if output.gpuStatus == NVIDIASMI.QueryStatus.notFound, output.gpuLines.isEmpty {
      isInstalled = false
      return
    }
    let gpuMessages = readGPUs(output.gpuLines, output.gpuStatus)
    failure = Self.failure(ofStatus: output.gpuStatus) ?? gpuFailure(output.gpuStatus, gpuMessages)
    if failure == nil {
      let appMessages = readApps(output.appLines, output.appStatus)
      failure = Self.appFailure(output, appMessages, said: Set(gpuMessages.map(\.text))).map {
        "nvidia-smi does not list the processes: \($0)"
      }
    }
    if failure != nil { (gpus, apps, warnings) = ([], [], []) }
  }

  /// - Returns: the lines that are no GPU's.
  private mutating func readGPUs(_ lines: [String], _ status: Int) -> [NVIDIASMI.Message] {
    var messages: [NVIDIASMI.Message] = []
    for line in lines {
      if let gpu = NVIDIASMI.GPU(line) {
        gpus.append(gpu)
      } else if let message = NVIDIASMI.Message(line) {
        messages.append(message)
        note(message, status)
      }
    }
    gpus.sort { $0.index < $1.index }
    return messages
  }

  /// - Returns: the lines that are no process's.
  private mutating func readApps(_ lines: [String], _ status: Int) -> [NVIDIASMI.Message] {
    var messages: [NVIDIASMI.Message] = []
    var (users, jobs): ([Int: String], [Int: String]) = ([:], [:])
    for line in lines {
      let words = line.split(separator: " ")
      if words.count == 3, ["user", "job"].contains(words[0]), let pid = MachineNumber.count(words[1]) {
        if words[0] == "user" { users[pid] = String(words[2]) } else { jobs[pid] = String(words[2]) }
      } else if let app = NVIDIASMI.App(line) {
        apps.append(app)
      } else if let message = NVIDIASMI.Message(line) {
        messages.append(message)
        note(message, status)
      }
    }
    for index in apps.indices {
      guard let pid = apps[index].pid else { continue }
      (apps[index].user, apps[index].job) = (users[pid], jobs[pid])
    }
    return messages
  }

  /// A line that names a GPU is a fault of that GPU only if the query says by its status that something is wrong.
  private mutating func note(_ message: NVIDIASMI.Message, _ status: Int) {
    switch message.kind {
    case .nothingToTell: break
    case .fault(let subject, let words) where status != 0: if faults[subject] == nil { faults[subject] = words }
    default: if !warnings.contains(message.text), warnings.count < 20 { warnings.append(message.text) }
    }
  }

  /// A query that came to no answer.
  private static func failure(ofStatus status: Int) -> String? {
    switch status {
    case _ where NVIDIASMI.QueryStatus.timeouts.contains(status): "nvidia-smi did not answer in time"
    case NVIDIASMI.QueryStatus.diskFull:
      "the disk of the job root is full or not writable: the answer of nvidia-smi could not be stored"
    case 129...192: "nvidia-smi was ended by signal \(status - 128)"
    default: nil
    }
  }

  /// Whether there is any row to go by. nvidia-smi(1) has the meaning of the statuses.
  private func gpuFailure(_ status: Int, _ messages: [NVIDIASMI.Message]) -> String? {
    guard gpus.isEmpty else { return nil }
    if let fault = faults.min(by: { $0.key.description < $1.key.description }) {
      return "GPU \(fault.key): \(fault.value)"
    }
    if let failure = messages.first(where: { $0.kind == .failure }) { return failure.text }
    if let warning = warnings.first { return warning }
    return status == 0 || !messages.isEmpty ? nil : "nvidia-smi ended with status \(status) without a message"
  }

  /// Whether the list of processes is complete but for those on GPUs that do not work.
  ///
  /// The statuses 8, 10, 14 and 15 are about single GPUs, and so may be any status with lines that are. What the other
  /// query said too, and showed its rows all the same, is a warning that comes with every call.
  private static func appFailure(
    _ output: NVIDIASMI.Output, _ messages: [NVIDIASMI.Message], said: Set<String>
  ) -> String? {
    let status = output.appStatus
    guard status != 0 else { return nil }
    let failure = failure(ofStatus: status) ?? messages.first { $0.kind == .failure }?.text
    guard failure == nil, ![8, 10, 14, 15].contains(status) else { return failure }
    if let unknown = messages.first(where: { $0.kind == .other && !said.contains($0.text) }) { return unknown.text }
    return messages.isEmpty && status != output.gpuStatus ? "it ended with status \(status)" : nil
  }
}
