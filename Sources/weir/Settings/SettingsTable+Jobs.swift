extension Setting {
  static let jobs: [Setting] = [
    Setting(
      name: "WEIR_POLL_INTERVAL", group: .jobs, form: .whole(1...3600), standard: "2",
      meaning: "Least seconds between two looks at the queue; five times the cost of a look when that is more."),
    Setting(
      name: "WEIR_STALE_AFTER", group: .jobs, form: .whole(1...86_400), standard: "60",
      meaning: "Seconds for which /running and /queued serve the last complete list while the backend does not answer."),
    Setting(
      name: "WEIR_LOST_AFTER", group: .jobs, form: .whole(10...604_800), standard: "600",
      meaning:
        "Seconds for which complete polls without a break, three at least, must miss a job before it becomes lost, and only if no other way to ask shows it."
    ),
    Setting(
      name: "WEIR_SUBMIT_DEADLINE", group: .jobs, form: .whole(30...86_400), standard: "60",
      meaning:
        "Seconds after which a submit whose answer was lost is given up, once the backend says it has no such job."),
    Setting(
      name: "WEIR_KEEP_OUTPUT", group: .jobs, form: .whole(1...31_536_000), standard: "86400",
      meaning:
        "Seconds for which /exitstatus is answered after the first time; then the output is removed, on the cluster too. Output that nobody asks for is kept a week longer."
    ),
    Setting(
      name: "WEIR_KEEP_FILES", group: .jobs, form: .whole(1...3_153_600_000), standard: "2592000",
      meaning:
        "Minimum seconds after the end of a job for which its own files (`work/` on GPU servers and this machine) are kept, counted from the removal of its output. On Slurm Weir removes no files of users."
    ),
    Setting(
      name: "WEIR_KEEP_JOBS", group: .jobs, form: .whole(86_400...3_153_600_000), standard: "7776000",
      meaning:
        "Seconds for which the record of an ended job is kept, counted from the removal of its output; never shorter than its files and its idempotency keys. After that its name and number are free again, and calls about it return 404."
    ),
    Setting(
      name: "WEIR_OUTPUT_BYTES", group: .jobs, form: .whole(16_777_216...Int.max), standard: "4294967296",
      meaning:
        "Bytes of output that are kept in the state directory; for more the oldest goes, and is read from the cluster again when asked for."
    ),
    Setting(
      name: "WEIR_OWNER_WAITING_JOBS", group: .jobs, form: .whole(0...1_000_000), standard: "1000",
      meaning: "Maximum number of waiting jobs of one owner; one more is 429. 0 is no limit."),
    Setting(
      name: "WEIR_OWNER_BYTES", group: .jobs, form: .whole(0...Int.max), standard: "4294967296",
      meaning:
        "Maximum bytes in the state directory for jobs of one owner: scripts, archives, and answers to submits; a submit beyond it is 429. Copies of output count too, and of these the owner's oldest go instead. 0 is no limit."
    ),
    Setting(
      name: "WEIR_OWNER_IDEMPOTENCY_KEYS", group: .jobs, form: .whole(0...1_000_000), standard: "10000",
      meaning: "Maximum number of idempotency keys of one owner's jobs; one more is 429. 0 is no limit."),
    Setting(
      name: "WEIR_JOB_IDEMPOTENCY_KEYS", group: .jobs, form: .whole(0...1_000_000), standard: "16",
      meaning: "Maximum number of idempotency keys of one job; one more is 429. 0 is no limit."),
    Setting(
      name: "WEIR_IDEMPOTENCY_SECONDS", group: .jobs, form: .whole(3600...31_536_000), standard: "604800",
      meaning:
        "Seconds for which an idempotency key is remembered. A name and number never run twice, also after that, for as long as the record of the job is kept."
    ),
  ]

  static let dummy: [Setting] = [
    Setting(
      name: "JARVICE_DUMMY_JOB_RUNNING_TIME", group: .dummy, form: .whole(0...86_400), standard: "10",
      meaning: "Seconds a job runs."),
    Setting(
      name: "JARVICE_DUMMY_JOB_QUEUED_TIME", group: .dummy, form: .whole(0...86_400), standard: "5",
      meaning: "Seconds a job waits."),
    Setting(
      name: "JARVICE_DUMMY_JOB_FAILING_PERCENT", group: .dummy, form: .whole(0...100), standard: "50",
      meaning: "How many of a hundred jobs fail."),
    Setting(
      name: "JARVICE_DUMMY_JOBS_ARE_INTERACTIVE", group: .dummy, form: .flag, standard: "false",
      meaning: "Whether jobs pretend to be interactive."),
  ]
}
