import Callers
import Foundation
import HTTP
import JSON
import JobEngine
import JobModel
import Synchronization

/// The endpoints that the upstream platform calls, in the forms that it knows.
///
/// Calls that what was last observed can answer are answered on the connection's own loop.
public struct LegacyAPI: Sendable {
  /// The account on the machines of an owner; nil when the site maps it to none.
  public typealias AccountOf = @Sendable (_ owner: String) -> String?

  let service: JobService
  let gate: Gate
  let accountOf: AccountOf
  let settings: @Sendable () -> ExecutorSettings
  let interactiveJobs: Bool
  let version: String
  /// What administrators should know beside what the service says, a sentence each.
  let warnings: @Sendable () -> [String]
  /// The directories below which the cluster's directories may be listed; absolute.
  let vaultRoots: [String]
  /// The most bytes of a body of /submit.
  let submitBytes: Int
  private let lists = ListCache()
  /// Reading a large submission takes its time, and several times its size for a moment.
  private let usersWork = HeavyWork()
  private let servicesWork = HeavyWork()
  let lengths = AnswerLengths()
  /// The output of a job is taken from the backend as a whole.
  private let usersOutput = Turns(most: 8, ofOne: 2)
  private let servicesOutput = Turns(most: 16, ofOne: 4)

  public init(
    service: JobService, gate: Gate, accountOf: @escaping AccountOf,
    settings: @autoclosure @escaping @Sendable () -> ExecutorSettings,
    interactiveJobs: Bool, version: String, vaultRoots: [String] = [], submitBytes: Int = 8 << 20,
    warnings: @escaping @Sendable () -> [String] = { [] }
  ) {
    self.service = service
    self.gate = gate
    self.accountOf = accountOf
    self.settings = settings
    self.interactiveJobs = interactiveJobs
    self.version = version
    self.warnings = warnings
    self.vaultRoots = vaultRoots
    self.submitBytes = submitBytes
  }

  /// Adds the endpoints to a router.
  public func register(on router: inout Router) {
    let alive = json(.object(["status": "OK"]))
    router.on("GET", "/live", isQuiet: true) { _ in .now(alive) }
    router.on("GET", "/ready", isQuiet: true, ready)
    on(&router, ["GET"], "/gc") { _, _ in .now(reachable()) }
    on(&router, ["GET"], "/nodes") { _, _ in .now(.text("true", contentType: "text/html; charset=utf-8")) }
    on(&router, ["POST"], "/online") { _, _ in .now(json(true)) }
    on(&router, ["GET"], "/queued") { _, caller in .now(try list(.queued, caller)) }
    on(&router, ["GET"], "/running") { _, caller in .now(try list(.running, caller)) }
    on(&router, ["POST"], "/submit", bodyLimit: submitBytes, submit)
    on(&router, ["POST"], "/runstatus", runStatus)
    on(&router, ["POST"], "/exitstatus", withJob { try await exitStatus(of: $0, $1) })
    on(&router, ["POST"], "/terminate", withJob { try await terminate($0, $1) })
    on(
      &router, ["POST"], "/release",
      withJob { job, caller in
        try await service.release(job, actor: caller.name)
        return json(true)
      })
    on(&router, ["POST"], "/events", withJob { job, _ in json(.string(try await events(of: job))) })
    on(&router, ["GET", "POST"], "/request/pvcls", listDirectory)
    on(&router, ["GET", "POST"], "/request/{name}/{number}/{jobid}/{method}", request)
  }

  /// Bytes of a body that names a job or a path; it is read on the connection's loop, so it has to be small.
  private static let smallBody = 65_536

  /// A handler for callers that were authenticated.
  typealias CallerHandler = Gate.CallerHandler

  private func on(
    _ router: inout Router, _ methods: [String], _ pattern: String, bodyLimit: Int = Self.smallBody,
    _ handler: @escaping CallerHandler
  ) {
    let told: CallerHandler = { request, caller in
      do {
        let answer = try handler(request, caller)
        guard case .later(let operation) = answer else { return answer }
        return .later {
          do { return try await operation() } catch { throw HTTPError(error, for: caller) }
        }
      } catch { throw HTTPError(error, for: caller) }
    }
    for method in methods {
      router.on(method, pattern, bodyLimit: bodyLimit) { try gate.admit($0, told) }
    }
  }

