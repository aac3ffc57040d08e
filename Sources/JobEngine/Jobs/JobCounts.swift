import JobModel

/// How many jobs there are that have not ended, by state, and how many of each owner wait.
struct JobCounts: Sendable {
  private(set) var living: [JobState: Int] = [:]
  private var waiting: [Owner: Int] = [:]

  /// An owner's name byte by byte: Swift's own equality takes different spellings of an accent for one; see
  /// ``Job/isOwned(by:)``.
  private struct Owner: Hashable {
    let name: String

    static func == (one: Owner, other: Owner) -> Bool { one.name.utf8.elementsEqual(other.name.utf8) }
    func hash(into hasher: inout Hasher) { for byte in name.utf8 { hasher.combine(byte) } }
  }

  /// Whether a job counts against what its owner may have waiting.
  static func waits(_ job: Job) -> Bool { [.submitting, .held, .queued].contains(job.state) }

  func waiting(of owner: String) -> Int { waiting[Owner(name: owner), default: 0] }

  mutating func add(_ job: Job) { count(job, 1) }
  mutating func remove(_ job: Job) { count(job, -1) }

  private mutating func count(_ job: Job, _ step: Int) {
    let state = job.state
    guard !state.isTerminal else { return }
    living[state, default: 0] += step
    if living[state] == 0 { living[state] = nil }
    guard Self.waits(job) else { return }
    let owner = Owner(name: job.owner)
    waiting[owner, default: 0] += step
    if waiting[owner] == 0 { waiting[owner] = nil }
  }
}
