/// Why an operation on a connection failed.
enum Interruption: Error {
  /// The deadline passed, or the task was cancelled.
  case timedOut
  /// The connection is gone.
  case lost(reason: String)
  /// The server said no; the connection lives.
  case refused(Session.Failure)
  /// The account's login files did not let the command begin; the connection lives.
  case notBegun(reason: String)
  /// The command printed far more than was wanted; the connection lives.
  case flooded
  /// A file operation failed; the connection lives.
  case file(path: String, reason: String)

  var isRefusal: Bool {
    if case .refused = self { true } else { false }
  }
}

/// An interruption, and whether the request that starts the command had been sent by then.
struct Interrupted: Error {
  let cause: Interruption
  let started: Bool
}