  // MARK: The service itself

  /// Open to everybody, for probes. Wrong credentials count as they do elsewhere, and get what is answered without any.
  private func ready(_ request: Request) throws -> Answer {
    guard request.headers["Authorization"] != nil || gate.authenticator.isOpen else { return .now(ready(for: nil)) }
    let answer = try gate.admit(request) { _, caller in .now(ready(for: caller)) }
    guard case .later(let operation) = answer else { return answer }
    return .later { (try? await operation()) ?? ready(for: nil) }
  }

  /// Warnings and reasons name users, accounts, hosts and files: they are for those who see all jobs.
  private func ready(for caller: Caller?) -> Response {
    var answer: [String: JSONText.Value] = ["status": "OK", "version": .string(version)]
    let seesAll = caller.map(\.seesAllJobs) == true
    let reasons = [service.trouble, service.storeTrouble].compactMap { $0 }
    // A reason may hold a warning as it is: of servers that all fail, each is in both.
    var warnings = (service.warnings + warnings()).filter { warning in !reasons.contains { $0.contains(warning) } }
    if !seesAll, !warnings.isEmpty {
      let count = "\(warnings.count) warning\(warnings.count == 1 ? "" : "s")"
      warnings = ["\(count); only the service and administrators can see the details"]
    }
    if !warnings.isEmpty { answer["warnings"] = .array(warnings.map { .string($0) }) }
    if reasons.isEmpty { return json(.object(answer)) }
    answer["status"] = "BAD"
    answer["reasons"] = .array(seesAll ? reasons.map { .string($0) } : ["unavailable"])
    return json(.object(answer), 503)
  }

  /// What the upstream asks before it collects garbage; from what was observed last.
  private func reachable() -> Response {
    service.trouble == nil ? json(.object(["status": "OK"])) : json(.object(["status": "BAD"]), 500)
  }

  // MARK: Lists

  private func list(_ list: JobList, _ caller: Caller) throws -> Response {
    if case .user(let owner) = caller { return json(rows(try service.list(list, owner: owner).jobs)) }
    let generation = try service.generation()
    if let bytes = lists.bytes(of: list, at: generation) { return .json(bytes) }
    let current = try service.list(list)
    let bytes = JSONText.encode(rows(current.jobs))
    lists.keep(bytes, of: list, at: current.generation)
    return .json(bytes)
  }

  private func rows(_ jobs: [JobService.Listed]) -> JSONText.Value {
    .array(jobs.map { [.string($0.name), .string($0.id)] })
  }

  /// Where large work for a caller is done: that of users holds up nothing of the service's.
  func heavyWork(of caller: Caller) -> HeavyWork {
    switch caller {
    case .service, .anybody: servicesWork
    case .admin, .user: usersWork
    }
  }

  /// Reads a job's output from the backend when it is its turn: few at once for one user, and for the service few of one
  /// machine or account, so that one that does not answer holds up no other.
  func readingOutput<Output>(
    of job: Job, _ caller: Caller, _ read: () async throws -> Output
  ) async rethrows -> Output {
    switch caller {
    case .service, .anybody: try await servicesOutput.run(job.nodes.first ?? job.account, read)
    case .admin, .user: try await usersOutput.run(caller.name, read)
    }
  }

  // MARK: Submitting

  private func submit(_ request: Request, caller: Caller) throws -> Answer {
    // Off the loop: a script may be large.
    later {
      let arguments = try await reading(request, of: caller) { try Arguments(request) }
      let owner = try await owner(of: arguments, caller, request)
      // It counts as that of the user whom it is for, who has one already if it is the caller.
      let share = caller == .service ? try gate.share(for: owner) : nil
      defer { withExtendedLifetime(share) {} }
      let submission = try await reading(request, of: caller) {
        try self.submission(arguments, for: owner, by: caller)
      }
      let room = try roomForAnswer(to: submission, caller)
      let receipt = try await service.submit(
        submission, actor: caller.name, idempotencyKey: try idempotencyKey(of: request, caller))
      request.note(jobID: receipt.backendID)
      return try await answer(to: receipt, caller, in: room)
    }
  }

