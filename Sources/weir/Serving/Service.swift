import Access
import Callers
import ConnectorAPI
import Dispatch
import DummyConnector
import Foundation
import GPUConnector
import HTTP
import JobEngine
import JobStoreSQLite
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
  /// The exit status: 78 (EX_CONFIG) where only another setting helps.
  var status: Int32 = 1
}

/// The running program: everything wired as the settings say.
struct Service {
  private let settings: Settings
  private let logger: Logger
  private let jobs: JobService
  private let router: Router
  private let gate: Gate
  private let pool: ConnectionPool?
  private let users: UserDirectory
  private let keySet: KeySetSource?
  private let keyFiles: KeyFiles?
  private let reloader: Reloader

  /// Serves until a signal says to end; then finishes open requests. While another Weir has the state directory,
  /// waits as its standby.
  /// - Parameter environment: what the settings were read from.
  static func run(_ settings: Settings, environment: [String: String]) async throws {
    let log = LogLines.bootstrap(
      form: .init(rawValue: settings.text("WEIR_LOG_FORMAT")) ?? .plain,
      metadataProvider: .init { RequestContext.requestID.map { ["request-id": "\($0)"] } ?? [:] })
    defer { log.flush() }
    let logger = logger(settings.text("JARVICE_SCHED_LOGLEVEL"))
    for sentence in settings.unknown + settings.warnings { logger.warning("\(sentence)") }
    let signals = Signals()
    let authenticator = Authenticator(
      serviceKeys: settings.list("JARVICE_SCHED_SERVER_KEY"), verifier: nil,
      userClaim: "", open: settings.text("WEIR_AUTH") == "none")
    let standby = Standby(
      directory: settings.text("WEIR_STATE_DIR"), outputLimit: settings.whole("WEIR_OUTPUT_BYTES"),
      configuration: server(settings, logger), gate: Gate(authenticator: authenticator, logger: logger), logger: logger)
    guard let (store, lock) = try await standby.open(until: signals) else { return }
    // The lock lives as long as this value.
    defer { withExtendedLifetime(lock) {} }
    try await Service(settings, environment: environment, store: store, logger: logger).run(
      until: signals, after: standby)
  }

  private init(_ settings: Settings, environment: [String: String], store: SQLiteJobStore, logger: Logger) throws {
    self.settings = settings
    self.logger = logger
    let verifier: TokenVerifier?
    do { (verifier, keySet) = try settings.tokens?.makeVerifier(logger: logger) ?? (nil, nil) } catch {
      throw StartError(description: "the token keys cannot be used: \(error)")
    }
    let keyFiles = verifier.map { KeyFiles(settings.tokens?.paths ?? [], verifier: $0, logger: logger) }
    self.keyFiles = keyFiles
    let users = UserDirectory(settings.userDirectory, users: settings.users, logger: logger)
    self.users = users
    let configured = try ConfiguredConnector(settings, users, logger)
    let connector = configured.connector
    pool = configured.pool
    // The other connectors choose the account of a job by its place, or have none.
    let accountOf: LegacyAPI.AccountOf =
      switch settings.connector {
      case .slurm: { owner in users.account(of: owner) }
      case .gpu, .local, .dummy: { owner in owner }
      }
    var configuration = Self.jobs(settings)
    configuration.recoveryKey = Self.recoveryKey(settings, accountOf)
    jobs = JobService(store: store, connector: connector, configuration: configuration, logger: logger)
    let authenticator = Authenticator(
      serviceKeys: settings.list("JARVICE_SCHED_SERVER_KEY"), verifier: verifier,
      userClaim: settings.text("WEIR_USER_CLAIM"), adminClaim: Settings.claim(settings.text("WEIR_ADMIN_CLAIM")),
      open: settings.text("WEIR_AUTH") == "none")
    gate = Gate(authenticator: authenticator, load: Load(limits: Self.load(settings)), logger: logger)
    let reloader = Reloader(settings, environment: environment, logger: logger) { [connector, pool] settings in
      authenticator.replaceServiceKeys(by: settings.list("JARVICE_SCHED_SERVER_KEY"))
      users.replace(settings.userDirectory, users: settings.users)
      keyFiles?.refresh(always: true)
      (connector as? GPUConnector)?.reload(readKey: settings.readKey)
      pool?.retryLogins()
    }
    self.reloader = reloader
    let api = LegacyAPI(
      service: jobs, gate: gate, accountOf: accountOf,
      settings: Self.executor(reloader.settings), interactiveJobs: connector.has(.interactive), version: Weir.version,
      vaultRoots: settings.list("WEIR_VAULT_ROOTS"), submitBytes: settings.whole("WEIR_SUBMIT_BYTES"),
      warnings: {
        reloader.warnings + [users.warning, keyFiles?.warning].compactMap { $0 } + (verifier?.warnings ?? [])
      })
    var router = Router()
    api.register(on: &router)
    Metrics(jobs: jobs, gate: gate, pool: pool).register(on: &router)
    self.router = router
  }

