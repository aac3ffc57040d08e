import Dispatch
import Foundation
import Logging
import Support
import Synchronization

/// Which account a user's jobs run as, and with which SSH key it is reached: what the users file says now.
public final class UserDirectory: Sendable {
  /// How a user's account is found.
  public enum Mapping: String, CaseIterable, Sendable {
    /// By the users file.
    case file
    /// The user's name is the account's.
    case claim
  }

  public struct Configuration: Sendable {
    public var mapping = Mapping.file
    public var path: String
    /// Makes keys of their texts.
    public var readKey: KeyReader
    /// The polling account, which belongs to no user: it may do more than users.
    public var observer = ""
    public var observerKey: PrivateKey?

    public init(path: String = "", readKey: @escaping KeyReader) {
      self.path = path
      self.readKey = readKey
    }
  }

  private struct State {
    var configuration: Configuration
    var users: Users
    var stamp: FileStamp
    var warning: String?
  }

  private let logger: Logger
  private let state: Mutex<State>
  private let queue = DispatchQueue(label: "weir.users")

  /// - Parameter users: what the file said when the settings were read.
  public init(_ configuration: Configuration, users: Users, logger: Logger) {
    self.logger = logger
    state = Mutex(State(configuration: configuration, users: users, stamp: FileStamp(path: configuration.path)))
    if let disabled = Self.sentence(users) { logger.warning("\(disabled)") }
  }

  /// Takes what the settings' files say now.
  public func replace(_ configuration: Configuration, users: Users) {
    // The file may have changed since it was read: the next check reads it again, if it exists.
    state.withLock { $0 = State(configuration: configuration, users: users, stamp: .missing) }
  }

  private var configuration: Configuration { state.withLock { $0.configuration } }

  /// The account of a user; nil when the site maps it to none.
  public func account(of owner: String) -> String? {
    let configuration = configuration
    return switch configuration.mapping {
    case .file: state.withLock { $0.users.account(of: owner) }
    case .claim: Account.fault(owner) == nil && owner != configuration.observer ? owner : nil
    }
  }

  /// The key that opens an account. Where users name their accounts themselves, the polling account's key may open them too.
  public func key(of account: String) -> PrivateKey? {
    let configuration = configuration
    if account == configuration.observer { return configuration.observerKey }
    let own = state.withLock { $0.users.key(of: account) }
    return own ?? (configuration.mapping == .claim ? configuration.observerKey : nil)
  }

  /// What is wrong with the file as it is now: as a whole, while an older state of it counts, or with users in it.
  public var warning: String? {
    let (warning, users) = state.withLock { ($0.warning, $0.users) }
    return warning ?? Self.sentence(users)
  }

  /// Looks every other second whether the file has changed.
  /// - Parameter onChange: called after new contents were taken.
  public func watch(onChange: @escaping @Sendable () -> Void) {
    everyOtherSecond(on: queue) { [weak self] in
      guard let self else { return false }
      if refresh() { onChange() }
      return true
    }
  }

  /// Reads the file if it has changed; a broken one changes nothing but the warning.
  /// - Returns: whether new contents were taken.
  public func refresh() -> Bool {
    let configuration = configuration
    let stamp = FileStamp(path: configuration.path)
    guard stamp != state.withLock({ $0.stamp }) else { return false }
    let users: Users
    do { users = try Users(path: configuration.path, readKey: configuration.readKey) } catch {
      let warning =
        "the changed users file is wrong, so Weir keeps the previous state: "
        + "\(configuration.path): \(error.sentence)"
      state.withLock { ($0.stamp, $0.warning) = (stamp, warning) }
      logger.warning("\(warning)")
      return false
    }
    state.withLock { ($0.stamp, $0.warning, $0.users) = (stamp, nil, users) }
    logger.notice("the users file was read again", metadata: ["file": "\(configuration.path)"])
    if let disabled = Self.sentence(users) { logger.warning("\(disabled)") }
    return true
  }

  private static func sentence(_ users: Users) -> String? {
    let count = users.disabled.count
    return count == 0
      ? nil
      : "\(count) user\(count == 1 ? "" : "s") cannot be served; correct the users file: " + some(users.disabled)
  }

  private static func some(_ sentences: [String]) -> String {
    sentences.prefix(5).joined(separator: "; ") + (sentences.count > 5 ? "; and \(sentences.count - 5) more" : "")
  }
}
