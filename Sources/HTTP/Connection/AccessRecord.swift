/// What is recorded of a request that was answered.
public struct AccessRecord: Sendable {
  /// When the answer was made, or came to its end if it is a stream or a tunnel: seconds since 1970, UTC.
  public var time: Double
  /// The ``Request/id``.
  public var requestID: String
  /// As sent, cut after 32 characters; empty when the request was not understood so far.
  public var method: String
  /// As sent, still percent-encoded, without the query, cut after 2,000 characters; empty when the request was not
  /// understood so far. It holds no control bytes.
  public var path: String
  /// The pattern of the route; nil when none took the request.
  public var route: String?
  public var status: Int
  /// Milliseconds from the end of the request's head, its body's arrival included; 0 when the head did not come whole.
  public var milliseconds: Double
  /// The bytes of the answer's head and body. When it was cut off: as many as the system took of it.
  public var bytesSent: Int
  /// Such as `127.0.0.1:5321` or `[::1]:5321`.
  public var remoteAddress: String
  /// What the handler told by ``Request/note(caller:jobID:)``.
  public var caller: String?
  public var jobID: String?
  /// The ``HTTPError/code`` and the ``HTTPError/detail`` of an error that was answered.
  public var code: String?
  public var detail: String?
  /// The route was declared quiet.
  public var isQuiet: Bool
  /// The client went away, or was cut off, before there was all of its answer: in a stream or a tunnel, or while it was
  /// awaited. `status` is what it got or, when that is nothing, what it would have got. An answer that is there at once
  /// is never known to be lost.
  public var isCutOff: Bool
}

/// A request that is to be recorded when its answer is made.
struct AccessEntry {
  var request: Request.Storage
  var route: Router.Route?
  var began: Nanoseconds?
  /// Known before the end when the answer goes on after its head.
  var status = 0
  var bytesSent = 0
  var error: RecordedError?
}

struct RecordedError: Sendable {
  let code: String
  let detail: String?
}

extension Connection {
  /// Has the request recorded once it is answered, if its kind is.
  func beginRecord(of request: Request.Storage, _ resolution: Router.Resolution) {
    guard context.accessLog != nil else { return }
    var entry = AccessEntry(request: request, began: EventLoop.preciseNow)
    if case .route(let route, _) = resolution {
      if route.isQuiet, !context.logsQuietRoutes { return }
      entry.route = route
    }
    access = entry
  }

  /// Records the request, if that is asked for and was not done yet.
  func record(status: Int? = nil, bytesSent: Int? = nil, isCutOff: Bool = false) {
    guard let entry = access.take(), let log = context.accessLog else { return }
    let request = entry.request
    let notes = request.notes
    let taken = entry.began.map { Double(EventLoop.preciseNow &- $0) / 1_000_000 }
    log(
      AccessRecord(
        time: EventLoop.secondsSince1970, requestID: request.id.text, method: request.method.cut(32),
        path: request.recordedPath, route: entry.route?.pattern, status: status ?? entry.status,
        milliseconds: taken ?? 0, bytesSent: bytesSent ?? entry.bytesSent, remoteAddress: request.remoteAddress,
        caller: notes.caller, jobID: notes.jobID, code: entry.error?.code, detail: entry.error?.detail,
        isQuiet: entry.route?.isQuiet ?? false, isCutOff: isCutOff))
  }
}

extension Request.Storage {
  /// A target that names no path may hold anything.
  fileprivate var recordedPath: String {
    let path = rawPath
    guard path.utf8.first == Byte.slash || path == "*" else { return "" }
    // The target has not been taken apart where the request was refused early.
    return (path.utf8.firstIndex(of: Byte.questionMark).map { String(path[..<$0]) } ?? path).cut(2000)
  }
}

extension String {
  /// The first `count` bytes of a text that is ASCII, as methods and targets are.
  fileprivate func cut(_ count: Int) -> String { utf8.count <= count ? self : String(prefix(count)) }
}
