import ConnectorAPI
import JobModel
import Logging
import ScriptTemplates
import Shell
import Support

/// Listens on one channel, which is kept, to what a server says of ends of jobs as they happen.
actor EndListener {
  private let shell: ServerShell
  private let status: Shared<ServerStatus>
  private let jobs: Shared<[JobID: Job]>
  private let hints: EndHints
  private let wakeup: Wakeup
  private let logger: Logger
  private var notices = EndNotices()

  /// - Parameters:
  ///   - jobs: those whose ends count.
  ///   - hints: where the attempts are put that are said to have ended.
  ///   - wakeup: signalled when the server is to be looked at soon.
  init(
    _ shell: ServerShell, status: Shared<ServerStatus>, jobs: Shared<[JobID: Job]>, hints: EndHints, wakeup: Wakeup,
    logger: Logger
  ) {
    self.shell = shell
    self.status = status
    self.jobs = jobs
    self.hints = hints
    self.wakeup = wakeup
    self.logger = logger
  }

  /// Listens until the task is cancelled.
  func listen() async {
    var pause = Duration.seconds(1)
    while !Task.isCancelled {
      guard let facts = status.value.facts else {
        try? await Task.sleep(for: .milliseconds(200))
        continue
      }
      let began = ContinuousClock.now
      do {
        notices = EndNotices()
        _ = try await shell.runner.stream(
          try Command.script(GPUScript.watch, [facts.root, facts.machine]), as: shell.account, input: .open,
          timeout: nil, purpose: .observation
        ) { [weak self] bytes in await self?.hear(bytes) }
      } catch {
        logger.debug("exit notifications failed: \(error)")
      }
      wakeup.signal()
      pause = .now - began > .seconds(60) ? .seconds(1) : min(pause * 2, .seconds(30))
      try? await Task.sleep(for: pause)
    }
  }

  /// While this takes time the server's words wait, so that a flood of them keeps nothing busy.
  private func hear(_ bytes: [UInt8]) async {
    let (isReady, ended) = notices.read(bytes)
    if !ended.isEmpty {
      let known = ended.intersection(jobs.value.values.map(\.attemptID))
      hints.insert(known)
      if !known.isEmpty { wakeup.signal() }
    }
    // What has ended before it was listened to is seen by a sweep.
    if isReady { wakeup.signal() }
    try? await Task.sleep(for: .milliseconds(10) * (bytes.count / 4096 + 1))
  }
}
