extension Setting {
  static let jobs: [Setting] = [
    Setting(
      name: "WEIR_POLL_INTERVAL", group: .jobs, form: .whole(1...3600), standard: "2",
      meaning:
        "Minimum seconds between two polls of the queue. If polls are slow, Weir waits five times the duration of a poll instead."
    ),
    Setting(
      name: "WEIR_STALE_AFTER", group: .jobs, form: .whole(1...86_400), standard: "60",
      meaning:
        "Seconds that /running and /queued serve the last complete list while the backend does not answer (longer: 503)."
    ),
    Setting(
      name: "WEIR_LOST_AFTER", group: .jobs, form: .whole(10...604_800), standard: "600",
      meaning:
        "Seconds after which a job that complete polls do not show becomes lost. At least three polls in a row must miss it, and no other query may find it."
    ),
    Setting(
      name: "WEIR_SUBMIT_DEADLINE", group: .jobs, form: .whole(30...86_400), standard: "60",
      meaning:
        "Seconds that Weir searches for an in-doubt submission before it treats it as never submitted. The backend must also say that it has no such job."
    ),
    Setting(
      name: "WEIR_KEEP_OUTPUT", group: .jobs, form: .whole(1...31_536_000), standard: "86400",
      meaning:
        "Seconds that the output of a job is kept after the first /exitstatus; then Weir removes it, on the cluster too. Output that nobody asks for is kept a week longer."
    ),
    Setting(
      name: "WEIR_KEEP_FILES", group: .jobs, form: .whole(1...3_153_600_000), standard: "2592000",
      meaning:
        "Minimum seconds that the files of a job (`work/` on GPU servers and this machine) are kept after the removal of its output. On Slurm Weir removes no files of users."
    ),
    Setting(
      name: "WEIR_KEEP_JOBS", group: .jobs, form: .whole(86_400...3_153_600_000), standard: "7776000",
      meaning:
        "Seconds that the record of an ended job is kept after the removal of its output, and at least as long as its files and idempotency keys. After that its name and number are free again."
    ),
    Setting(
      name: "WEIR_OUTPUT_BYTES", group: .jobs, form: .whole(16_777_216...Int.max), standard: "4294967296",
      meaning:
        "Maximum bytes of copies of output in the state directory. Beyond that, Weir removes the oldest copies, and reads them from the cluster again when somebody asks."
    ),
    Setting(
      name: "WEIR_OWNER_WAITING_JOBS", group: .jobs, form: .whole(0...1_000_000), standard: "1000",
      meaning: "Maximum number of waiting jobs of one owner (more: 429). 0: no limit."),
    Setting(
      name: "WEIR_OWNER_BYTES", group: .jobs, form: .whole(0...Int.max), standard: "4294967296",
      meaning:
        "Maximum bytes in the state directory for the jobs of one owner: scripts, archives, and responses to submissions (more: 429). Copies of output count too; Weir removes the owner's oldest copies first. 0: no limit."
    ),
    Setting(
      name: "WEIR_OWNER_IDEMPOTENCY_KEYS", group: .jobs, form: .whole(0...1_000_000), standard: "10000",
      meaning: "Maximum number of idempotency keys of one owner's jobs (more: 429). 0: no limit."),
    Setting(
      name: "WEIR_JOB_IDEMPOTENCY_KEYS", group: .jobs, form: .whole(0...1_000_000), standard: "16",
      meaning: "Maximum number of idempotency keys of one job (more: 429). 0: no limit."),
    Setting(
      name: "WEIR_IDEMPOTENCY_SECONDS", group: .jobs, form: .whole(3600...31_536_000), standard: "604800",
      meaning:
        "Seconds that Weir remembers an idempotency key. A name and number are never used twice while the record of their job is kept."
    ),
  ]

  static let dummy: [Setting] = [
    Setting(
      name: "JARVICE_DUMMY_JOB_RUNNING_TIME", group: .dummy, form: .whole(0...86_400), standard: "10",
      meaning: "Seconds that a job runs."),
    Setting(
      name: "JARVICE_DUMMY_JOB_QUEUED_TIME", group: .dummy, form: .whole(0...86_400), standard: "5",
      meaning: "Seconds that a job is queued."),
    Setting(
      name: "JARVICE_DUMMY_JOB_FAILING_PERCENT", group: .dummy, form: .whole(0...100), standard: "50",
      meaning: "Percentage of jobs that fail."),
    Setting(
      name: "JARVICE_DUMMY_JOBS_ARE_INTERACTIVE", group: .dummy, form: .flag, standard: "false",
      meaning: "Whether jobs are interactive."),
  ]
}
