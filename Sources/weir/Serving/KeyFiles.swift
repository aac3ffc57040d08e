import Dispatch
import Foundation
import Logging
import Support
import Synchronization
import Tokens

/// The files with the keys of bearer tokens: read again when they change, so that a key can be changed while Weir runs.
final class KeyFiles: Sendable {
  private struct State {
    var stamps: [FileStamp]
    var warning: String?
  }

  private let paths: [String]
  private let verifier: TokenVerifier
  private let logger: Logger
  private let state: Mutex<State>
  private let queue = DispatchQueue(label: "weir.keys")

  /// - Parameter verifier: has the keys that were in the files when the settings were read.
  init(_ paths: [String], verifier: TokenVerifier, logger: Logger) {
    self.paths = paths
    self.verifier = verifier
    self.logger = logger
    state = Mutex(State(stamps: paths.map { FileStamp(path: $0) }))
  }

  /// What is wrong with the files as they are now, while the keys before still count.
  var warning: String? { state.withLock { $0.warning } }

  /// Looks every other second whether a file has changed.
  func watch() {
    everyOtherSecond(on: queue) { [weak self] in
      self?.refresh()
      return self != nil
    }
  }

  /// Reads the files if one has changed; a broken one changes nothing but the warning.
  /// - Parameter always: whether they are read in any case.
  func refresh(always: Bool = false) {
    let stamps = paths.map { FileStamp(path: $0) }
    guard always || stamps != state.withLock({ $0.stamps }) else { return }
    var fault: String?
    do { try verifier.replaceKeys(by: try paths.map { try TokenSettings.key(in: $0) }) } catch { fault = "\(error)" }
    let warning = fault.map {
      "WEIR_JWT_KEY_FILE: a changed file is wrong, so Weir keeps the previous keys: \($0)"
    }
    state.withLock { $0 = State(stamps: stamps, warning: warning) }
    if let warning {
      logger.warning("\(warning)")
    } else {
      logger.notice("the token keys were read again", metadata: ["files": "\(paths.joined(separator: ", "))"])
    }
  }
}
