import Logging
import Support

/// The record of commands: one line on the log for each that was started, without what it was given on standard input
/// and in its environment.
package struct CommandRecord {
  let logger: Logger
  let host: String
  let account: String
  let purpose: CommandPurpose
  private let start = ContinuousClock.now

  package init(logger: Logger, host: String, account: String, purpose: CommandPurpose) {
    self.logger = logger
    self.host = host
    self.account = account
    self.purpose = purpose
  }

  package func log(_ command: Command, _ result: CommandResult) {
    log(command, exit: result.signal.map { "signal \($0)" } ?? "\(result.exitStatus)")
  }

  package func log(_ command: Command, exit: String) {
    logger.log(
      level: purpose == .action ? .info : .debug, "command",
      metadata: [
        "host": "\(host)", "user": "\(account)", "command": "\(command.summary)", "exit": "\(LogText.line(exit))",
        "ms": .stringConvertible((ContinuousClock.now - start).milliseconds),
      ])
  }
}
