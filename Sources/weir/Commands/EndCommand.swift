import ArgumentParser
import Foundation
import JobEngine
import JobStore
import JobStoreSQLite

/// `weir end`
struct End: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "End a job by hand in the job store of a stopped Weir.",
    discussion: """
      For a job whose end no backend will ever report: its submission stays in doubt, or its machine never comes back. \
      Make sure first that it does not run, since Weir gives its GPUs to other jobs. The job becomes canceled, with the \
      reason and the account that ran this command. If the backend shows the job later, Weir corrects its state.

      The command refuses while Weir uses the store. It does not contact the backend.
      """)

  @OptionGroup var directory: Store.Directory

  @Argument(help: "The job: NAME/NUMBER, its id in Weir, or its id in the backend.")
  var job: String

  @Option(help: "The reason, one line, for the history of the job.")
  var reason: String

  func validate() throws {
    let isText = reason.unicodeScalars.allSatisfy { !$0.properties.generalCategory.isControl }
    guard !reason.trimmingCharacters(in: .whitespaces).isEmpty, isText, reason.utf8.count <= 1000 else {
      throw ValidationError("--reason: expected one line of 1 to 1000 bytes")
    }
  }

  func run() throws {
    umask(0o077)
    let path = try directory.resolve()
    let keepingOutput: TimeInterval
    do { keepingOutput = try Settings.unclaimedOutput(ProcessInfo.processInfo.environment) } catch {
      try fail("\(error)", status: 1)
    }
    if let obstacle = StateDirectory.obstacle(toReading: path) { try fail(obstacle, status: 1) }
    do {
      let lock = try StateDirectory(path).takeLock()
      guard case .held(let held) = lock else {
        var holder = ""
        if case .heldBy(let who) = lock { holder = who }
        try fail("the job store in \(path) is in use by \(holder); stop that Weir first", status: 1)
      }
      defer { withExtendedLifetime(held) {} }
      let ended = try SQLiteJobStore(directory: path).end(
        JobReference(job), actor: Self.actor, reason: reason, at: Date(),
        keepingOutputFor: keepingOutput)
      print("job \(ended.key) has ended: \(ended.reason)")
    } catch let error as StoreError {
      try fail("\(path): \(error)", status: 1)
    }
  }

  /// Who runs this: the account that logged in, where it became another.
  private static var actor: String {
    let environment = ProcessInfo.processInfo.environment
    if getuid() == 0, let user = environment["SUDO_USER"], !user.isEmpty { return user }
    return getpwuid(getuid()).map { String(cString: $0.pointee.pw_name) } ?? "uid \(getuid())"
  }
}

extension Unicode.GeneralCategory {
  fileprivate var isControl: Bool {
    switch self {
    case .control, .lineSeparator, .paragraphSeparator, .format: true
    default: false
    }
  }
}
