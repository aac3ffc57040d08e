import Callers
import HTTP
import JobEngine
import SSH

/// What a monitoring system reads at `/metrics`, in the text form of Prometheus (its exposition format 0.0.4).
struct Metrics: Sendable {
  let jobs: JobService
  let gate: Gate
  let pool: ConnectionPool?

  /// Adds `/metrics`, for the service and for administrators: it counts the jobs of all users.
  func register(on router: inout Router) {
    let metrics = self
    router.on("GET", "/metrics") { request in
      try metrics.gate.admit(request) { _, caller in
        guard caller.seesAllJobs else {
          throw HTTPError(
            .init(403), code: "forbidden", "/metrics is only for the service and for administrators",
            hint: "use the service key, or a token with the administrator claim")
        }
        return .now(.text(metrics.text, contentType: "text/plain; version=0.0.4; charset=utf-8"))
      }
    }
  }

  private var text: String {
    var text = ""
    func family(_ name: String, _ kind: String, _ help: String, _ samples: [(labels: String, value: Int)]) {
      text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind)\n"
      for sample in samples { text += "\(name)\(sample.labels) \(sample.value)\n" }
    }
    family(
      "weir_refused_credentials_total", "counter", "Requests refused for their credentials, by reason.",
      gate.failures.sorted { $0.key < $1.key }.map { ("{reason=\"\($0.key)\"}", $0.value) })
    family(
      "weir_jobs", "gauge", "Jobs that have not ended, by state.",
      jobs.census.sorted { $0.key < $1.key }.map { ("{state=\"\($0.key)\"}", $0.value) })
    family(
      "weir_backend_up", "gauge", "Whether the last poll of the backend was complete.",
      [("", jobs.trouble == nil ? 1 : 0)])
    if let counters = pool?.counters {
      family("weir_ssh_logins_total", "counter", "SSH logins that succeeded.", [("", counters.logins)])
      family(
        "weir_ssh_refused_logins_total", "counter", "SSH logins that a server refused.", [("", counters.refusedLogins)])
      family(
        "weir_ssh_connections_lost_total", "counter", "SSH connections that broke.", [("", counters.connectionsLost)])
      family("weir_ssh_commands_total", "counter", "Commands run over SSH.", [("", counters.commands)])
    }
    family(
      "weir_store_up", "gauge", "Whether the job store can be written.", [("", jobs.storeTrouble == nil ? 1 : 0)])
    return text
  }
}
