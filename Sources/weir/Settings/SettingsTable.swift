import Access
import Foundation
import ScriptTemplates
import Support
import Tokens

/// One setting: its name in the environment, what it means, and what may stand there.
struct Setting: Sendable {
  enum Form: Sendable {
    case text
    case secret
    case whole(ClosedRange<Int>)
    case flag
    case choice([String])
    /// A comma list, each element one of these.
    case choices([String])
    /// A file that must exist and be readable.
    case file
    /// A comma list of them.
    case files
    case directory
    /// A comma list of them.
    case directories
    /// A directory that the scripts of jobs use.
    case scriptDirectory
    /// An http or https URL.
    case address
    /// A proxy's address, which may hold a password.
    case proxy
  }

  enum Group: String, CaseIterable, Sendable {
    case service = "The service"
    case http = "Limits of HTTP"
    case callers = "Callers and users"
    case jobs = "Jobs"
    case gpu = "Connectors gpu and local"
    case slurm = "Connector slurm"
    case dummy = "Connector dummy"
    case executor = "Executor singularity"
  }

  let name: String
  let group: Group
  let form: Form
  /// The value when the variable is not set; empty for none.
  let standard: String
  let meaning: String
  /// Older names that are honoured while this one is not set.
  var olderNames: [String] = []
  /// Whether the empty text is a value, and not the same as none.
  var takesEmpty = false

  /// The variable that names a file with the value, where there is one: secrets may be kept out of the environment.
  var fileName: String? {
    switch form {
    case .secret, .proxy: name + "_FILE"
    default: nil
    }
  }

  /// What is expected, for messages and the table.
  var expected: String {
    switch form {
    case .text, .secret: "text"
    case .proxy: SettingForms.proxy
    case .directory: SettingForms.directory
    case .directories: "a comma list, each \(SettingForms.directory)"
    case .scriptDirectory: SettingForms.scriptDirectory
    case .whole(let range):
      range.upperBound == Int.max
        ? "a whole number from \(range.lowerBound)" : "\(range.lowerBound) to \(range.upperBound)"
    case .flag: "true or false"
    case .choice(let words): words.joined(separator: ", ")
    case .choices(let words): "a comma list of " + words.joined(separator: ", ")
    case .file: "a readable file"
    case .files: "a comma list of readable files"
    case .address: "an http or https address"
    }
  }

  /// What is wrong with a value; nil when nothing is. A secret's value is never repeated.
  func fault(_ value: String) -> String? {
    guard !value.isEmpty else { return nil }
    let right =
      switch form {
      case .text, .secret: !value.contains("\0")
      case .proxy: SettingForms.isProxy(value)
      case .directory: SettingForms.isDirectory(value)
      case .directories: Setting.list(value).allSatisfy(SettingForms.isDirectory)
      case .scriptDirectory: SettingForms.isScriptDirectory(value)
      case .whole(let range): Int(value).map(range.contains) ?? false
      case .flag: ["true", "false"].contains(value.lowercased())
      case .choice(let words): words.contains(value)
      case .choices(let words): !value.isEmpty && Setting.list(value).allSatisfy(words.contains)
      case .file: Setting.isReadableFile(value)
      case .files: Setting.list(value).allSatisfy(Setting.isReadableFile)
      case .address: Setting.isAddress(value)
      }
    if right { return nil }
    // A wrong address may hold a password anywhere.
    if case .proxy = form { return "the address is wrong: expected \(expected)" }
    return "'\(shown(value).visible().prefix(100))' is wrong: expected \(expected)\(unreadableFile(value))"
  }

  /// Why the first file cannot be read that a value names, as the end of a sentence.
  private func unreadableFile(_ value: String) -> String {
    switch form {
    case .file: UnreadableFile.reason(value).map { ": \($0)" } ?? ""
    case .files:
      Setting.list(value).lazy.compactMap { path in UnreadableFile.reason(path).map { ": \(path): \($0)" } }.first ?? ""
    default: ""
    }
  }

