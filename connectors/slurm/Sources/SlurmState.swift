import ConnectorAPI
import JobModel

/// Slurm's words for the state of a job (squeue(1) and sacct(1), JOB STATE CODES, of 20.11 to 25.05), and what they mean
/// here.
enum SlurmState {
  struct Meaning: Sendable, Equatable {
    /// Nil for a word that is not known here.
    let state: JobState?
    let outcome: Outcome?

    init(_ state: JobState?) {
      self.state = state
      outcome = nil
    }
    init(_ outcome: Outcome) {
      state = outcome.state
      self.outcome = outcome
    }
  }

  /// What a word means; a word that is not known here means nothing: it is never guessed.
  ///
  /// A base state may have flags beside it, `COMPLETED,REQUEUED` in scontrol and in JSON; the flag that says what
  /// becomes of the job counts then.
  /// - Parameter word: a long word or a short one, `CANCELLED by 1000` and `CANCELLED+` included.
  static func meaning(of word: String) -> Meaning {
    if let plain = table[word] { return plain }
    let words = word.split { ",|[]\" ".contains($0) }.map { String($0.prefix { $0 != "+" }) }
    guard let base = words.first else { return Meaning(nil) }
    if base == "CANCELLED" || base == "CA", words.dropFirst().first == "by" { return Meaning(Outcome.canceled) }
    let flags = words.filter { flagOrder[$0] != nil }.sorted { flagOrder[$0, default: 0] < flagOrder[$1, default: 0] }
    let rest = words.filter { flagOrder[$0] == nil && !silentFlags.contains($0) }
    guard rest.allSatisfy({ table[$0] != nil }) else { return Meaning(nil) }
    return (flags.first ?? rest.first).flatMap { table[$0] } ?? Meaning(nil)
  }

  /// Whether a job is only being cleared up after.
  static func isCompleting(_ word: String) -> Bool { word.hasPrefix("COMPLETING") || word == "CG" }

  /// Flags of slurm.h beside a base state, the one that counts most first.
  private static let flagOrder: [String: Int] = Dictionary(
    uniqueKeysWithValues: [
      "REQUEUE_HOLD", "SPECIAL_EXIT", "REQUEUED", "REQUEUE_FED", "RESV_DEL_HOLD", "REVOKED", "COMPLETING", "STAGE_OUT",
      "STOPPED", "CONFIGURING", "POWER_UP_NODE", "RESIZING", "SIGNALING",
    ].enumerated().map { ($1, $0) })

  /// Flags that change nothing for the job beside its base state.
  private static let silentFlags: Set<String> = ["UPDATE_DB", "LAUNCH_FAILED", "RECONFIG_FAIL", "EXPEDITING"]

  private static let table: [String: Meaning] = {
    var table: [String: Meaning] = [:]
    for (short, long, meaning) in rows {
      table[short] = meaning
      table[long] = meaning
    }
    return table
  }()

  private static let rows: [(String, String, Meaning)] = [
    ("PD", "PENDING", Meaning(.queued)),
    ("CF", "CONFIGURING", Meaning(.starting)),
    ("PO", "POWER_UP_NODE", Meaning(.starting)),
    ("RD", "RESV_DEL_HOLD", Meaning(.held)),
    ("RF", "REQUEUE_FED", Meaning(.queued)),
    ("SE", "SPECIAL_EXIT", Meaning(.held)),
    ("R", "RUNNING", Meaning(.running)),
    ("CG", "COMPLETING", Meaning(.running)),
    ("RS", "RESIZING", Meaning(.running)),
    ("SI", "SIGNALING", Meaning(.running)),
    ("SO", "STAGE_OUT", Meaning(.running)),
    ("S", "SUSPENDED", Meaning(.suspended)),
    ("ST", "STOPPED", Meaning(.suspended)),
    ("RQ", "REQUEUED", Meaning(.requeued)),
    ("RH", "REQUEUE_HOLD", Meaning(.requeued)),
    ("CD", "COMPLETED", Meaning(Outcome.succeeded)),
    ("F", "FAILED", Meaning(Outcome.failed)),
    ("OOM", "OUT_OF_MEMORY", Meaning(.outOfMemory)),
    ("NF", "NODE_FAIL", Meaning(.nodeFailure)),
    ("BF", "BOOT_FAIL", Meaning(.launchFailed)),
    ("TO", "TIMEOUT", Meaning(.timeLimit)),
    ("DL", "DEADLINE", Meaning(.deadline)),
    ("PR", "PREEMPTED", Meaning(.preempted)),
    ("CA", "CANCELLED", Meaning(Outcome.canceled)),
    // A federation runs it on another cluster, which is not asked here.
    ("RV", "REVOKED", Meaning(nil)),
  ]
}