  private func run(until signals: Signals, after standby: Standby) async throws {
    do {
      try await jobs.start()
    } catch {
      throw StartError(description: "WEIR_STATE_DIR: the job store cannot be read: \(error)")
    }
    await keySet?.start()
    keyFiles?.watch()
    users.watch { [pool] in pool?.retryLogins() }
    reloader.watch()
    signals.whenHungUp { [reloader] in reloader.reload() }
    let server = try await listen(after: standby, until: signals)
    let address = settings.text("WEIR_BIND_ADDRESS")
    logger.notice(
      "listening on \(address.contains(":") ? "[\(address)]" : address):\(server.port)",
      metadata: ["version": "\(Weir.version)", "connector": "\(settings.connector.rawValue)"])
    CodePages.release()
    await signals.wait()
    logger.notice("shutting down: draining requests")
    await server.drain(within: .seconds(20))
    keySet?.stop()
    await jobs.stop()
    await pool?.close()
  }

  /// Answers requests: on the port of the standby, which has stayed open, or on one of its own.
  private func listen(after standby: Standby, until signals: Signals) async throws -> Server {
    let sender: @Sendable (Request) -> RequestSender = { [gate] in gate.sender(of: $0) }
    if let server = standby.handOver() {
      await server.replace(router: router, sender: sender)
      return server
    }
    var configuration = Self.server(settings, logger)
    configuration.sender = sender
    let server = Server(configuration: configuration, router: router, logger: logger)
    do { try await server.start(logger: logger) { signals.came } } catch {
      throw StartError(listening: error, on: configuration.bindAddress)
    }
    return server
  }

  private static func server(_ settings: Settings, _ logger: Logger) -> ServerConfiguration {
    var configuration = ServerConfiguration()
    configuration.bindAddress = settings.text("WEIR_BIND_ADDRESS")
    configuration.port = settings.whole("WEIR_PORT")
    configuration.limits = limits(settings)
    configuration.accessLog = { record in Self.log(record, logger) }
    configuration.logsQuietRoutes = logger.logLevel <= .debug
    return configuration
  }

  /// One line for each request: its caller, call, job and outcome.
  private static func log(_ record: AccessRecord, _ logger: Logger) {
    let level = record.isQuiet ? Logger.Level.debug : .info
    guard logger.logLevel <= level else { return }
    var metadata: Logger.Metadata = [
      "request-id": "\(record.requestID)", "method": "\(record.method)", "path": "\(record.path)",
      "status": .stringConvertible(record.status),
      "ms": .stringConvertible((record.milliseconds * 1000).rounded() / 1000),
      "bytes": .stringConvertible(record.bytesSent), "address": "\(record.remoteAddress)",
    ]
    if let route = record.route { metadata["route"] = "\(route)" }
    if let caller = record.caller { metadata["caller"] = "\(caller)" }
    if let job = record.jobID { metadata["job"] = "\(job)" }
    if let code = record.code { metadata["code"] = "\(code)" }
    if let detail = record.detail { metadata["reason"] = "\(detail)" }
    if record.isCutOff { metadata["cut-off"] = "true" }
    logger.log(level: level, "request", metadata: metadata)
  }