  /// A value as it may be shown.
  func shown(_ value: String) -> String {
    switch form {
    case .secret: value.isEmpty ? "" : "***"
    case .proxy, .address: Masking.address(value)
    default: value
    }
  }

  static func isReadableFile(_ path: String) -> Bool {
    UnreadableFile.reason(path) == nil
  }

  private static func isAddress(_ value: String) -> Bool {
    guard let address = URLComponents(string: value) else { return false }
    return ["http", "https"].contains(address.scheme) && address.host?.isEmpty == false && !value.contains("\0")
  }

  static func list(_ value: String) -> [String] {
    value.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
  }
}

extension Setting {
  /// Every setting there is. From this table come the parsing, the checks, `weir config` and the table in the README.
  static let all: [Setting] = service + http + load + callers + jobs + gpu + slurm + dummy + executor

  private static let connectors = ConnectorName.allCases.map(\.rawValue)

  private static let service: [Setting] = [
    Setting(
      name: "WEIR_BIND_ADDRESS", group: .service, form: .text, standard: "127.0.0.1",
      meaning: "Address to listen on, IPv4 or IPv6.", olderNames: ["WAITRESS_BIND_ADDRESS"]),
    Setting(
      name: "WEIR_PORT", group: .service, form: .whole(0...65_535), standard: "5000",
      meaning: "Port to listen on; 0 takes a free one.", olderNames: ["WAITRESS_PORT"]),
    Setting(
      name: "WEIR_STATE_DIR", group: .service, form: .directory, standard: "",
      meaning: "Directory of the job store. Standard: $STATE_DIRECTORY, else ~/.local/state/weir."),
    Setting(
      name: "JARVICE_SCHED_LOGLEVEL", group: .service, form: .choice(["10", "20", "30", "40"]), standard: "20",
      meaning: "What is logged: 10 debug, 20 information, 30 warnings, 40 errors."),
    Setting(
      name: "WEIR_LOG_FORMAT", group: .service, form: .choice(LogLines.Form.allCases.map(\.rawValue)),
      standard: "plain",
      meaning: "Form of the log on standard error: lines for people, or one JSON object a line."),
    Setting(
      name: "JARVICE_BAREMETAL_CONNECTOR", group: .service,
      form: .choice(connectors + connectors.map { "connectors.\($0).connector" }), standard: "local",
      meaning:
        "Where jobs run: on this machine (local), on GPU servers over SSH (gpu), on a Slurm cluster, or nowhere (dummy, which only pretends)."
    ),
  ]

