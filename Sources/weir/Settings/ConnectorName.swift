/// The connectors there are. Every choice by connector is an exhaustive `switch` over this: none is taken for another.
enum ConnectorName: String, CaseIterable, Sendable {
  case local
  case gpu
  case slurm
  case dummy

  /// - Parameter setting: `slurm`, or `connectors.slurm.connector` as older configurations have it.
  init?(setting: String) {
    self.init(
      rawValue: setting.replacingOccurrences(of: "connectors.", with: "").replacingOccurrences(
        of: ".connector", with: ""))
  }
}
