import Dispatch
import Foundation
import Logging
import Support
import Synchronization

/// Reads the settings again with all files that they name: on SIGHUP, and when a file with a secret changes. Settings that
/// are wrong change nothing but a warning. The environment itself stays as it was at the start.
final class Reloader: Sendable {
  private struct State {
    var settings: Settings
    var stamps: [FileStamp]
    var warnings: [String]
    var fault: String?
  }

  private let environment: [String: String]
  private let logger: Logger
  private let apply: @Sendable (Settings) -> Void
  private let state: Mutex<State>
  private let queue = DispatchQueue(label: "weir.settings")

  /// - Parameter apply: takes what may change while the service runs.
  init(
    _ settings: Settings, environment: [String: String], logger: Logger, apply: @escaping @Sendable (Settings) -> Void
  ) {
    self.environment = environment
    self.logger = logger
    self.apply = apply
    state = Mutex(State(settings: settings, stamps: Self.stamps(of: settings), warnings: settings.warnings))
  }

  /// The settings as they were read last.
  var settings: Settings { state.withLock { $0.settings } }

  /// What is wrong now.
  var warnings: [String] { state.withLock { ($0.fault.map { [$0] } ?? []) + $0.warnings } }

  /// Looks every other second whether a file with a secret has changed, and who may read the files.
  func watch() {
    everyOtherSecond(on: queue) { [weak self] in
      guard let self else { return false }
      let settings = settings
      let (stamps, warnings) = (Self.stamps(of: settings), settings.warnings)
      let hasChanged = state.withLock { state in
        state.warnings = warnings
        defer { state.stamps = stamps }
        return state.stamps != stamps
      }
      if hasChanged { read() }
      return true
    }
  }

  /// Reads everything again, soon.
  func reload() { queue.async { self.read() } }

  private func read() {
    do {
      let settings = try Settings(environment: environment)
      let warnings = settings.warnings
      state.withLock { state in
        state.settings = settings
        state.warnings = warnings
        state.fault = nil
      }
      apply(settings)
      logger.notice("the files named by the settings were read again")
    } catch {
      let faults = (error as? SettingsError)?.faults.map(\.description) ?? ["\(error)"]
      let fault =
        "the files named by the settings are wrong, so Weir keeps the previous values: "
        + faults.joined(separator: "; ")
      state.withLock { $0.fault = fault }
      logger.warning("\(fault)")
    }
  }

  /// Of the files that hold a setting's value. The others are watched by those who read them.
  private static func stamps(of settings: Settings) -> [FileStamp] {
    let names = Set(Setting.all.compactMap(\.fileName))
    return settings.files.filter { names.contains($0.name) }.map { FileStamp(path: $0.path) }
  }
}