  private static let http: [Setting] = [
    Setting(
      name: "WEIR_HTTP_REQUEST_LINE", group: .http, form: .whole(16...65_536), standard: "8192",
      meaning: "Bytes of a request line; more is 414."),
    Setting(
      name: "WEIR_HTTP_HEADER_BYTES", group: .http, form: .whole(256...1_048_576), standard: "32768",
      meaning: "Bytes of all header fields; more is 431."),
    Setting(
      name: "WEIR_HTTP_HEADER_COUNT", group: .http, form: .whole(1...10_000), standard: "100",
      meaning: "Header fields; more is 431."),
    Setting(
      name: "WEIR_HTTP_BODY_BYTES", group: .http, form: .whole(0...1_073_741_824), standard: "16777216",
      meaning: "Bytes of a body; more is 413. A call may have a limit of its own."),
    Setting(
      name: "WEIR_HTTP_UNFINISHED_BODIES", group: .http, form: .whole(1_048_576...Int.max), standard: "268435456",
      meaning:
        "Total bytes of request bodies in memory. Unauthenticated clients may use half; one caller, or one network of unauthenticated clients, an eighth. Beyond that: 503."
    ),
    Setting(
      name: "WEIR_HTTP_HEADER_SECONDS", group: .http, form: .whole(1...3600), standard: "10",
      meaning: "Seconds from a request's first byte to the end of its head; later is 408."),
    Setting(
      name: "WEIR_HTTP_BODY_IDLE_SECONDS", group: .http, form: .whole(1...3600), standard: "30",
      meaning: "Seconds between two parts of a body; longer is 408."),
    Setting(
      name: "WEIR_HTTP_BODY_RATE", group: .http, form: .whole(0...1_000_000_000), standard: "500",
      meaning:
        "Bytes a second that a body has to arrive with, beyond the idle time, and an answer to be taken with that is waited for; slower is 408, or cut off, 0 is no bound."
    ),
    Setting(
      name: "WEIR_HTTP_KEEP_ALIVE_SECONDS", group: .http, form: .whole(1...86_400), standard: "75",
      meaning: "Seconds from an answer to the next request; then the connection is closed."),
    Setting(
      name: "WEIR_HTTP_WRITE_STALL_SECONDS", group: .http, form: .whole(1...3600), standard: "30",
      meaning: "Seconds in which a client takes no byte of its answer; then it is cut off."),
    Setting(
      name: "WEIR_HTTP_TUNNEL_IDLE_SECONDS", group: .http, form: .whole(1...604_800), standard: "3600",
      meaning: "Seconds in which nothing comes or goes through a tunnel; then it is closed."),
    Setting(
      name: "WEIR_HTTP_LINGER_SECONDS", group: .http, form: .whole(0...3600), standard: "10",
      meaning: "Seconds for which a client may go on sending after a last answer, so that it can read it."),
    Setting(
      name: "WEIR_HTTP_CONNECTIONS", group: .http, form: .whole(1...1_000_000), standard: "10000",
      meaning:
        "Open connections. For one more, one that waits for its client is closed: the longest unfinished head first, then the one idle for longest. If there is none, the answer is 503."
    ),
    Setting(
      name: "WEIR_HTTP_PIPELINED", group: .http, form: .whole(1...10_000), standard: "64",
      meaning: "Pipelined requests of a connection that are answered before the others have their turn."),
  ]

  private static let callers: [Setting] = [
    Setting(
      name: "JARVICE_SCHED_SERVER_KEY", group: .callers, form: .secret, standard: "",
      meaning: "`user:password` with which the upstream authenticates by HTTP Basic; several parted by commas."),
    Setting(
      name: "WEIR_AUTH", group: .callers, form: .choice(["required", "none"]), standard: "required",
      meaning: "`none` serves everybody; taken only when Weir listens on loopback."),
    Setting(
      name: "WEIR_JWT_KEY_FILE", group: .callers, form: .files, standard: "",
      meaning:
        "Keys that bearer tokens are verified with, a comma list of files: a PEM public key each, or a secret of at least 32 bytes for HS*; read again when they change."
    ),
    Setting(
      name: "WEIR_JWT_JWKS_FILE", group: .callers, form: .file, standard: "",
      meaning: "JSON web key set (RFC 7517) that bearer tokens are verified with; read again when it changes."),
    Setting(
      name: "WEIR_JWT_JWKS_URL", group: .callers, form: .address, standard: "",
      meaning: "Address of a JSON web key set; fetched anew every five minutes, and when a token names an unknown key."),
    Setting(
      name: "WEIR_JWT_ALGORITHMS", group: .callers, form: .choices(Algorithm.allCases.map(\.rawValue)), standard: "",
      meaning:
        "Algorithms that a token may be signed with, each of which must fit a key. Standard: all that fit the keys."),
    Setting(
      name: "WEIR_JWT_ISSUER", group: .callers, form: .text, standard: "",
      meaning: "What `iss` of a bearer token must be. Required where tokens are taken; the empty text takes any.",
      takesEmpty: true),
    Setting(
      name: "WEIR_JWT_AUDIENCE", group: .callers, form: .text, standard: "",
      meaning: "What must be in `aud` of a bearer token. Required where tokens are taken; the empty text takes any.",
      takesEmpty: true),
    Setting(
      name: "WEIR_JWT_LEEWAY", group: .callers, form: .whole(0...600), standard: "30",
      meaning: "Seconds by which the clock of a token's issuer may differ from ours."),
    Setting(
      name: "WEIR_USER_CLAIM", group: .callers, form: .text, standard: "email",
      meaning: "Claim of a token that names the user.", olderNames: ["JARVICE_SLURM_USERNAME_CLAIM"]),
    Setting(
      name: "WEIR_ADMIN_CLAIM", group: .callers, form: .text, standard: "",
      meaning: "`claim:value`: whose token has that value in that claim may see and end everybody's jobs."),
    Setting(
      name: "WEIR_USER_MAPPING", group: .callers, form: .choice(UserDirectory.Mapping.allCases.map(\.rawValue)),
      standard: "file",
      meaning:
        "How a user's account is found: by the users file, or the claim's value is the account itself; never root nor a system's account."
    ),
    Setting(
      name: "WEIR_USERS_FILE", group: .callers, form: .text, standard: "users_id_mapping_configuration.yaml",
      meaning:
        "YAML file that maps users to accounts and their SSH keys; read again when it changes. With the mapping `claim` it may be missing."
    ),
    Setting(
      name: "WEIR_SSH_PASSPHRASE", group: .callers, form: .secret, standard: "",
      meaning: "Opens those SSH keys that are encrypted."),
    Setting(
      name: "WEIR_VAULT_ROOTS", group: .callers, form: .directories, standard: "",
      meaning: "Comma list of absolute directories of the cluster below which `/request/pvcls` lists. Standard: none."),
  ]

