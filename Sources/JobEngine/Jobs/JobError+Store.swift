import JobModel
import JobStore

extension JobError {
  /// What an error of the store means for the call that met it; an error of a job stays as it is.
  init(store error: any Error) { self = error as? JobError ?? .storage(StoreError(error).summary) }
}
