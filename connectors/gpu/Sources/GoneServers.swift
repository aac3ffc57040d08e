import Foundation
import Jobs

/// Since when servers are neither in the servers file nor to be reached. Nobody will ever say what became of their jobs.
struct GoneServers: Sendable {
  private var since: [String: ContinuousClock.Instant] = [:]

  /// Notes which servers are gone now, of those on which there are jobs.
  mutating func note(_ names: Set<String>, at now: ContinuousClock.Instant = .now) {
    since = Dictionary(uniqueKeysWithValues: names.map { ($0, since[$0] ?? now) })
  }

  /// Whether a server has been gone for that long, without a break.
  func isGone(_ name: String, for patience: Duration, at now: ContinuousClock.Instant = .now) -> Bool {
    since[name].map { now - $0 >= patience } ?? false
  }
}

extension Sighting {
  /// The backend's word of a job whose server is gone.
  static let gone = "gone"

  /// The end of a job whose server is gone.
  static func lost(_ job: Job, with server: String, at time: Date) -> Sighting {
    var sighting = Sighting(
      backendID: job.submissionToken, mark: Mark(token: job.submissionToken), state: .lost, source: "servers file",
      backendWord: gone,
      reason: "the server is gone: \(server) is not in the servers file and does not answer", ending: .lost,
      nodes: job.nodes, elapsed: job.elapsed, startedAt: job.startedAt, endedAt: time)
    sighting.attempt = job.attempt
    return sighting
  }
}
