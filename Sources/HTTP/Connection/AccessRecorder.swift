/// Where requests are recorded.
struct AccessLog: Sendable {
  let write: @Sendable (AccessRecord) -> Void
  /// See ``ServerConfiguration/logsQuietRoutes``.
  let includesQuietRoutes: Bool
}

struct RecordedError: Sendable {
  let code: String
  let detail: String?
}

/// The request of a connection that is being read or answered, if it is to be recorded.
struct AccessRecorder {
  private struct Entry {
    var request: Request.Storage
    var route: Router.Route?
    var began: Nanoseconds?
    /// Known before the end when the answer goes on after its head.
    var status = 0
    var bytesSent = 0
    var error: RecordedError?
  }

  private let log: AccessLog?
  private var entry: Entry?

  /// - Parameter log: nil to record nothing.
  init(_ log: AccessLog?) { self.log = log }

  /// Has the request recorded once it is answered, if its kind is.
  mutating func begin(_ request: Request.Storage, _ resolution: Router.Resolution) {
    guard let includesQuietRoutes = log?.includesQuietRoutes else { return }
    var entry = Entry(request: request, began: EventLoop.preciseNow)
    if case .route(let route, _) = resolution {
      if route.isQuiet, !includesQuietRoutes { return }
      entry.route = route
    }
    self.entry = entry
  }

  /// Has something recorded whose head did not come whole, or was refused.
  mutating func begin(unfinished request: Request.Storage) {
    if log != nil { entry = Entry(request: request) }
  }

  /// Notes the error that is answered, if it is one.
  mutating func note(_ error: RecordedError?) { entry?.error = error }

  /// Notes that an answer has begun that goes on.
  /// - Parameter bytes: those of its head.
  mutating func beginAnswer(status: Int, bytes: Int) {
    entry?.status = status
    entry?.bytesSent = bytes
  }

  /// Notes more of that answer.
  mutating func add(_ bytes: Int) { entry?.bytesSent += bytes }

  /// Records an answer that is there at once.
  mutating func finish(status: Int, bytes: Int) {
    if entry != nil { record { ($0.status, $0.bytesSent) = (status, bytes) } }
  }

  /// Records the answer that had begun.
  mutating func finish() { record { _ in } }

  /// Records the answer that had begun as one that the client did not get whole.
  /// - Parameter unsent: the bytes that the system did not take.
  mutating func cutOff(unsent: Int) {
    record(isCutOff: true) { $0.bytesSent = max(0, $0.bytesSent - unsent) }
  }

  /// Records an answer that came when the client had gone.
  mutating func lose(_ response: Response) {
    record(isCutOff: true) { ($0.status, $0.bytesSent, $0.error) = (response.sentStatus, 0, response.error) }
  }

  /// Records nothing.
  mutating func forget() { entry = nil }

  /// Records the request with what `complete` adds, unless that was done already.
  private mutating func record(isCutOff: Bool = false, _ complete: (inout Entry) -> Void) {
    guard var entry = entry.take(), let log else { return }
    complete(&entry)
    let request = entry.request
    let notes = request.notes
    let taken = entry.began.map { Double(EventLoop.preciseNow &- $0) / 1_000_000 }
    log.write(
      AccessRecord(
        time: EventLoop.secondsSince1970, requestID: request.id.text, method: request.method.cut(32),
        path: request.recordedPath, route: entry.route?.pattern, status: entry.status, milliseconds: taken ?? 0,
        bytesSent: entry.bytesSent, remoteAddress: request.remoteAddress, caller: notes.caller, jobID: notes.jobID,
        code: entry.error?.code, detail: entry.error?.detail, isQuiet: entry.route?.isQuiet ?? false,
        isCutOff: isCutOff))
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