  /// Reads something of a request; of a large one where that holds up nobody.
  private func reading<Part: Sendable>(
    _ request: Request, of caller: Caller, _ body: @escaping @Sendable () throws -> Part
  ) async throws -> Part {
    request.body.count <= Self.smallBody ? try body() : try await heavyWork(of: caller).run(caller.name, body)
  }

  /// The header Idempotency-Key. A caller's keys are its own: no user's name is taken for the service's.
  private func idempotencyKey(of request: Request, _ caller: Caller) throws -> IdempotencyKey? {
    guard let text = request.headers["Idempotency-Key"] else { return nil }
    let scope: String
    switch caller {
    case .service, .anybody: scope = caller.name
    case .admin(let name), .user(let name): scope = "user " + name
    }
    guard let key = IdempotencyKey(caller: scope, key: text) else {
      throw HTTPError(
        .init(400), code: "idempotency_key_wrong", "the header Idempotency-Key is invalid",
        hint: "send 1 to 255 visible ASCII characters, a UUID for example")
    }
    return key
  }

  private func submission(_ arguments: Arguments, for owner: String, by caller: Caller) throws -> JobSpec {
    guard let account = accountOf(owner) else { throw userNotMapped(owner) }
    let settings = settings(for: caller)
    guard case .string(let encoded) = try arguments.object("hpc_script")[settings.executor] else {
      throw HTTPError(
        .init(422), code: "submission_wrong", "hpc_script: expected a script for the executor '\(settings.executor)'"
      )
    }
    guard FieldRule.script.accepts(encoded) else {
      throw UpstreamScript.wrong("hpc_script", "expected \(FieldRule.script.rule.expected)")
    }
    return try UpstreamScript(base64: encoded).submission(
      name: arguments.text(.name), number: arguments.whole(.number), nodes: arguments.whole(.nodes),
      held: arguments.flag(.held), owner: owner, account: account, settings: settings,
      interactiveJobs: interactiveJobs)
  }

  /// The site's own credentials are for the scripts that the service sends: a user's script could send them anywhere.
  private func settings(for caller: Caller) -> ExecutorSettings {
    let settings = settings()
    return switch caller {
    case .service, .anybody: settings
    case .admin, .user: settings.sharesSecrets ? settings : settings.withoutSecrets
    }
  }

  func userNotMapped(_ owner: String) -> HTTPError {
    HTTPError(
      .init(403), code: "user_not_mapped", "no account on the cluster belongs to \(owner)",
      hint: "the administrator must add \(owner) to the users file, or correct the entry there")
  }

  /// Whom the job is for: the user that the bearer token in the arguments names.
  private func owner(of arguments: Arguments, _ caller: Caller, _ request: Request) async throws -> String {
    guard gate.authenticator.checksTokens else { return caller.name }
    let owner = try await gate.owner(ofBearer: arguments.string("bearer"), from: caller, of: request)
    guard caller.mayAccess(jobsOf: owner) else {
      throw HTTPError(.init(403), code: "forbidden", "the bearer token names another user than the caller")
    }
    return owner
  }

  // MARK: One job

  private func runStatus(_ request: Request, caller: Caller) throws -> Answer {
    let (key, id) = try reference(in: request)
    if let job = service.recent(key) { return .now(runStatus(of: job, id, caller)) }
    return later {
      runStatus(of: try await find(key, id, caller), id, caller)
    }
  }

  private func runStatus(of job: Job?, _ id: String, _ caller: Caller) -> Response {
    guard let job, known(job, by: id, to: caller) else { return json([.null, .null, .null, .null]) }
    return json([
      .array(job.nodes.map { .string($0) }), .string(clock(service.elapsed(of: job))),
      .string("\(job.key)/\(id)"), .null,
    ])
  }

  private func terminate(_ job: Job, _ caller: Caller) async throws -> Response {
    try await service.cancel(job, actor: caller.name)
    return json(true)
  }

