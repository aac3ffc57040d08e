import Access
import Foundation
import ScriptTemplates
import Support
import Tokens

/// One setting: its name in the environment, its meaning, and the values it takes.
struct Setting: Sendable {
  enum Form: Sendable {
    case text
    case secret
    case whole(ClosedRange<Int>)
    case flag
    case choice([String])
    /// A comma-separated list, each element one of these.
    case choices([String])
    /// A file that must exist and be readable.
    case file
    /// A comma list of them.
    case files
    case directory
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
    case .directories: "a comma-separated list, each \(SettingForms.directory)"
    case .scriptDirectory: SettingForms.scriptDirectory
    case .whole(let range):
      range.upperBound == Int.max
        ? "a whole number from \(range.lowerBound)" : "\(range.lowerBound) to \(range.upperBound)"
    case .flag: "true or false"
    case .choice(let words): words.joined(separator: ", ")
    case .choices(let words): "a comma-separated list of " + words.joined(separator: ", ")
    case .file: "a readable file"
    case .files: "a comma-separated list of readable files"
    case .address: "an http or https URL"
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
  /// Every setting. The parsing, the checks, `weir config` and the table in docs/settings.md are made from this table.
  static let all: [Setting] = service + http + load + callers + jobs + gpu + slurm + dummy + executor

  private static let connectors = ConnectorName.allCases.map(\.rawValue)

  private static let service: [Setting] = [
    Setting(
      name: "WEIR_BIND_ADDRESS", group: .service, form: .text, standard: "127.0.0.1",
      meaning:
        "Address to listen on: an IPv4 or IPv6 address of this machine, or its name.",
      olderNames: ["WAITRESS_BIND_ADDRESS"]),
    Setting(
      name: "WEIR_PORT", group: .service, form: .whole(0...65_535), standard: "5000",
      meaning: "TCP port to listen on. 0: any free port.", olderNames: ["WAITRESS_PORT"]),
    Setting(
      name: "WEIR_STATE_DIR", group: .service, form: .directory, standard: "",
      meaning: "Directory of the job store. Default: $STATE_DIRECTORY, else ~/.local/state/weir."),
    Setting(
      name: "JARVICE_SCHED_LOGLEVEL", group: .service, form: .choice(["10", "20", "30", "40"]), standard: "20",
      meaning: "Minimum level of log lines: 10 debug, 20 information, 30 warnings, 40 errors."),
    Setting(
      name: "WEIR_LOG_FORMAT", group: .service, form: .choice(LogLines.Form.allCases.map(\.rawValue)),
      standard: "plain",
      meaning: "Format of the log on standard error: lines of plain text, or one JSON object per line."),
    Setting(
      name: "JARVICE_BAREMETAL_CONNECTOR", group: .service,
      form: .choice(connectors + connectors.map { "connectors.\($0).connector" }), standard: "local",
      meaning:
        "Where jobs run: on this machine (local), on GPU servers over SSH (gpu), on a Slurm cluster (slurm), or nowhere (dummy only simulates jobs)."
    ),
  ]

