import HTTP
import Logging
import Synchronization

/// Lets requests in whose sender is known, and refuses the others with 401.
///
/// Wrong credentials are counted, logged without themselves, and slowed by the address they come from. Right ones are
/// never slowed or refused, whatever else comes from their address: behind a proxy all addresses are one.
///
/// ```swift
/// router.on("GET", "/queued") { request in
///   try gate.admit(request) { request, caller in .now(list(for: caller)) }
/// }
/// ```
public final class Gate: Sendable {
  /// A handler for a caller that is known. It is called on the connection's loop, or in a task.
  public typealias CallerHandler = @Sendable (Request, Caller) throws -> Answer

  private struct State {
    var failures: [String: Int] = [:]
    var throttle = Throttle()
    var log = RefusalLog()
    /// Answers that wait, and the bytes of the bodies that their requests hold meanwhile.
    var delayed = 0
    var delayedBytes = 0
  }

  /// What becomes of a refusal.
  private enum Pace {
    case atOnce
    case after(Duration)
    /// Too many answers wait already.
    case tooMany
  }

  /// How many bytes of bodies may be held by requests whose answers wait.
  static let maximumDelayedBytes = 8 << 20

  public let authenticator: Authenticator
  private let callersLoad: Load
  private let logger: Logger
  private let maximumDelayed: Int
  /// The time since this was made.
  private let elapsed: @Sendable () -> Duration
  private let sleep: @Sendable (Duration) async -> Void
  private let state = Mutex(State())

  public convenience init(authenticator: Authenticator, load: Load = Load(), logger: Logger) {
    self.init(authenticator: authenticator, load: load, logger: logger, maximumDelayed: 1000, clock: ContinuousClock())
  }

  /// - Parameter maximumDelayed: how many answers may wait at once.
  init(
    authenticator: Authenticator, load: Load = Load(), logger: Logger, maximumDelayed: Int,
    clock: some Clock<Duration>
  ) {
    self.authenticator = authenticator
    callersLoad = load
    self.logger = logger
    self.maximumDelayed = maximumDelayed
    let start = clock.now
    elapsed = { start.duration(to: clock.now) }
    sleep = { try? await clock.sleep(for: $0) }
  }

  /// The refusals since the start, by ``Refusal/reason``.
  public var failures: [String: Int] { state.withLock { $0.failures } }

  /// How many networks are remembered for their failures, and how many answers wait.
  var load: (networks: Int, delayed: Int) { state.withLock { ($0.throttle.count, $0.delayed) } }

  /// Answers a request as `handler` does for its caller.
  ///
  /// A caller with a service key or a token verified before is known at once, on the connection's loop. Otherwise the
  /// credentials are checked off it, and then a handler that answers with an upgrade is answered 503: the connection
  /// cannot leave HTTP any more, but the same request sent again can.
  /// - Throws: what `handler` throws, or an ``HTTPError``.
  public func admit(_ request: Request, _ handler: @escaping CallerHandler) throws -> Answer {
    if authenticator.isOpen { try ForeignPage.refuse(request) }
    let fields = request.headers.values(of: "Authorization")
    if let caller = known(fields) {
      request.note(caller: caller.name)
      return try counted(handler(request, caller), of: caller)
    }
    return .later { [self] in
      let caller: Caller
      do throws(Refusal) {
        guard fields.count < 2 else { throw .repeated }
        caller = try await authenticator.caller(authorization: fields.first, isSuspect: isSuspect(request))
      } catch {
        throw await refused(error, request, isSlowed: error.isGuess)
      }
      request.note(caller: caller.name)
      return try await counted(handler(request, caller), of: caller).awaited()
    }
  }

  /// An answer that counts as its caller's until it is sent.
  ///
  /// A request that waits is counted before its handler works. What an answer holds is known only afterwards, and too much
  /// of that is refused: a handler that has changed something by then asks for the room before, with
  /// ``reserve(answerBytes:for:)``.
  private func counted(_ answer: Answer, of caller: Caller) throws(HTTPError) -> Answer {
    switch answer {
    case .now(let response): return .now(try response.counted(in: callersLoad, caller))
    case .later(let operation):
      let share = try callersLoad.begin(caller.loadName)
      return .later { try await operation().counted(in: share) }
    case .upgrade: return answer
    }
  }

  /// Counts a request for a user, of the one that makes it in his name.
  /// - Throws: 429 when too many requests of that user are in flight.
  public func share(for owner: String) throws(HTTPError) -> LoadShare {
    try callersLoad.begin(owner, isOfService: true)
  }

  /// Counts the bytes of an answer before there is one, for a handler that changes something: once that is done, a refusal
  /// would deny it. The share becomes the ``Response/lease`` of the answer, which is then not counted again.
  /// - Throws: 429 when too many bytes wait for that caller, 503 when too many wait in all.
  public func reserve(answerBytes: Int, for caller: Caller) throws(HTTPError) -> LoadShare {
    try callersLoad.reserve(answerBytes, caller.loadName)
  }

  /// Who sends a request, as far as that is known at once.
  public func sender(of request: Request) -> RequestSender {
    switch known(request.headers.values(of: "Authorization")) {
    case nil: .stranger
    case .service, .anybody: .trusted
    case .admin(let name), .user(let name): .known(name)
    }
  }

  private func known(_ fields: [String]) -> Caller? {
    fields.count < 2 ? authenticator.known(authorization: fields.first) : nil
  }

