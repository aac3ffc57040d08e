import Jobs

/// Slurm's words for the state of a job (squeue(1) and sacct(1), JOB STATE CODES), and what they mean here.
enum SlurmState {
  struct Meaning: Sendable, Equatable {
    let state: JobState
    let ending: Ending?

    init(_ state: JobState) {
      self.state = state
      ending = nil
    }
    init(_ ending: Ending) {
      state = ending.state
      self.ending = ending
    }
  }

  /// What a word means; a word that is not known here is `unknown`, never guessed.
  /// - Parameter word: a long word of sacct or a short one of squeue, `CANCELLED by 1000` and `CANCELLED+` included.
  static func meaning(of word: String) -> Meaning {
    let first = word.prefix { $0 != " " && $0 != "+" }
    return table[String(first)] ?? Meaning(.unknown)
  }

  /// Reasons that squeue gives for a job that waits because somebody holds it.
  static func isHeld(_ reason: String) -> Bool {
    reason.hasPrefix("JobHeld") || reason == "launch_failed_requeued_held" || reason == "job_requeued_in_held_state"
  }

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
    ("CD", "COMPLETED", Meaning(.completed)),
    ("F", "FAILED", Meaning(Ending.failed)),
    ("OOM", "OUT_OF_MEMORY", Meaning(.outOfMemory)),
    ("NF", "NODE_FAIL", Meaning(.nodeFailure)),
    ("BF", "BOOT_FAIL", Meaning(.bootFailure)),
    ("TO", "TIMEOUT", Meaning(.timeLimit)),
    ("DL", "DEADLINE", Meaning(.deadline)),
    ("PR", "PREEMPTED", Meaning(.preempted)),
    ("CA", "CANCELLED", Meaning(Ending.canceled)),
    ("RV", "REVOKED", Meaning(.unknown)),
  ]
}
