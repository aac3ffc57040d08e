import ConnectorAPI

/// Something that every connector, or every one with a capability, must show.
package struct ConformanceCase: Sendable {
  package let name: String
  /// The capability that it examines; nil for what every connector must do.
  package let capability: Capability?
  /// Further capabilities without which it says nothing.
  let needs: Set<Capability>
  /// Capabilities with which it does not hold.
  let unless: Set<Capability>
  /// Whether it is about what a script does.
  let runsScript: Bool
  /// Whether it is about a backend that cannot be reached.
  let isUnreachable: Bool
  let body: @Sendable (Workbench) async throws -> Void

  init(
    _ name: String, _ capability: Capability? = nil, needs: Set<Capability> = [], unless: Set<Capability> = [],
    runsScript: Bool = true, isUnreachable: Bool = false, _ body: @escaping @Sendable (Workbench) async throws -> Void
  ) {
    self.name = name
    self.capability = capability
    self.needs = needs
    self.unless = unless
    self.runsScript = runsScript
    self.isUnreachable = isUnreachable
    self.body = body
  }

  /// Whether a connector is to be examined by it.
  func applies(to subject: ConformanceSubject) -> Bool {
    let claimed = capabilities(of: subject.connector)
    return needs.union(capability.map { [$0] } ?? []).isSubset(of: claimed) && unless.isDisjoint(with: claimed)
      && (subject.runsScripts || !runsScript) && (subject.unreachable != nil || !isUnreachable)
  }

  /// All cases: the table of what a connector must show.
  package static let all = life + controlling + reading + files + queueing + unreachable
}

/// Scripts of the cases: POSIX shell.
enum CaseScript {
  /// Runs until somebody ends it.
  static let lasting = "echo begun\nwhile :; do sleep 0.1; done\n"
  /// Succeeds, by its output as well.
  static let short = "echo JARVICE_CMD_SUCCESS\nexit 0\n"
}