  private static let gpu: [Setting] = [
    Setting(
      name: "WEIR_SERVERS_FILE", group: .gpu, form: .file, standard: "",
      meaning:
        "YAML file of the servers of the connector gpu, in the order of preference; read again when it changes. Required by gpu."
    ),
    Setting(
      name: "WEIR_LOCAL_GPUS", group: .gpu, form: .text, standard: "auto",
      meaning: "GPUs of this machine for jobs of the connector local: auto, those that nvidia-smi shows, or a count."),
    Setting(
      name: "WEIR_CANCEL_GRACE", group: .gpu, form: .whole(1...3600), standard: "10",
      meaning: "Seconds from TERM to KILL for a job that is canceled or past its time limit."),
  ]

  private static let slurm: [Setting] = [
    Setting(
      name: "JARVICE_SLURM_INTERFACE", group: .slurm, form: .choice(["cli"]), standard: "cli",
      meaning: "How Slurm is reached: by its commands over SSH."),
    Setting(
      name: "JARVICE_SLURM_CLUSTER_ADDR", group: .slurm, form: .text, standard: "",
      meaning: "Host of a login node. Required."),
    Setting(
      name: "JARVICE_SLURM_CLUSTER_PORT", group: .slurm, form: .whole(1...65_535), standard: "22",
      meaning: "Its SSH port."),
    Setting(
      name: "JARVICE_SLURM_SSH_USER", group: .slurm, form: .text, standard: "",
      meaning: "Account that observes the queue; it must see the jobs of others. Required."),
    Setting(
      name: "JARVICE_SLURM_SSH_PKEY", group: .slurm, form: .secret, standard: "",
      meaning: "Its private key in OpenSSH's format (ed25519 or ecdsa), or base64 of it. Required."),
    Setting(
      name: "WEIR_SSH_KNOWN_HOSTS", group: .slurm, form: .file, standard: "",
      meaning:
        "known_hosts file that host keys are checked against. Without it the first key seen is kept in the state directory."
    ),
    Setting(
      name: "JARVICE_JOB_SCRATCH_DIR", group: .slurm, form: .scriptDirectory, standard: "",
      meaning: "Directory below which `.jarvice/<name>.out` is written. Standard: the mapped user's home directory."),
    Setting(
      name: "JARVICE_SLURMRESTD_ADDR", group: .slurm, form: .text, standard: "",
      meaning: "Accepted, not used by the interface cli."),
    Setting(
      name: "JARVICE_SLURMRESTD_PORT", group: .slurm, form: .whole(1...65_535), standard: "6820",
      meaning: "Accepted, not used by the interface cli."),
    Setting(
      name: "JARVICE_SLURMRESTD_API_VERSION", group: .slurm, form: .text, standard: "",
      meaning: "Accepted, not used by the interface cli."),
  ]

