import HTTP
import JobEngine
import JobModel
import Support

/// A field of a legacy call and its allowed values, for the checks and for the documentation.
struct FieldRule: Sendable {
  /// Where a field is.
  enum Place: Sendable {
    /// A member of the JSON object `args`.
    case argument
    /// A member of `qs` in it, or of the query of the address.
    case query
    /// A part of the path.
    case path
    /// A line `KEY=value` of the job's script.
    case line
    /// A pseudo-device in the line JOBOBJ_DEVICES.
    case device
  }

  let calls: String
  let place: Place
  let name: String
  let rule: ValueRule
  let meaning: String

  init(_ calls: String, _ place: Place, _ name: String, _ rule: ValueRule, _ meaning: String) {
    self.calls = calls
    self.place = place
    self.name = name
    self.rule = rule
    self.meaning = meaning
  }

  func accepts(_ value: String) -> Bool { rule.accepts(value) }

  /// The refusal of a value that does not fit, or of a field that is missing. What is opaque may be a secret, and is
  /// never repeated.
  func refusal(of value: String? = nil, isMissing: Bool = false) -> HTTPError {
    let expected = "expected \(rule.expected)"
    if place == .argument || place == .query {
      let state = isMissing ? "is missing" : "is wrong"
      return HTTPError(.init(422), code: "argument_wrong", "'\(name)' \(state): \(expected)")
    }
    var shown = ""
    if let value, !isOpaque { shown = "'\(value.beginning(atMost: 40))' is wrong: " }
    return UpstreamScript.wrong(place == .device ? "JOBOBJ_DEVICES: \(name)" : name, shown + expected)
  }

  private var isOpaque: Bool { if case .opaque = rule { true } else { false } }
}

extension FieldRule {
  private static let jobCalls = "/submit, /runstatus, /exitstatus, /terminate, /release, /events"

  static let name = FieldRule(jobCalls, .argument, "name", .jobName, "the job's name")
  static let number = FieldRule(jobCalls, .argument, "number", .jobNumber, "its number; may be a string of digits")
  static let jobID = FieldRule(
    "the same without /submit", .argument, "jobid", .jobID, "the id that /submit returned; may be a number")
  static let nodes = FieldRule(
    "/submit", .argument, "nodes", .nodes, "machines; may be a string of digits. /terminate has one, which is not read")
  static let held = FieldRule("/submit", .argument, "held", .oneOf(["true", "false"]), "whether it waits for /release")
  static let script = FieldRule(
    "/submit", .argument, "hpc_script.<executor>",
    .opaque(what: "base64 of a script in UTF-8", length: 1...1_073_741_824),
    "the job's script; travels by standard input")
  static let bearer = FieldRule(
    "/submit", .argument, "bearer", .opaque(what: "a JSON Web Token", length: 0...16_384),
    "names the job's owner; an invalid one is 401")

  static let pathName = FieldRule("/request/...", .path, "name", .jobName, "a job's name; an invalid one is 404")
  static let pathNumber = FieldRule("/request/...", .path, "number", .jobNumber, "its number, likewise")
  static let pathJobID = FieldRule("/request/...", .path, "jobid", .jobID, "its id, likewise")
  static let method = FieldRule(
    "/request/...", .path, "method", .oneOf(["ping", "connect", "info", "tail", "shutdown", "abort"]),
    "the call; another one is 404")
  static let tailLines = FieldRule(
    "/request/.../tail", .query, "lines", .whole(-1_000_000_000...1_000_000_000),
    "lines from the end, 100 by default; at least 1 and at most 10000 are returned")
  static let directory = FieldRule(
    "/request/pvcls", .query, "path", .path(length: 0...4096),
    "a directory below one of WEIR_VAULT_ROOTS; an argument of the command that lists it")
  static let details = FieldRule("/request/pvcls", .query, "details", .flag, "whether times and sizes are shown")

