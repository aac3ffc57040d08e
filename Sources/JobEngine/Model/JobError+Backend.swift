import ConnectorAPI
import JobModel

extension JobError {
  /// What a failure of the backend means for the call that met it.
  init(_ error: BackendError) {
    switch error {
    case .refused(let reason): self = .refused(reason)
    case .notFound(let reason): self = .notFound(reason)
    case .unavailable(let reason): self = .unavailable(reason)
    case .noLogin(let account, let reason): self = .noLogin(account: account, reason)
    case .interrupted(let reason): self = .interrupted(reason)
    }
  }
}
