import ConnectorAPI
import Shell

extension Command {
  /// A command whose words hold nothing that no command line can carry.
  package static func checked(
    _ arguments: [String], environment: [(String, String)] = [], startsJob: Bool = false
  ) throws(BackendError) -> Command {
    do { return try Command(arguments, environment: environment, startsJob: startsJob) } catch {
      throw .refused("\(error)")
    }
  }

  /// A script of the shell's with its arguments, likewise.
  package static func checkedScript(_ script: StaticString, _ arguments: [String], startsJob: Bool = false)
    throws(BackendError) -> Command
  {
    do { return try .script(script, arguments, startsJob: startsJob) } catch { throw .refused("\(error)") }
  }

  /// The same for a script that was not written down where it is used.
  package static func checkedScript(_ script: ScriptText, _ arguments: [String], startsJob: Bool = false)
    throws(BackendError) -> Command
  {
    do { return try .script(script, arguments, startsJob: startsJob) } catch { throw .refused("\(error)") }
  }
}
