import Foundation
import JobModel

/// What it amounts to that complete polls do not show jobs which the backend should have.
///
/// Not being shown is no end. A job may be taken for lost once it was missing from several polls, unbroken for long
/// enough, and that still ends nothing: it is then asked for in another way (see ``AbsenceVerifier``). Many
/// jobs that vanish at once say something of the poll, not of the jobs: none of them counts as missing before it was
/// asked for in that other way.
struct Absences {
  /// So many jobs, and half of those that were asked about, have vanished at once: the poll has failed.
  static let mass = 3
  /// So many polls have to miss a job.
  static let polls = 3

  private struct Absence {
    var since: Date?
    var polls = 0
    /// The monotonic time for which unbroken polls missed it.
    var lasted = Duration.zero
    var last: ContinuousClock.Instant?
    /// Whether it vanished with many others.
    var isSuspect = false
    /// Whether the backend was asked for it in another way, and does not have it.
    var isConfirmed = false
    /// What the backend answered about it.
    var answer: String?
  }

  private let lostAfter: Duration
  /// How much of the time between two polls counts: a program that was stopped has not polled.
  private let longestGap: Duration
  /// By the jobs' ids.
  private var known: [JobID: Absence] = [:]

  init(lostAfter: Duration, longestGap: Duration) {
    self.lostAfter = lostAfter
    self.longestGap = longestGap
  }

  /// Takes in a poll that was complete.
  /// - Parameters:
  ///   - absent: the jobs that it should have shown, with what was answered about them.
  ///   - count: how many living jobs it was asked about.
  ///   - began: when it was asked.
  ///   - isUnbroken: whether the poll before was complete as well.
  /// - Returns: what is wrong with the poll, when so many are missing that it is not believed.
  mutating func note(
    _ absent: [(job: Job, answer: String?)], among count: Int, began: ContinuousClock.Instant, at time: Date,
    isUnbroken: Bool
  ) -> String? {
    let doubtful = absent.filter { known[$0.job.id]?.isConfirmed != true }
    let isMass = doubtful.count >= Self.mass && doubtful.count * 2 >= count
    for (job, answer) in absent {
      var absence = known[job.id] ?? Absence()
      if isMass {
        absence = Absence(isSuspect: true, isConfirmed: absence.isConfirmed)
      } else {
        if isUnbroken, let last = absence.last {
          absence.lasted += min(began - last, longestGap)
        } else {
          (absence.polls, absence.lasted, absence.since) = (0, .zero, time)
        }
        absence.polls += 1
        absence.last = began
      }
      absence.answer = answer
      known[job.id] = absence
    }
    guard isMass else { return nil }
    let names = doubtful.prefix(5).map(\.job.key.description).sorted().joined(separator: ", ")
    return """
      \(doubtful.count) of \(count) jobs vanished from the backend at once, and nothing says how they ended: \(names)\
      \(doubtful.count > 5 ? ", ..." : ""); check whether the polling account may see the jobs of others
      """
  }

  /// Takes in that it was shown, or that it is not known whether it would have been.
  mutating func end(_ id: JobID) { known[id] = nil }

  var isEmpty: Bool { known.isEmpty }

  /// Forgets all but these.
  mutating func keep(_ ids: Set<JobID>) { known = known.filter { ids.contains($0.key) } }

  /// Since when it is missing, by the calendar.
  func since(_ id: JobID) -> Date? { known[id]?.since }
  func answer(_ id: JobID) -> String? { known[id]?.answer }

  /// Whether it was missing for long enough to be lost, unless another way to ask shows it.
  func isDue(_ id: JobID) -> Bool {
    known[id].map { $0.polls >= Self.polls && $0.lasted >= lostAfter } ?? false
  }

  /// The jobs that are to be asked for in another way.
  var doubtful: [JobID] {
    known.filter { id, absence in absence.isSuspect && !absence.isConfirmed || isDue(id) }.map(\.key)
  }

  /// Takes in that the backend was asked in another way and does not have it.
  mutating func confirm(_ id: JobID) { known[id]?.isConfirmed = true }

  /// Takes in that it was shown in another way: its absence begins again.
  mutating func contradict(_ id: JobID) {
    guard let absence = known[id] else { return }
    known[id] = Absence(isSuspect: absence.isSuspect, answer: absence.answer)
  }
}