  static let interactive = FieldRule(
    "/submit", .line, "JOBOBJ_INTERACTIVE", .opaque(what: "a text", length: 0...1024),
    "`False`; any other value is true, and so is a missing line")
  static let appDefinition = FieldRule(
    "/submit", .line, "JOBOBJ_APPDEFVERSION", .whole(0...1_048_576), "version of the app definition; below 2 is refused"
  )
  static let architecture = FieldRule(
    "/submit", .line, "JOBOBJ_ARCH", .word(marks: "_-", length: 1...32), "architecture of the image")
  static let appName = FieldRule(
    "/submit", .line, "JOBOBJ_NAE", .word(marks: "._/:@+-", length: 1...256),
    "the app's name; read where a local registry is set")
  static let repository = FieldRule(
    "/submit", .line, "JOBOBJ_REPO", .word(marks: "._/:@+-", length: 1...2048), "repository of the image")
  static let registryConfiguration = FieldRule(
    "/submit", .line, "JOBOBJ_CTRSECRET", .opaque(what: "base64 of a docker configuration", length: 1...65_536),
    "credentials of registries; shown as `***`")
  static let registrySecret = FieldRule(
    "/submit", .line, "JOBOBJ_DOCKER_SECRET",
    .opaque(what: "JSON with server, username and password", length: 1...65_536),
    "credentials of a registry; shown as `***`")
  static let devices = FieldRule(
    "/submit", .line, "JOBOBJ_DEVICES", .opaque(what: "a JSON list of texts 'key=value'", length: 1...65_536),
    "pseudo-devices")
  static let gpus = FieldRule("/submit", .line, "JOBOBJ_GPUS", .gpusPerNode, "GPUs of each machine")
  static let memory = FieldRule("/submit", .line, "JOBOBJ_RAM", .memoryPerNode, "gigabytes on each machine")
  static let licenses = FieldRule("/submit", .line, "JOBOBJ_LICENSES", .licenses, "licences, `name:count,...`")
  static let timeLimit = FieldRule("/submit", .line, "JOBOBJ_WALLTIME", .timeLimit, "time limit")
  static let cores = FieldRule("/submit", .line, "JARVICE_CPU_CORES", .coresPerNode, "cores of each machine")
  static let command = FieldRule(
    "/submit", .line, "JARVICE_CMD",
    // The kernel passes no longer variable to a program (MAX_ARG_STRLEN of execve(2), less the name).
    .opaque(what: "a command in base64", length: 1...131_000), "passed on unchanged, as a quoted word of the script")

  static let overlay = FieldRule("/submit", .device, "overlay", .whole(0...1_048_576), "megabytes of the overlay")
  static let partition = FieldRule("/submit", .device, "partition", .partition, "partitions of the cluster")
  static let exclusive = FieldRule(
    "/submit", .device, "exclusive", .flag, "whether the job has its machines for itself")
  static let option = FieldRule(
    "/submit", .device, "sbatch_<option>", .optionValue, "an option of sbatch that the Slurm connector's README lists")

  /// Every field that is read. Other members of `args`, such as those of /online, and other lines of a script are not.
  static let all: [FieldRule] = [
    name, number, jobID, nodes, held, script, bearer, pathName, pathNumber, pathJobID, method, tailLines, directory,
    details, interactive, appDefinition, architecture, appName, repository, registryConfiguration, registrySecret,
    devices, gpus, memory, licenses, timeLimit, cores, command, overlay, partition, exclusive, option,
  ]

  /// The table of all fields for the documentation.
  static var markdown: String {
    func place(_ place: Place) -> String {
      switch place {
      case .argument: "args"
      case .query: "qs, or the query"
      case .path: "path"
      case .line: "script"
      case .device: "JOBOBJ_DEVICES"
      }
    }
    let rows = all.map { field in
      let cells = [field.calls, place(field.place), "`\(field.name)`", field.rule.expected, field.meaning]
      return "| " + cells.map { $0.replacing("|", with: "\\|") }.joined(separator: " | ") + " |\n"
    }
    return "| call | in | field | allowed values | meaning |\n|---|---|---|---|---|\n" + rows.joined()
  }
}
