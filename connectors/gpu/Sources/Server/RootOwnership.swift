import ConnectorAPI
import Logging

/// Whose the job root of a server is; see ``RootOwner``.
final class RootOwnership: Sendable {
  private let owner: RootOwner
  private let patience: RootOwner.Patience
  private let status: Shared<ServerStatus>
  private let logger: Logger
  private let claim = Shared(RootClaim())

  init(_ owner: RootOwner, patience: RootOwner.Patience, status: Shared<ServerStatus>, logger: Logger) {
    self.owner = owner
    self.patience = patience
    self.status = status
    self.logger = logger
  }

  /// The owner record as it is to be written next.
  func nextRecord() -> String { claim.change { $0.next(owner) } }

  /// The words for sweep.sh: the record to write, and that of another to replace; empty for none.
  func sweepWords() -> [String] { claim.change { [$0.next(owner), $0.stale(patience)] } }

  /// Notes whose the job root is. One that has become ours is listed again: another Weir has started jobs there.
  /// - Parameter record: what a sweep has answered.
  /// - Throws: if it has just become ours.
  func note(_ record: String) throws(BackendError) {
    let (before, isNew, obstacle) = claim.change { claim in
      (claim.obstacle, claim.note(record, owner), claim.obstacle)
    }
    status.change { $0.foreignOwner = obstacle }
    if let obstacle, before == nil { logger.warning("the server gets no jobs: \(obstacle)") }
    guard isNew else { return }
    logger.notice("this Weir owns the job root now")
    status.change { $0.facts = nil }
    throw .unavailable("its job root has been taken over, and is being listed")
  }
}
