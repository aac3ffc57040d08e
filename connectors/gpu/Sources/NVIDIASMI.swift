import Foundation

/// nvidia-smi(1) as the sweep asks it, for the drivers 525 to 570.
enum NVIDIASMI {
  /// What it printed, and its exit statuses.
  struct Output: Sendable, Equatable {
    var gpuStatus: Int
    var gpuLines: [String]
    var appStatus: Int
    /// With a line `user <pid> <name>` for each process.
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