  private static let http: [Setting] = [
    Setting(
      name: "WEIR_HTTP_REQUEST_LINE", group: .http, form: .whole(16...65_536), standard: "8192",
      meaning: "Maximum bytes of a request line (longer: 414)."),
    Setting(
      name: "WEIR_HTTP_HEADER_BYTES", group: .http, form: .whole(256...1_048_576), standard: "32768",
      meaning: "Maximum bytes of all header fields together (more: 431)."),
    Setting(
      name: "WEIR_HTTP_HEADER_COUNT", group: .http, form: .whole(1...10_000), standard: "100",
      meaning: "Maximum number of header fields (more: 431)."),
    Setting(
      name: "WEIR_HTTP_BODY_BYTES", group: .http, form: .whole(0...1_073_741_824), standard: "16777216",
      meaning: "Maximum bytes of a request body (larger: 413). Some calls have their own limit."),
    Setting(
      name: "WEIR_HTTP_UNFINISHED_BODIES", group: .http, form: .whole(1_048_576...Int.max), standard: "268435456",
      meaning:
        "Maximum bytes of all request bodies in memory (more: 503). Unauthenticated clients may use half of it; one caller, or one network of unauthenticated clients, an eighth."
    ),
    Setting(
      name: "WEIR_HTTP_HEADER_SECONDS", group: .http, form: .whole(1...3600), standard: "10",
      meaning: "Maximum seconds from the first byte of a request to the end of its header fields (longer: 408)."),
    Setting(
      name: "WEIR_HTTP_BODY_IDLE_SECONDS", group: .http, form: .whole(1...3600), standard: "30",
      meaning: "Maximum seconds between two parts of a request body (longer: 408)."),
    Setting(
      name: "WEIR_HTTP_BODY_RATE", group: .http, form: .whole(0...1_000_000_000), standard: "500",
      meaning:
        "Minimum transfer rate in bytes per second for request bodies (slower: 408) and for responses (slower: closed). 0 disables the check."
    ),
    Setting(
      name: "WEIR_HTTP_KEEP_ALIVE_SECONDS", group: .http, form: .whole(1...86_400), standard: "75",
      meaning: "Seconds that an idle connection stays open after a response."),
    Setting(
      name: "WEIR_HTTP_WRITE_STALL_SECONDS", group: .http, form: .whole(1...3600), standard: "30",
      meaning: "Seconds after which Weir closes the connection of a client that reads nothing of its response."),
    Setting(
      name: "WEIR_HTTP_TUNNEL_IDLE_SECONDS", group: .http, form: .whole(1...604_800), standard: "3600",
      meaning: "Seconds without traffic after which a tunnel (an upgraded connection) is closed."),
    Setting(
      name: "WEIR_HTTP_LINGER_SECONDS", group: .http, form: .whole(0...3600), standard: "10",
      meaning:
        "Seconds that Weir goes on reading from a client after the last response of a connection, so that the client can receive it."
    ),
    Setting(
      name: "WEIR_HTTP_CONNECTIONS", group: .http, form: .whole(1...1_000_000), standard: "10000",
      meaning:
        "Maximum number of open connections. At the limit, a new connection replaces one that waits for its client: first the one with the oldest unfinished header, then the one idle for longest. If there is none, the response is 503."
    ),
    Setting(
      name: "WEIR_HTTP_PIPELINED", group: .http, form: .whole(1...10_000), standard: "64",
      meaning: "Number of pipelined requests of one connection that Weir answers before it serves other connections."),
  ]

  private static let callers: [Setting] = [
    Setting(
      name: "JARVICE_SCHED_SERVER_KEY", group: .callers, form: .secret, standard: "",
      meaning:
        "`user:password` with which the upstream authenticates (HTTP Basic). Several keys are separated by commas."),
    Setting(
      name: "WEIR_AUTH", group: .callers, form: .choice(["required", "none"]), standard: "required",
      meaning: "`none` serves everybody without authentication. Allowed only if Weir listens on a loopback address."),
    Setting(
      name: "WEIR_JWT_KEY_FILE", group: .callers, form: .files, standard: "",
      meaning:
        "Comma-separated files with the keys that verify bearer tokens: each a PEM public key, or a secret of at least 32 bytes for HS*. Weir reads them again when they change."
    ),
    Setting(
      name: "WEIR_JWT_JWKS_FILE", group: .callers, form: .file, standard: "",
      meaning:
        "JSON Web Key Set (RFC 7517) with the keys that verify bearer tokens. Weir reads it again when it changes."),
    Setting(
      name: "WEIR_JWT_JWKS_URL", group: .callers, form: .address, standard: "",
      meaning: "URL of a JSON Web Key Set. Weir fetches it every five minutes, and when a token names an unknown key."),
    Setting(
      name: "WEIR_JWT_ALGORITHMS", group: .callers, form: .choices(Algorithm.allCases.map(\.rawValue)), standard: "",
      meaning:
        "Signature algorithms that tokens may use; each must fit a key. Default: all that fit the keys."),
    Setting(
      name: "WEIR_JWT_ISSUER", group: .callers, form: .text, standard: "",
      meaning:
        "Required value of `iss` in bearer tokens. Must be set if tokens are configured; an empty value accepts any issuer.",
      takesEmpty: true),
    Setting(
      name: "WEIR_JWT_AUDIENCE", group: .callers, form: .text, standard: "",
      meaning:
        "Required value in `aud` of bearer tokens. Must be set if tokens are configured; an empty value accepts any audience.",
      takesEmpty: true),
    Setting(
      name: "WEIR_JWT_LEEWAY", group: .callers, form: .whole(0...600), standard: "30",
      meaning: "Maximum difference in seconds between the clocks of the token issuer and of Weir."),
    Setting(
      name: "WEIR_USER_CLAIM", group: .callers, form: .text, standard: "email",
      meaning: "Claim of a token that holds the user's name.", olderNames: ["JARVICE_SLURM_USERNAME_CLAIM"]),
    Setting(
      name: "WEIR_ADMIN_CLAIM", group: .callers, form: .text, standard: "",
      meaning:
        "`claim:value`: users whose token has this value in this claim are administrators, and can see and end all jobs."
    ),
    Setting(
      name: "WEIR_USER_MAPPING", group: .callers, form: .choice(UserDirectory.Mapping.allCases.map(\.rawValue)),
      standard: "file",
      meaning:
        "How Weir finds the account of a user: `file`: in the users file; `claim`: the claim's value is the account. Never root or a system account."
    ),
    Setting(
      name: "WEIR_USERS_FILE", group: .callers, form: .text, standard: "users_id_mapping_configuration.yaml",
      meaning:
        "YAML file that maps users to accounts and their SSH keys. Weir reads it again when it changes. It may be missing if WEIR_USER_MAPPING is `claim`."
    ),
    Setting(
      name: "WEIR_SSH_PASSPHRASE", group: .callers, form: .secret, standard: "",
      meaning: "Passphrase of the SSH private keys that are encrypted."),
    Setting(
      name: "WEIR_VAULT_ROOTS", group: .callers, form: .directories, standard: "",
      meaning:
        "Comma-separated absolute directories of the cluster that `/request/pvcls` may list, with all directories below them. Default: none."
    ),
  ]