  private func request(_ request: Request, caller: Caller) throws -> Answer {
    let path = request.parameters
    guard let name = path["name"], FieldRule.pathName.accepts(name),
      let number = path["number"], FieldRule.pathNumber.accepts(number), let number = Int(number),
      let id = path["jobid"], FieldRule.pathJobID.accepts(id)
    else { throw unknownJob("\(path["name"] ?? "")/\(path["number"] ?? "")/\(path["jobid"] ?? "")") }
    request.note(jobID: id)
    let method = path["method"] ?? ""
    let lines = try argument(.tailLines, of: request).flatMap { Int($0) } ?? 100
    return later {
      let job = try await job(JobKey(name: name, number: number), id, caller)
      switch method {
      case "ping", "connect": return .text("", contentType: "text/html; charset=utf-8")
      case "info":
        let url = service.url(of: job) ?? ""
        return json(.object(["about": "", "actions": .object([:]), "help": "", "url": .string(url)]))
      case "tail":
        return try await tail(of: job, lines: min(max(1, lines), 10_000), caller)
      case "shutdown", "abort": return try await terminate(job, caller)
      default:
        throw HTTPError(
          .init(404), code: "unknown_method", "there is no method '\(method)'", hint: FieldRule.method.rule.expected)
      }
    }
  }

  /// An argument of a request: in the form's `qs`, or in the address. Nil when it is absent or empty.
  func argument(_ field: FieldRule, of request: Request) throws -> String? {
    let value: String?
    if let pair = request.query.first(where: { $0.name == field.name }) {
      value = pair.value
    } else {
      value = request.body.isEmpty ? nil : try Arguments(request).query(field)
    }
    guard let value, !value.isEmpty else { return nil }
    guard field.accepts(value) else { throw field.refusal() }
    return value
  }

  // MARK: Finding a job

  private func withJob(_ body: @escaping @Sendable (Job, Caller) async throws -> Response) -> CallerHandler {
    { request, caller in
      let (key, id) = try reference(in: request)
      return later { try await body(try await job(key, id, caller), caller) }
    }
  }

  private func reference(in request: Request) throws -> (JobKey, id: String) {
    let arguments = try Arguments(request)
    let key = JobKey(name: try arguments.text(.name), number: try arguments.whole(.number))
    let id = try arguments.identifier(.jobID)
    request.note(jobID: id)
    return (key, id)
  }

  private func job(_ key: JobKey, _ id: String, _ caller: Caller) async throws -> Job {
    guard let job = try await find(key, id, caller), known(job, by: id, to: caller) else {
      throw unknownJob("\(key)/\(id)")
    }
    return job
  }

  /// The job of that name and number. Of one that the store does not know the backend is asked only for those who see all
  /// jobs: a user gets the same answer, at the same cost, for jobs of others and for jobs that do not exist.
  private func find(_ key: JobKey, _ id: String, _ caller: Caller) async throws -> Job? {
    try await service.find(key, backendID: id, recovers: caller.seesAllJobs)
  }

  /// Whether a caller knows a job by an id. Of others' jobs it knows none.
  private func known(_ job: Job, by id: String, to caller: Caller) -> Bool {
    (job.backendID == id || job.id.rawValue == id) && caller.mayAccess(jobsOf: job.owner)
  }

  private func unknownJob(_ name: String) -> HTTPError {
    HTTPError(.init(404), code: "unknown_job", "there is no job \(name)")
  }

  func later(_ body: @escaping @Sendable () async throws -> Response) -> Answer { .later(body) }
}

/// The encoded lists, kept until a job changes.
private final class ListCache: Sendable {
  private let kept = Mutex<[JobList: (generation: UInt64, bytes: [UInt8])]>([:])

  func bytes(of list: JobList, at generation: UInt64) -> [UInt8]? {
    kept.withLock { kept in kept[list].flatMap { $0.generation == generation ? $0.bytes : nil } }
  }

  func keep(_ bytes: [UInt8], of list: JobList, at generation: UInt64) {
    kept.withLock { $0[list] = (generation, bytes) }
  }
}

func json(_ value: JSONText.Value, _ status: Int = 200) -> Response {
  .json(JSONText.encode(value), status: .init(status))
}

/// Seconds as HH:MM:SS; hours may pass 24.
func clock(_ seconds: Int) -> String {
  func two(_ number: Int) -> String { number < 10 ? "0\(number)" : String(number) }
  let seconds = max(0, seconds)
  return "\(two(seconds / 3600)):\(two(seconds / 60 % 60)):\(two(seconds % 60))"
}
