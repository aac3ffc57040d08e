import Callers
import HTTP
import JobEngine
import JobModel

extension HTTPError {
  /// An error as a caller may see it: status, code and headers are the same for all callers. The log gets the full text.
  init(_ error: any Error, for caller: Caller) {
    self.init(error)
    guard !caller.seesAllJobs, let plain = (error as? JobError)?.plainText(for: caller.name) else { return }
    detail = message
    message = plain.text
    hint = plain.hint ?? hint
  }

  /// An error of a job in full, for those who see all jobs.
  init(_ error: any Error) {
    switch error {
    case let error as HTTPError: self = error
    case let error as JobError: self.init(error)
    default:
      self.init(.init(500), code: "internal", "internal error; the service's log says why")
      detail = "\(error)"
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
    case .noLogin(let account, _):
      self.init(
        .init(503), code: "backend_unavailable", text,
        hint: "the administrator must correct the entry of \(account) in the users file, or the account's"
          + " authorized_keys; until then every request for \(account) fails", headers: wait)
    case .unsettled:
      self.init(
        .init(503), code: "submit_unsettled", text, hint: "send the same call again: the job is never submitted twice",
        headers: wait)
    case .notStarted: self.init(.init(409), code: "job_not_started", text)
    case .notOver:
      self.init(
        .init(409), code: "job_not_over", text,
        hint: "send the request again after the job has ended; /terminate ends it now")
    case .over: self.init(.init(409), code: "job_over", text)
    case .expired: self.init(.init(410), code: "job_expired", text)
    case .idempotencyConflict:
      self.init(.init(409), code: "idempotency_conflict", text, hint: "use another key for each submission")
    case .limit(_, let seconds):
      self.init(.init(429), code: "owner_limit", text, headers: seconds.map { ["Retry-After": "\($0)"] } ?? [:])
    case .storage: self.init(.init(503), code: "store_unavailable", text, headers: wait)
    }
  }
}

extension JobError {
  /// What a user gets in place of a text that names hosts, host keys, accounts and files of the site; nil where the text
  /// names only what the user sent. `/ready` hides the same texts from users.
  func plainText(for user: String) -> (text: String, hint: String?)? {
    switch self {
    case .unavailable: ("the backend cannot serve this request now; try again later", nil)
    case .noLogin:
      (
        "the account of \(user) on the cluster cannot be used",
        "the administrator must correct the entry of \(user) in the users file; until then every request fails"
      )
    case .interrupted:
      ("the backend did not confirm the request, which may have been carried out; check the job", nil)
    case .unsettled(let key, _): ("submission of job \(key) is in doubt", nil)
    case .storage: ("the job store cannot be used now; try again later", nil)
    case .conflict, .refused, .notFound, .notStarted, .notOver, .over, .expired, .idempotencyConflict, .limit: nil
    }
  }
}