  private static let gpu: [Setting] = [
    Setting(
      name: "WEIR_SERVERS_FILE", group: .gpu, form: .file, standard: "",
      meaning:
        "YAML file that lists the servers of the connector gpu, the preferred ones first. Weir reads it again when it changes. Required by the connector gpu."
    ),
    Setting(
      name: "WEIR_LOCAL_GPUS", group: .gpu, form: .text, standard: "auto",
      meaning:
        "GPUs of this machine that the connector local gives to jobs: `auto` for those that nvidia-smi lists, or a number."
    ),
    Setting(
      name: "WEIR_CANCEL_GRACE", group: .gpu, form: .whole(1...3600), standard: "10",
      meaning: "Seconds between SIGTERM and SIGKILL for a job that was canceled or reached its time limit."),
  ]

  private static let slurm: [Setting] = [
    Setting(
      name: "JARVICE_SLURM_INTERFACE", group: .slurm, form: .choice(["cli"]), standard: "cli",
      meaning: "How Weir uses Slurm: `cli` runs Slurm's commands over SSH."),
    Setting(
      name: "JARVICE_SLURM_CLUSTER_ADDR", group: .slurm, form: .text, standard: "",
      meaning: "Host name or address of a login node. Required."),
    Setting(
      name: "JARVICE_SLURM_CLUSTER_PORT", group: .slurm, form: .whole(1...65_535), standard: "22",
      meaning: "SSH port of the login node."),
    Setting(
      name: "JARVICE_SLURM_SSH_USER", group: .slurm, form: .text, standard: "",
      meaning: "Polling account: it lists the queue, and must be allowed to see the jobs of other users. Required."),
    Setting(
      name: "JARVICE_SLURM_SSH_PKEY", group: .slurm, form: .secret, standard: "",
      meaning: "Private key of the polling account in OpenSSH format (ed25519 or ecdsa), or base64 of it. Required."),
    Setting(
      name: "WEIR_SSH_KNOWN_HOSTS", group: .slurm, form: .file, standard: "",
      meaning:
        "known_hosts file with the host keys of the SSH servers. Without it, Weir trusts the first key that a host offers, and keeps it in the state directory."
    ),
    Setting(
      name: "JARVICE_JOB_SCRATCH_DIR", group: .slurm, form: .scriptDirectory, standard: "",
      meaning:
        "Directory in which the output of jobs is written, as `.jarvice/<name>.out`. Default: the home directory of the user's account."
    ),
    Setting(
      name: "JARVICE_SLURMRESTD_ADDR", group: .slurm, form: .text, standard: "",
      meaning: "Accepted for compatibility; the interface cli does not use it."),
    Setting(
      name: "JARVICE_SLURMRESTD_PORT", group: .slurm, form: .whole(1...65_535), standard: "6820",
      meaning: "Accepted for compatibility; the interface cli does not use it."),
    Setting(
      name: "JARVICE_SLURMRESTD_API_VERSION", group: .slurm, form: .text, standard: "",
      meaning: "Accepted for compatibility; the interface cli does not use it."),
  ]

