import Dispatch
import DummyConnector
import Foundation
import HTTP
import Jobs
import LegacyAPI
import Logging
import SSH
import ScriptTemplates
import Shell
import SlurmConnector
import Synchronization
import Tokens

/// Why Weir cannot start, though its settings are right.
struct StartError: Error, CustomStringConvertible {
  let description: String
}

/// The running program: everything wired as the settings say.
struct Service {
  private let settings: Settings
  private let logger: Logger
  private let connector: any Connector
  private let jobs: JobService
  private let server: Server
  private let pool: ConnectionPool?

  init(_ settings: Settings) throws {
    self.settings = settings
    logger = Self.logger(settings.text("JARVICE_SCHED_LOGLEVEL"))
    let directory = settings.text("WEIR_STATE_DIR")
    let store: JobStore
    do { store = try JobStore(directory: directory) } catch {
      throw StartError(description: "WEIR_STATE_DIR: the job store in \(directory) cannot be opened: \(error)")
    }
    (connector, pool) = Self.connector(settings, logger)
    let users = settings.users
    // The dummy needs no account on any machine.
    let isDummy = settings.connector == "dummy"
    let accountOf: LegacyAPI.AccountOf = { owner in isDummy ? owner : users.account(of: owner) }
    var configuration = Self.jobs(settings)
    configuration.adoption = Self.adoption(settings, accountOf)
    jobs = JobService(store: store, connector: connector, configuration: configuration, logger: logger)
    let api = LegacyAPI(
      service: jobs,
      authenticator: Authenticator(
        serviceKeys: settings.list("JARVICE_SCHED_SERVER_KEY"), verifier: settings.tokenVerifier, userClaim: "email",
        open: settings.text("WEIR_AUTH") == "none"),
      accountOf: accountOf, settings: Self.executor(settings), interactiveJobs: connector.runsInteractiveJobs,
      version: Weir.version)
    var router = Router()
    api.register(on: &router)
    var serving = ServerConfiguration()
    serving.bindAddress = settings.text("WEIR_BIND_ADDRESS")
    serving.port = settings.whole("WEIR_PORT")
    serving.limits = Self.limits(settings)
    server = Server(configuration: serving, router: router, logger: logger)
  }

  /// Serves until a signal says to end; then finishes what is under way.
  func run() async throws {
    let signals = EndSignals()
    do {
      try await jobs.start()
    } catch {
      throw StartError(description: "WEIR_STATE_DIR: the job store cannot be read: \(error)")
    }
    do { try server.start() } catch { throw StartError(description: "\(error)") }
    let address = settings.text("WEIR_BIND_ADDRESS")
    logger.notice(
      "listening on \(address.contains(":") ? "[\(address)]" : address):\(server.port)",
      metadata: ["version": "\(Weir.version)", "connector": "\(connector.name)"])
    CodePages.release()
    await signals.wait()
    logger.notice("ending: calls under way are finished")
    await server.drain(within: .seconds(20))
    await jobs.stop()
    await pool?.close()
  }

  private static func limits(_ settings: Settings) -> Limits {
    func seconds(_ name: String) -> Duration { .seconds(settings.whole(name)) }
    var limits = Limits()
    limits.requestLine = settings.whole("WEIR_HTTP_REQUEST_LINE")
    limits.headerBytes = settings.whole("WEIR_HTTP_HEADER_BYTES")
    limits.headerCount = settings.whole("WEIR_HTTP_HEADER_COUNT")
    limits.body = settings.whole("WEIR_HTTP_BODY_BYTES")
    limits.headerDeadline = seconds("WEIR_HTTP_HEADER_SECONDS")
    limits.bodyIdle = seconds("WEIR_HTTP_BODY_IDLE_SECONDS")
    limits.bodyRate = settings.whole("WEIR_HTTP_BODY_RATE")
    limits.keepAliveIdle = seconds("WEIR_HTTP_KEEP_ALIVE_SECONDS")
    limits.writeStall = seconds("WEIR_HTTP_WRITE_STALL_SECONDS")
    limits.linger = seconds("WEIR_HTTP_LINGER_SECONDS")
    limits.connections = settings.whole("WEIR_HTTP_CONNECTIONS")
    limits.pipelined = settings.whole("WEIR_HTTP_PIPELINED")
    return limits
  }

  private static func logger(_ level: String) -> Logger {
    LoggingSystem.bootstrap(StreamLogHandler.standardError(label:))
    var logger = Logger(label: "weir")
    logger.logLevel = ["10": .debug, "20": .info, "30": .warning, "40": .error][level] ?? .info
    return logger
  }

  private static func connector(_ settings: Settings, _ logger: Logger) -> (any Connector, ConnectionPool?) {
    guard settings.connector == "slurm" else {
      var configuration = DummyConnector.Configuration()
      configuration.runningTime = settings.whole("JARVICE_DUMMY_JOB_RUNNING_TIME")
      configuration.queuedTime = settings.whole("JARVICE_DUMMY_JOB_QUEUED_TIME")
      configuration.failingPercent = settings.whole("JARVICE_DUMMY_JOB_FAILING_PERCENT")
      configuration.interactive = settings.flag("JARVICE_DUMMY_JOBS_ARE_INTERACTIVE")
      return (DummyConnector(configuration: configuration), nil)
    }
    let knownHosts = settings.text("WEIR_SSH_KNOWN_HOSTS")
    let pool = ConnectionPool(
      hostKeys: knownHosts.isEmpty
        ? .trustOnFirstUse(path: settings.text("WEIR_STATE_DIR") + "/known_hosts") : .knownHosts(path: knownHosts),
      logger: logger)
    let observer = settings.text("JARVICE_SLURM_SSH_USER")
    let users = settings.users
    let observerKey = settings.observerKey
    let runner = SSHRunner(
      pool: pool, host: settings.text("JARVICE_SLURM_CLUSTER_ADDR"), port: settings.whole("JARVICE_SLURM_CLUSTER_PORT"),
      keys: { account in account == observer ? observerKey : users.key(of: account) })
    var configuration = SlurmConnector.Configuration(observer: observer)
    configuration.sbatchLimit = max(16, min(45, settings.whole("WEIR_SUBMIT_DEADLINE") - 10))
    configuration.scratchDirectory = directory(settings.text("JARVICE_JOB_SCRATCH_DIR"))
    return (SlurmConnector(runner: runner, configuration: configuration), pool)
  }

