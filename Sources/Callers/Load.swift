import HTTP
import Synchronization

/// How much callers may have in flight.
public struct LoadLimits: Sendable, Equatable {
  /// Requests that are being answered, until the last byte of the answer is sent; in all, and of one caller.
  public var requests = 2000
  public var requestsOfCaller = 100
  /// Bytes of long answers that wait to be sent; in all, and of one caller.
  public var answerBytes = 128 << 20
  public var answerBytesOfCaller = 32 << 20

  public init() {}
}

/// Counts what callers have in flight, and refuses what is too much: 429 for what one caller has, 503 for what all have.
///
/// The service is neither refused nor counted: what it asks is the upstream's business. Answers that are made at once, and are short, are
/// not counted.
public final class Load: Sendable {
  private struct Use {
    var requests = 0
    var bytes = 0
  }

  private struct State {
    var all = Use()
    var each: [String: Use] = [:]
  }

  /// What counts of a streamed answer beside what its producer holds: a piece, escaped, and the buffers that it passes.
  public static let streamBytes = 256 << 10

  public let limits: LoadLimits
  private let state = Mutex(State())

  public init(limits: LoadLimits = LoadLimits()) { self.limits = limits }

  /// Requests in flight, in all.
  var requests: Int { state.withLock { $0.all.requests } }
  /// Bytes that wait, in all.
  var bytes: Int { state.withLock { $0.all.bytes } }
  /// Callers that have something in flight.
  var callers: Int { state.withLock { $0.each.count } }

  /// Counts a request of a caller until the share is released.
  /// - Parameters:
  ///   - name: nil for the service and where nobody is asked who he is.
  ///   - isOfService: whether the service makes it for that user: the requests of others do not refuse it.
  func begin(_ name: String?, isOfService: Bool = false) throws(HTTPError) -> LoadShare {
    let limits = limits
    guard let name else { return LoadShare(of: self, nil, requests: 1) }
    let outcome = state.withLock { state -> HTTPError? in
      guard isOfService || state.all.requests < limits.requests else { return Self.tooMany }
      guard state.each[name]?.requests ?? 0 < limits.requestsOfCaller else {
        return Self.tooMuch("\(limits.requestsOfCaller) requests in flight")
      }
      state.each[name, default: Use()].requests += 1
      state.all.requests += 1
      return nil
    }
    if let outcome { throw outcome }
    return LoadShare(of: self, name, requests: 1)
  }

  /// Counts the bytes of an answer before there is one, until the share is released.
  func reserve(_ bytes: Int, _ name: String?) throws(HTTPError) -> LoadShare {
    let share = LoadShare(of: self, name, requests: 0)
    try share.add(bytes)
    return share
  }

  fileprivate func add(_ bytes: Int, _ name: String?) throws(HTTPError) {
    let limits = limits
    guard let name else { return }
    let outcome = state.withLock { state -> HTTPError? in
      guard state.all.bytes + bytes <= limits.answerBytes || state.all.bytes == 0 else { return Self.tooMany }
      let own = state.each[name]?.bytes ?? 0
      guard own + bytes <= limits.answerBytesOfCaller || own == 0 else {
        return Self.tooMuch(
          "\(limits.answerBytesOfCaller) bytes of responses that wait to be sent (\(own) wait)")
      }
      state.each[name, default: Use()].bytes += bytes
      state.all.bytes += bytes
      return nil
    }
    if let outcome { throw outcome }
  }

  fileprivate func end(_ requests: Int, _ bytes: Int, _ name: String?) {
    guard let name else { return }
    state.withLock { state in
      state.all.requests -= requests
      state.all.bytes -= bytes
      guard var use = state.each[name] else { return }
      use.requests -= requests
      use.bytes -= bytes
      state.each[name] = use.requests > 0 || use.bytes > 0 ? use : nil
    }
  }

  private static func tooMuch(_ limit: String) -> HTTPError {
    HTTPError(
      .tooManyRequests, code: "too_many_requests", "the caller has reached its limit of \(limit)",
      hint: "read the responses that wait, then send the same request again", headers: ["Retry-After": "2"])
  }

  private static let tooMany = HTTPError(
    .serviceUnavailable, code: "too_many_requests", "the service has reached its limit of requests in flight",
    hint: "send the same request again in a moment", headers: ["Retry-After": "2"])
}

/// One request's part of the load, as long as somebody holds it.
public final class LoadShare: Sendable {
  private let load: Load
  private let name: String?
  private let requests: Int
  private let bytes = Mutex(0)

  fileprivate init(of load: Load, _ name: String?, requests: Int) {
    self.load = load
    self.name = name
    self.requests = requests
  }

  deinit { load.end(requests, bytes.withLock { $0 }, name) }

  /// Counts bytes that wait to be sent.
  func add(_ count: Int) throws(HTTPError) {
    try load.add(count, name)
    bytes.withLock { $0 += count }
  }
}

/// Several things that are held until an answer is sent.
final class Leases: Sendable {
  let all: [any AnyObject & Sendable]
  init(_ all: [any AnyObject & Sendable]) { self.all = all }
}

extension Caller {
  /// Under which name its load is counted; nil for one that is not bounded by itself.
  var loadName: String? {
    switch self {
    case .service, .anybody: nil
    case .admin(let name), .user(let name): name
    }
  }
}

extension Response {
  /// Bytes that stay in memory until they are sent. Of a stream that is what its producer holds, which it says itself, and
  /// what is on its way to a slow reader.
  fileprivate var waitingBytes: Int {
    if case .bytes(let bytes) = body { bytes.count } else { heldBytes + Load.streamBytes }
  }

  /// A response of which less waits than a socket takes at once.
  fileprivate var isShort: Bool { waitingBytes <= 65_536 && !isStream }
  private var isStream: Bool { if case .stream = body { true } else { false } }

  /// The same, counted until its last byte is sent. One whose handler reserved the room for it is never refused.
  func counted(in share: LoadShare) throws(HTTPError) -> Response {
    if waitingBytes > 65_536, !(lease is LoadShare) { try share.add(waitingBytes) }
    var response = self
    response.lease = lease.map { Leases([$0, share]) } ?? share
    return response
  }

  /// The same; counted only if it is not one that is gone at once.
  func counted(in load: Load, _ caller: Caller) throws(HTTPError) -> Response {
    isShort ? self : try counted(in: load.begin(caller.loadName))
  }
}