  private static let executor: [Setting] = [
    Setting(
      name: "JARVICE_BAREMETAL_EXECUTOR", group: .executor, form: .choice(["singularity"]), standard: "singularity",
      meaning: "What runs the app on the machines; Apptainer is the same program."),
    Setting(
      name: "JARVICE_SYSTEM_REGISTRY", group: .executor, form: .text, standard: "",
      meaning: "Registry of the init images."),
    Setting(
      name: "JARVICE_SYSTEM_REPO_BASE", group: .executor, form: .text, standard: "",
      meaning: "Repository below which the init images are."),
    Setting(
      name: "JARVICE_IMAGES_TAG", group: .executor, form: .text, standard: "latest",
      meaning: "Tag of the init images; one that ends in an architecture gets the job's."),
    Setting(
      name: "JARVICE_DOCKER_USERNAME", group: .executor, form: .secret, standard: "",
      meaning: "User of the system registry, base64."),
    Setting(
      name: "JARVICE_DOCKER_PASSWORD", group: .executor, form: .secret, standard: "",
      meaning: "Password of the system registry, base64."),
    Setting(
      name: "JARVICE_LOCAL_REGISTRY", group: .executor, form: .text, standard: "",
      meaning: "Registry from which all app images are pulled, as `<registry>/<base>/<app>:latest`."),
    Setting(
      name: "JARVICE_LOCAL_REPO_BASE", group: .executor, form: .text, standard: "",
      meaning: "Repository in it; required with it."),
    Setting(
      name: "JARVICE_REGISTRY_PROXY_PORT", group: .executor, form: .whole(1...65_535), standard: "",
      meaning: "Port on the machines' localhost of a proxy for registries."),
    Setting(
      name: "JARVICE_REGISTRY_PROXY_REPOS", group: .executor, form: .text, standard: "",
      meaning: "Comma list of repository prefixes that go through the proxy."),
    Setting(
      name: "JARVICE_JOB_GLOBAL_SCRATCH_DIR", group: .executor, form: .scriptDirectory, standard: "",
      meaning: "Handed to the script."),
    Setting(
      name: "JARVICE_JOB_GLOBAL_REGISTRIES", group: .executor, form: .text, standard: "",
      meaning: "Comma list of registries whose images the script keeps in the global scratch directory."),
    Setting(
      name: "JARVICE_SINGULARITY_OVERLAY_SIZE", group: .executor, form: .whole(0...1_048_576), standard: "600",
      meaning: "Megabytes of the overlay; 0 for a writable tmpfs."),
    Setting(
      name: "JARVICE_SINGULARITY_VERBOSE", group: .executor, form: .flag, standard: "false",
      meaning: "Whether the script's steps are shown."),
    Setting(
      name: "JARVICE_SINGULARITY_TMPDIR", group: .executor, form: .scriptDirectory, standard: "/tmp",
      meaning: "Directory on the machines for images while they are built."),
    Setting(
      name: "JARVICE_BAREMETAL_HTTP_PROXY", group: .executor, form: .proxy, standard: "",
      meaning: "HTTP proxy for pulling images."),
    Setting(
      name: "JARVICE_BAREMETAL_HTTPS_PROXY", group: .executor, form: .proxy, standard: "",
      meaning: "HTTPS proxy for pulling images."),
    Setting(
      name: "JARVICE_BAREMETAL_NO_PROXY", group: .executor, form: .text, standard: "",
      meaning: "Hosts that are reached without a proxy."),
  ]
}