  static func limits(_ settings: Settings) -> Limits {
    func seconds(_ name: String) -> Duration { .seconds(settings.whole(name)) }
    var limits = Limits()
    limits.requestLine = settings.whole("WEIR_HTTP_REQUEST_LINE")
    limits.headerBytes = settings.whole("WEIR_HTTP_HEADER_BYTES")
    limits.headerCount = settings.whole("WEIR_HTTP_HEADER_COUNT")
    limits.body = settings.whole("WEIR_HTTP_BODY_BYTES")
    limits.unfinishedBodies = settings.whole("WEIR_HTTP_UNFINISHED_BODIES")
    limits.headerDeadline = seconds("WEIR_HTTP_HEADER_SECONDS")
    limits.bodyIdle = seconds("WEIR_HTTP_BODY_IDLE_SECONDS")
    limits.bodyRate = settings.whole("WEIR_HTTP_BODY_RATE")
    limits.keepAliveIdle = seconds("WEIR_HTTP_KEEP_ALIVE_SECONDS")
    limits.writeStall = seconds("WEIR_HTTP_WRITE_STALL_SECONDS")
    limits.tunnelIdle = seconds("WEIR_HTTP_TUNNEL_IDLE_SECONDS")
    limits.linger = seconds("WEIR_HTTP_LINGER_SECONDS")
    limits.connections = settings.whole("WEIR_HTTP_CONNECTIONS")
    limits.pipelined = settings.whole("WEIR_HTTP_PIPELINED")
    return limits
  }

  private static func load(_ settings: Settings) -> LoadLimits {
    var limits = LoadLimits()
    limits.requests = settings.whole("WEIR_REQUESTS")
    limits.requestsOfCaller = settings.whole("WEIR_REQUESTS_PER_OWNER")
    limits.answerBytes = settings.whole("WEIR_ANSWER_BYTES")
    limits.answerBytesOfCaller = settings.whole("WEIR_ANSWER_BYTES_PER_OWNER")
    return limits
  }

  private static func logger(_ level: String) -> Logger {
    var logger = Logger(label: "weir")
    logger.logLevel = ["10": .debug, "20": .info, "30": .warning, "40": .error][level] ?? .info
    return logger
  }

  private static func jobs(_ settings: Settings) -> JobService.Configuration {
    var configuration = JobService.Configuration()
    configuration.pollInterval = .seconds(settings.whole("WEIR_POLL_INTERVAL"))
    configuration.staleAfter = .seconds(settings.whole("WEIR_STALE_AFTER"))
    configuration.lostAfter = TimeInterval(settings.whole("WEIR_LOST_AFTER"))
    configuration.stuckAfter = min(configuration.stuckAfter, .seconds(configuration.lostAfter))
    configuration.submitDeadline = TimeInterval(settings.whole("WEIR_SUBMIT_DEADLINE"))
    configuration.keepOutput = TimeInterval(settings.whole("WEIR_KEEP_OUTPUT"))
    configuration.unclaimedOutput = JobService.Configuration.unclaimedOutput(keeping: configuration.keepOutput)
    configuration.keepFiles = TimeInterval(settings.whole("WEIR_KEEP_FILES"))
    configuration.keepJobs = TimeInterval(settings.whole("WEIR_KEEP_JOBS"))
    configuration.ownerLimits.waitingJobs = settings.whole("WEIR_OWNER_WAITING_JOBS")
    configuration.ownerLimits.bytes = settings.whole("WEIR_OWNER_BYTES")
    configuration.ownerLimits.keys = settings.whole("WEIR_OWNER_IDEMPOTENCY_KEYS")
    configuration.ownerLimits.keysPerJob = settings.whole("WEIR_JOB_IDEMPOTENCY_KEYS")
    configuration.ownerLimits.keyAge = TimeInterval(settings.whole("WEIR_IDEMPOTENCY_SECONDS"))
    return configuration
  }

  /// Jobs are recovered by their tags. These are sealed with secrets that no user has and that outlive the store: the key of
  /// the polling account for jobs on a cluster, and the service keys. The service keys distinguish two Weirs of one cluster.
  private static func recoveryKey(_ settings: Settings, _ accountOf: @escaping LegacyAPI.AccountOf) -> RecoveryKey? {
    var secret = settings.list("JARVICE_SCHED_SERVER_KEY")
    switch settings.connector {
    case .dummy: return nil
    case .slurm: secret.insert(settings.text("JARVICE_SLURM_SSH_PKEY"), at: 0)
    case .gpu, .local: if secret.isEmpty { return nil }
    }
    return RecoveryKey(secret: Array(secret.joined(separator: "\n").utf8), accountOf: accountOf)
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
    executor.sharesSecrets = settings.text("WEIR_SITE_SECRETS") == "everybody"
    return executor
  }

  private static func slashed(_ path: String) -> String { path.isEmpty || path.hasSuffix("/") ? path : path + "/" }
}
