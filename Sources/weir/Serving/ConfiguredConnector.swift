import Access
import ConnectorAPI
import DummyConnector
import Foundation
import GPUConnector
import Logging
import SSH
import Shell
import SlurmConnector

/// The connector that the settings name, with the SSH connections that it uses.
package struct ConfiguredConnector {
  package let connector: any Connector
  /// Nil for a connector that uses none.
  let pool: ConnectionPool?

  init(_ settings: Settings, _ users: UserDirectory, _ logger: Logger) throws {
    switch settings.connector {
    case .slurm:
      let pool = Self.pool(settings, file: settings.text("WEIR_USERS_FILE"), logger)
      (connector, self.pool) = (Self.slurm(settings, users, pool), pool)
    case .gpu:
      let pool = Self.pool(settings, file: settings.text("WEIR_SERVERS_FILE"), logger)
      let place = GPUConnector.Place.servers(
        path: settings.text("WEIR_SERVERS_FILE"), readKey: settings.readKey, connections: SSHServers(pool: pool))
      (connector, self.pool) = (try Self.gpu(settings, place, logger), pool)
    case .local:
      let place = GPUConnector.Place.thisMachine(
        root: settings.text("WEIR_STATE_DIR") + "/local", gpus: Int(settings.text("WEIR_LOCAL_GPUS")))
      (connector, pool) = (try Self.gpu(settings, place, logger), nil)
    case .dummy:
      var configuration = DummyConnector.Configuration()
      configuration.runningTime = settings.whole("JARVICE_DUMMY_JOB_RUNNING_TIME")
      configuration.queuedTime = settings.whole("JARVICE_DUMMY_JOB_QUEUED_TIME")
      configuration.failingPercent = settings.whole("JARVICE_DUMMY_JOB_FAILING_PERCENT")
      configuration.interactive = settings.flag("JARVICE_DUMMY_JOBS_ARE_INTERACTIVE")
      (connector, pool) = (DummyConnector(configuration: configuration), nil)
    }
  }

  /// The connector of some settings by itself, without a service.
  /// - Throws: ``SettingsError`` or ``StartError`` with what is wrong.
  package static func alone(environment: [String: String], logger: Logger) throws -> any Connector {
    let settings = try Settings(environment: environment)
    let users = UserDirectory(settings.userDirectory, users: settings.users, logger: logger)
    return try ConfiguredConnector(settings, users, logger).connector
  }

  /// - Parameter file: the file whose change makes the pool offer refused keys again.
  private static func pool(_ settings: Settings, file: String, _ logger: Logger) -> ConnectionPool {
    let knownHosts = settings.text("WEIR_SSH_KNOWN_HOSTS")
    var configuration = PoolConfiguration()
    // The users file may be missing, and `touch` would make an empty one.
    let touch = FileManager.default.fileExists(atPath: file) ? "run `touch \(ShellQuoting.quote(file))` or " : ""
    configuration.retryHint = "then \(touch)send SIGHUP to Weir: it does not offer a refused key again before"
    return ConnectionPool(
      hostKeys: knownHosts.isEmpty
        ? .trustOnFirstUse(path: settings.text("WEIR_STATE_DIR") + "/known_hosts") : .knownHosts(path: knownHosts),
      configuration: configuration, logger: logger)
  }

  private static func slurm(_ settings: Settings, _ users: UserDirectory, _ pool: ConnectionPool) -> SlurmConnector {
    let runner = SSHRunner(
      pool: pool, host: settings.text("JARVICE_SLURM_CLUSTER_ADDR"), port: settings.whole("JARVICE_SLURM_CLUSTER_PORT"),
      keys: { account in users.key(of: account) })
    var configuration = SlurmConnector.Configuration(observer: settings.text("JARVICE_SLURM_SSH_USER"))
    configuration.heldBack = ConnectionPool.longestSilence
    configuration.fit(submitDeadline: settings.whole("WEIR_SUBMIT_DEADLINE"))
    configuration.scratchDirectory = directory(settings.text("JARVICE_JOB_SCRATCH_DIR"))
    return SlurmConnector(runner: runner, configuration: configuration)
  }

  private static func gpu(
    _ settings: Settings, _ place: GPUConnector.Place, _ logger: Logger
  ) throws -> GPUConnector {
    var configuration = GPUConnector.Configuration()
    configuration.sweepInterval = .seconds(settings.whole("WEIR_POLL_INTERVAL"))
    configuration.grace = .seconds(settings.whole("WEIR_CANCEL_GRACE"))
    configuration.lostAfter = .seconds(settings.whole("WEIR_LOST_AFTER"))
    configuration.owner = try RootOwner(stateDirectory: settings.text("WEIR_STATE_DIR"))
    do { return try GPUConnector(place, configuration: configuration, logger: logger) } catch {
      throw StartError(description: "WEIR_SERVERS_FILE: \(error)")
    }
  }

  /// A directory without the slash at its end.
  private static func directory(_ path: String) -> String {
    path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
  }
}
