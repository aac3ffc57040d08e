import HTTP
import Jobs

extension HTTPError {
  /// What a caller is told of an error of a job's.
  init(_ error: any Error) {
    switch error {
    case let error as HTTPError: self = error
    case let error as JobError: self.init(error)
    default:
      self.init(.init(500), code: "internal", "something went wrong inside the service, its log says what")
    }
  }

  init(_ error: JobError) {
    let text = error.description
    let wait: Headers = ["Retry-After": "5"]
    switch error {
    case .conflict: self.init(.init(409), code: "job_exists", text)
    case .refused: self.init(.init(422), code: "refused", text)
    case .notFound: self.init(.init(404), code: "not_found", text)
    case .unavailable, .interrupted: self.init(.init(503), code: "backend_unavailable", text, headers: wait)
    case .unsettled:
      self.init(
        .init(503), code: "submit_unsettled", text, hint: "send the same call again: the job is never submitted twice",
        headers: wait)
    case .notStarted: self.init(.init(409), code: "job_not_started", text)
    case .notOver: self.init(.init(409), code: "job_not_over", text)
    case .over: self.init(.init(409), code: "job_over", text)
    case .expired: self.init(.init(410), code: "job_expired", text)
    case .idempotencyConflict:
      self.init(.init(409), code: "idempotency_conflict", text, hint: "send a key of its own with each submission")
    case .limit(_, let seconds):
      self.init(.init(429), code: "owner_limit", text, headers: seconds.map { ["Retry-After": "\($0)"] } ?? [:])
    case .storage: self.init(.init(503), code: "store_unavailable", text, headers: wait)
    }
  }
}