  private static let executor: [Setting] = [
    Setting(
      name: "JARVICE_BAREMETAL_EXECUTOR", group: .executor, form: .choice(["singularity"]), standard: "singularity",
      meaning: "Container program that runs the app on the machines. `singularity` is also the name for Apptainer."),
    Setting(
      name: "JARVICE_SYSTEM_REGISTRY", group: .executor, form: .text, standard: "",
      meaning: "Registry of the init images."),
    Setting(
      name: "JARVICE_SYSTEM_REPO_BASE", group: .executor, form: .text, standard: "",
      meaning: "Repository prefix of the init images."),
    Setting(
      name: "JARVICE_IMAGES_TAG", group: .executor, form: .text, standard: "latest",
      meaning:
        "Tag of the init images. If it ends in an architecture, Weir replaces that by the architecture of the job."),
    Setting(
      name: "JARVICE_DOCKER_USERNAME", group: .executor, form: .secret, standard: "",
      meaning: "User name for the system registry, in base64."),
    Setting(
      name: "JARVICE_DOCKER_PASSWORD", group: .executor, form: .secret, standard: "",
      meaning: "Password for the system registry, in base64."),
    Setting(
      name: "JARVICE_LOCAL_REGISTRY", group: .executor, form: .text, standard: "",
      meaning: "Registry from which all app images are pulled, as `<registry>/<base>/<app>:latest`."),
    Setting(
      name: "JARVICE_LOCAL_REPO_BASE", group: .executor, form: .text, standard: "",
      meaning: "Repository prefix in the local registry. Required with JARVICE_LOCAL_REGISTRY."),
    Setting(
      name: "JARVICE_REGISTRY_PROXY_PORT", group: .executor, form: .whole(1...65_535), standard: "",
      meaning: "Port of a registry proxy on localhost of the machines."),
    Setting(
      name: "JARVICE_REGISTRY_PROXY_REPOS", group: .executor, form: .text, standard: "",
      meaning: "Comma-separated repository prefixes whose images are pulled through the registry proxy."),
    Setting(
      name: "JARVICE_JOB_GLOBAL_SCRATCH_DIR", group: .executor, form: .scriptDirectory, standard: "",
      meaning: "Global scratch directory, passed to the script."),
    Setting(
      name: "JARVICE_JOB_GLOBAL_REGISTRIES", group: .executor, form: .text, standard: "",
      meaning: "Comma-separated registries whose images the script keeps in the global scratch directory."),
    Setting(
      name: "JARVICE_SINGULARITY_OVERLAY_SIZE", group: .executor, form: .whole(0...1_048_576), standard: "600",
      meaning: "Size of the overlay in megabytes. 0: a writable tmpfs."),
    Setting(
      name: "JARVICE_SINGULARITY_VERBOSE", group: .executor, form: .flag, standard: "false",
      meaning: "Whether the script prints its steps."),
    Setting(
      name: "JARVICE_SINGULARITY_TMPDIR", group: .executor, form: .scriptDirectory, standard: "/tmp",
      meaning: "Directory on the machines in which images are built."),
    Setting(
      name: "JARVICE_BAREMETAL_HTTP_PROXY", group: .executor, form: .proxy, standard: "",
      meaning: "HTTP proxy for pulling images."),
    Setting(
      name: "JARVICE_BAREMETAL_HTTPS_PROXY", group: .executor, form: .proxy, standard: "",
      meaning: "HTTPS proxy for pulling images."),
    Setting(
      name: "JARVICE_BAREMETAL_NO_PROXY", group: .executor, form: .text, standard: "",
      meaning: "Hosts that are reached without the proxy."),
  ]
}
