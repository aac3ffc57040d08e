import Foundation
import Synchronization

/// What was learnt of how this cluster is asked, and of its accounts.
final class Dialect: Sendable {
  private let submitLine = Mutex(true)
  private let accounts = Mutex<[String: ContinuousClock.Instant]>([:])

  func vetted(_ account: String) { accounts.withLock { if $0[account] == nil { $0[account] = .now } } }
  func isVetted(_ account: String, for duration: Duration) -> Bool {
    accounts.withLock { accounts in
      guard let since = accounts[account] else { return false }
      if .now - since > duration { accounts[account] = nil }
      return accounts[account] != nil
    }
  }

  var hasSubmitLine: Bool {
    get { submitLine.withLock { $0 } }
    set { submitLine.withLock { $0 = newValue } }
  }
}