  /// The user whom a bearer token names that came in the arguments of a call rather than in its header.
  ///
  /// A wrong one counts as a failed attempt, but the service is not slowed for the tokens that it hands on.
  /// - Throws: 401 saying why the token is refused.
  public func owner(ofBearer token: String, from caller: Caller, of request: Request) async throws(HTTPError) -> String
  {
    do throws(Refusal) {
      return try await authenticator.owner(ofToken: token, isSuspect: caller != .service && isSuspect(request))
    } catch {
      var answer = await refused(error, request, isSlowed: caller != .service)
      answer.message = "bearer: \(answer.message)"
      guard answer.status == .unauthorized else { throw answer }
      answer.code = "bearer_refused"
      // The sender's own credentials are right: nobody should be asked for a password.
      answer.headers = ["WWW-Authenticate": bearerChallenge(error)]
      throw answer
    }
  }

  /// Whether credentials from that address were wrong so often that it is slowed.
  private func isSuspect(_ request: Request) -> Bool {
    let network = Network(remoteAddress: request.remoteAddress)
    let now = elapsed()
    return state.withLock { $0.throttle.isSlowing(network, at: now) }
  }

  // MARK: Refusing

  /// Counts and logs a refusal, waits as long as it is slowed, and gives the answer.
  private func refused(_ refusal: Refusal, _ request: Request, isSlowed: Bool) async -> HTTPError {
    if refusal == .busy {
      return HTTPError(
        .serviceUnavailable, code: "busy", refusal.description, hint: "send the same request again",
        headers: ["Retry-After": "1"])
    }
    switch note(refusal, request, isSlowed: isSlowed) {
    case .atOnce: break
    case .after(let delay):
      await sleep(delay)
      state.withLock { state in
        state.delayed -= 1
        state.delayedBytes -= request.body.count
      }
    case .tooMany:
      return HTTPError(
        .tooManyRequests, code: "too_many_failures", "\(refusal); too many other requests failed too",
        hint: "send valid credentials: Weir serves them without delay", headers: ["Retry-After": "2"])
    }
    return answer(to: refusal)
  }

  private func note(_ refusal: Refusal, _ request: Request, isSlowed: Bool) -> Pace {
    let network = Network(remoteAddress: request.remoteAddress)
    let now = elapsed()
    let (pace, line) = state.withLock { state in
      state.failures[refusal.reason, default: 0] += 1
      let line = state.log.refusal(of: network)
      let delay = isSlowed ? state.throttle.failure(from: network, at: now) : .zero
      if delay == .zero { return (Pace.atOnce, line) }
      let bytes = state.delayedBytes + request.body.count
      if state.delayed >= maximumDelayed || bytes > Self.maximumDelayedBytes { return (.tooMany, line) }
      state.delayed += 1
      state.delayedBytes = bytes
      return (.after(delay), line)
    }
    if line.isLogged {
      logger.notice(
        "credentials refused",
        metadata: ["address": "\(Network.host(of: request.remoteAddress))", "reason": "\(refusal.reason)"])
    }
    if line.beginsMinute {
      Task { [weak self, sleep] in
        await sleep(RefusalLog.minute)
        self?.sumUp()
      }
    }
    return pace
  }

  /// Logs what the last minute left out.
  private func sumUp() {
    guard let summary = state.withLock({ $0.log.close() }) else { return }
    logger.notice(
      "more refused credentials in the last minute",
      metadata: ["refusals": "\(summary.refusals)", "busiest": "\(summary.busiest.joined(separator: ", "))"])
  }

  /// Names the ways in, each in a field of its own: many clients read but one from a field.
  private func answer(to refusal: Refusal) -> HTTPError {
    if case .repeated = refusal {
      return HTTPError(.badRequest, code: "repeated_header", refusal.description, hint: refusal.hint)
    }
    var headers = Headers()
    // A field that names no way at all is not allowed (RFC 9110, section 11.6.1).
    if authenticator.takesServiceKeys || !authenticator.checksTokens {
      headers.append("WWW-Authenticate", "Basic realm=\"weir\", charset=\"UTF-8\"")
    }
    if authenticator.checksTokens { headers.append("WWW-Authenticate", bearerChallenge(refusal)) }
    return HTTPError(.unauthorized, code: "unauthorized", refusal.description, hint: refusal.hint, headers: headers)
  }

  /// The challenge of RFC 6750, section 3, which names an error only when there was a token.
  private func bearerChallenge(_ refusal: Refusal) -> String {
    let error = refusal.isOfToken ? ", error=\"invalid_token\", error_description=\"\(quotable(refusal))\"" : ""
    return "Bearer realm=\"weir\"\(error)"
  }

  /// The sentence in the characters that an `error_description` may have: printable ASCII but `"` and `\`.
  private func quotable(_ refusal: Refusal) -> String {
    String(
      decoding: refusal.description.unicodeScalars.map { scalar -> UInt8 in
        switch scalar {
        case "\"", "\\": UInt8(ascii: "'")
        case " "..."~": UInt8(truncatingIfNeeded: scalar.value)
        default: UInt8(ascii: "?")
        }
      }, as: UTF8.self)
  }
}

extension Answer {
  fileprivate func awaited() async throws -> Response {
    switch self {
    case .now(let response): return response
    case .later(let operation): return try await operation()
    case .upgrade:
      throw HTTPError(
        .serviceUnavailable, code: "credentials_checked", "the credentials are valid, but had to be verified first",
        hint: "send the same request again", headers: ["Retry-After": "0"])
    }
  }
}