  private static func jobs(_ settings: Settings) -> JobService.Configuration {
    var configuration = JobService.Configuration()
    configuration.pollInterval = .seconds(settings.whole("WEIR_POLL_INTERVAL"))
    configuration.staleAfter = .seconds(settings.whole("WEIR_STALE_AFTER"))
    configuration.lostAfter = TimeInterval(settings.whole("WEIR_LOST_AFTER"))
    configuration.submitDeadline = TimeInterval(settings.whole("WEIR_SUBMIT_DEADLINE"))
    return configuration
  }

  /// Jobs on a cluster are adopted by marks made with the observer's key, which no user has and which outlives the
  /// store. Two Weirs for one cluster are told apart by the keys of their upstreams.
  private static func adoption(_ settings: Settings, _ accountOf: @escaping LegacyAPI.AccountOf) -> Adoption? {
    guard settings.connector == "slurm" else { return nil }
    let secret = [settings.text("JARVICE_SLURM_SSH_PKEY")] + settings.list("JARVICE_SCHED_SERVER_KEY")
    return Adoption(secret: Array(secret.joined(separator: "\n").utf8), accountOf: accountOf)
  }

  private static func executor(_ settings: Settings) -> ExecutorSettings {
    var executor = ExecutorSettings()
    executor.executor = settings.text("JARVICE_BAREMETAL_EXECUTOR")
    executor.systemRegistry = settings.text("JARVICE_SYSTEM_REGISTRY")
    executor.systemRepositoryBase = settings.text("JARVICE_SYSTEM_REPO_BASE")
    executor.imagesTag = settings.text("JARVICE_IMAGES_TAG")
    executor.systemCredentials = .init(
      username: settings.decoded("JARVICE_DOCKER_USERNAME"), password: settings.decoded("JARVICE_DOCKER_PASSWORD"))
    executor.localRegistry = settings.text("JARVICE_LOCAL_REGISTRY")
    executor.localRepositoryBase = settings.text("JARVICE_LOCAL_REPO_BASE")
    executor.proxyPort = Int(settings.text("JARVICE_REGISTRY_PROXY_PORT"))
    executor.proxyRepositories = settings.list("JARVICE_REGISTRY_PROXY_REPOS")
    executor.globalRegistries = settings.list("JARVICE_JOB_GLOBAL_REGISTRIES")
    // The script puts names right behind these two.
    executor.scratchDirectory = slashed(settings.text("JARVICE_JOB_SCRATCH_DIR"))
    executor.globalScratchDirectory = slashed(settings.text("JARVICE_JOB_GLOBAL_SCRATCH_DIR"))
    executor.singularityDirectory = settings.text("JARVICE_SINGULARITY_TMPDIR")
    executor.overlaySize = settings.whole("JARVICE_SINGULARITY_OVERLAY_SIZE")
    executor.verbose = settings.flag("JARVICE_SINGULARITY_VERBOSE")
    executor.httpProxy = settings.text("JARVICE_BAREMETAL_HTTP_PROXY")
    executor.httpsProxy = settings.text("JARVICE_BAREMETAL_HTTPS_PROXY")
    executor.noProxy = settings.text("JARVICE_BAREMETAL_NO_PROXY")
    return executor
  }

  /// A directory without the slash at its end.
  private static func directory(_ path: String) -> String {
    path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
  }
  private static func slashed(_ path: String) -> String { path.isEmpty || path.hasSuffix("/") ? path : path + "/" }
}

/// SIGTERM and SIGINT, waited for. A second one ends the program at once.
final class EndSignals: Sendable {
  private static let numbers = [SIGTERM, SIGINT]

  /// Keeps the signals pending until somebody waits for them. A Dispatch source reads them from a signalfd(2), which it
  /// sets up some time after it was activated: a signal that is only ignored until then would be lost.
  static func block() {
    var signals = sigset_t()
    sigemptyset(&signals)
    for number in numbers { sigaddset(&signals, number) }
    pthread_sigmask(SIG_BLOCK, &signals, nil)
  }

  private let stream: AsyncStream<Void>
  /// Kept so that they go on; nobody touches them.
  private nonisolated(unsafe) let sources: [any DispatchSourceSignal]

  init() {
    let (stream, continuation) = AsyncStream<Void>.makeStream()
    self.stream = stream
    sources = Self.numbers.map { number in
      let source = DispatchSource.makeSignalSource(signal: number)
      let seen = Mutex(false)
      source.setEventHandler { @Sendable in
        let second = seen.withLock { seen in
          defer { seen = true }
          return seen
        }
        if second { _exit(130) }
        continuation.yield()
      }
      source.activate()
      return source
    }
  }

  func wait() async {
    for await _ in stream { return }
  }
}
