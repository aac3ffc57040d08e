import ConnectorAPI
import JobModel
import JobStore

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

  /// What a failure of the store means for the call that met it; an error of a job stays as it is.
  init(store error: any Error) { self = error as? JobError ?? .storage(StoreError(error).summary) }
}
