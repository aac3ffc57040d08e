/// Why a backend did not do what it was asked.
public enum BackendError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The request cannot be: what is wrong with it, in the backend's own words where it said any.
  case refused(String)
  /// The backend does not know the job.
  case notFound(String)
  /// The backend could not be asked; it certainly did nothing.
  case unavailable(String)
  /// The account of the job cannot be logged in to, for it has no key or its key is refused; nothing was done, and only
  /// an administrator can change that.
  case noLogin(account: String, String)
  /// The answer was lost: the backend may or may not have acted.
  case interrupted(String)

  public var description: String {
    switch self {
    case .refused(let reason), .notFound(let reason), .unavailable(let reason), .noLogin(_, let reason),
      .interrupted(let reason):
      reason
    }
  }
}
