import Access
import Foundation
import GPUConnector
import JobEngine
import JobModel
import JobStoreSQLite
import SSH
import Support
import Tokens

/// Something wrong with the settings.
struct SettingsFault: Sendable, Equatable, CustomStringConvertible {
  let name: String
  let sentence: String
  var description: String { "\(name): \(sentence)" }
}

/// All that is wrong with the settings, reported at once.
struct SettingsError: Error, CustomStringConvertible {
  let faults: [SettingsFault]
  var description: String {
    "the settings are wrong:\n" + faults.map { "  \($0)" }.joined(separator: "\n")
  }
}

/// The settings in force, from the environment.
struct Settings: Sendable {
  /// Each setting's value, and the variable it came from; nil for the default value.
  private let values: [String: (value: String, source: String?)]

  /// How bearer tokens are verified; nil when none are taken.
  let tokens: TokenSettings?
  /// Where users are found, and what the users file says.
  let userDirectory: UserDirectory.Configuration
  let users: Users
  /// Where jobs run.
  let connector: ConnectorName
  /// Files that these settings are read from beside the environment, and whether each holds a secret; as they are now.
  var files: [(name: String, path: String, holdsSecret: Bool)] { Self.files(values, connector) }
  /// Variables that look like settings and that nothing reads, one sentence each.
  let unknown: [String]

  /// Reads and checks all settings.
  /// - Throws: a ``SettingsError`` with everything that is wrong.
  init(environment: [String: String]) throws {
    var faults: [SettingsFault] = []
    let unread: Set<String>
    (values, unread, unknown) = Self.read(environment, &faults)
    let values = values
    func value(_ name: String) -> String { values[name]?.value ?? "" }
    func require(_ condition: Bool, _ name: String, _ sentence: @autoclosure () -> String) {
      if !condition, !unread.contains(name) { faults.append(.init(name: name, sentence: sentence())) }
    }

    tokens = TokenSettings(value, &faults)
    if let fault = BindAddress.fault(value("WEIR_BIND_ADDRESS")) {
      faults.append(.init(name: values["WEIR_BIND_ADDRESS"]?.source ?? "WEIR_BIND_ADDRESS", sentence: fault))
    }
    let loopback = ["127.0.0.1", "::1", "localhost"].contains(value("WEIR_BIND_ADDRESS"))
    if value("WEIR_AUTH") == "none" {
      require(loopback, "WEIR_AUTH", "none is allowed only if WEIR_BIND_ADDRESS is a loopback address")
    } else {
      require(
        !Setting.list(value("JARVICE_SCHED_SERVER_KEY")).isEmpty || tokens != nil, "JARVICE_SCHED_SERVER_KEY",
        "no client could authenticate: set it or WEIR_JWT_KEY_FILE, or WEIR_AUTH=none for no authentication")
    }
    for key in Setting.list(value("JARVICE_SCHED_SERVER_KEY")) {
      let parts = key.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      require(
        parts.count == 2 && parts.allSatisfy { !$0.allSatisfy(\.isWhitespace) }, "JARVICE_SCHED_SERVER_KEY",
        "a key has no user or no password: expected user:password, several separated by commas")
    }
    if tokens != nil {
      for (name, claim) in [("WEIR_JWT_ISSUER", "iss"), ("WEIR_JWT_AUDIENCE", "aud")] {
        require(
          values[name]?.source != nil, name,
          "required if tokens are configured: the expected value of '\(claim)'; an empty value accepts any")
      }
    }
    let admin = value("WEIR_ADMIN_CLAIM")
    require(admin.isEmpty || Self.claim(admin) != nil, "WEIR_ADMIN_CLAIM", "expected claim:value")
    // Also of one that follows from other variables.
    if !faults.contains(where: { $0.name == "WEIR_STATE_DIR" }),
      let fault = SettingForms.fault(ofStateDirectory: value("WEIR_STATE_DIR"))
    {
      faults.append(.init(name: "WEIR_STATE_DIR", sentence: fault))
    }
    require(
      value("JARVICE_LOCAL_REGISTRY").isEmpty || !value("JARVICE_LOCAL_REPO_BASE").isEmpty, "JARVICE_LOCAL_REPO_BASE",
      "required with JARVICE_LOCAL_REGISTRY")
    for name in ["JARVICE_DOCKER_USERNAME", "JARVICE_DOCKER_PASSWORD"] {
      require(Data(base64Encoded: value(name)) != nil, name, "expected base64")
    }

    let named = ConnectorName(setting: value("JARVICE_BAREMETAL_CONNECTOR"))
    if named == nil, !faults.contains(where: { $0.name == "JARVICE_BAREMETAL_CONNECTOR" }) {
      faults.append(.init(name: "JARVICE_BAREMETAL_CONNECTOR", sentence: "unknown connector"))
    }
    // With another name these settings end in the error.
    let connector = named ?? .dummy
    self.connector = connector
    for file in Self.files(values, connector) {
      guard let access = FileAccess(of: file.path, holdsSecret: file.holdsSecret), access.isRefused else { continue }
      faults.append(.init(name: file.name, sentence: access.sentence))
    }
    require(
      connector != .gpu || !value("WEIR_SERVERS_FILE").isEmpty, "WEIR_SERVERS_FILE", "required by the connector gpu")
    require(
      value("WEIR_LOCAL_GPUS") == "auto" || ValueRule.whole(value("WEIR_LOCAL_GPUS")).map((0...1024).contains) == true,
      "WEIR_LOCAL_GPUS", "expected auto, or a number from 0 to 1024")
    require(
      connector != .local || geteuid() != 0, "JARVICE_BAREMETAL_CONNECTOR",
      "the connector local runs jobs as the account of Weir, and never as root: start Weir as another account")
    let readKey = PrivateKey.reader(passphrase: value("WEIR_SSH_PASSPHRASE"))
    let serversFile = value("WEIR_SERVERS_FILE")
    // The form of the setting says already that a file cannot be read.
    if connector == .gpu, UnreadableFile.reason(serversFile) == nil {
      let path = serversFile
      faults += GPUConnector.faults(inServersFile: path, readKey: readKey)
        .map { .init(name: "WEIR_SERVERS_FILE", sentence: "\(path): \($0)") }
    }
    var directory = UserDirectory.Configuration(readKey: readKey)
    guard connector == .slurm else {
      (users, userDirectory) = (.none, directory)
      if !faults.isEmpty { throw SettingsError(faults: faults) }
      return
    }
    for name in [
      "JARVICE_SLURM_CLUSTER_ADDR", "JARVICE_SLURM_SSH_USER", "JARVICE_SLURM_SSH_PKEY", "JARVICE_SYSTEM_REGISTRY",
      "JARVICE_SYSTEM_REPO_BASE",
    ] {
      require(!value(name).isEmpty, name, "required by the connector slurm")
    }
    require(tokens != nil, "WEIR_JWT_KEY_FILE", "required by the connector slurm: a token names the user of each job")
    directory.mapping = .init(rawValue: value("WEIR_USER_MAPPING")) ?? .file
    directory.path = value("WEIR_USERS_FILE")
    directory.observer = value("JARVICE_SLURM_SSH_USER")
    directory.observerKey = Self.key(
      value("JARVICE_SLURM_SSH_PKEY"), directory.readKey, source: values["JARVICE_SLURM_SSH_PKEY"]?.source, &faults)
    userDirectory = directory
    let mayBeMissing = directory.mapping == .claim && values["WEIR_USERS_FILE"]?.source == nil
    users =
      mayBeMissing && !FileManager.default.fileExists(atPath: directory.path)
      ? .none : Self.users(directory, &faults)
    if !faults.isEmpty { throw SettingsError(faults: faults) }
  }

  private static func users(_ directory: UserDirectory.Configuration, _ faults: inout [SettingsFault]) -> Users {
    if let reason = UnreadableFile.reason(directory.path) {
      faults.append(
        .init(name: "WEIR_USERS_FILE", sentence: "\(directory.path): the file cannot be read: \(reason)"))
      return .none
    }
    do { return try Users(path: directory.path, readKey: directory.readKey) } catch {
      faults.append(.init(name: "WEIR_USERS_FILE", sentence: "\(directory.path): \(error.sentence)"))
      return .none
    }
  }

  /// `claim:value` in two parts.
  static func claim(_ text: String) -> (name: String, value: String)? {
    let parts = text.split(separator: ":", maxSplits: 1)
    return parts.count == 2 ? (String(parts[0]), String(parts[1])) : nil
  }

  private static func read(
    _ environment: [String: String], _ faults: inout [SettingsFault]
  ) -> (values: [String: (value: String, source: String?)], unread: Set<String>, unknown: [String]) {
    var values: [String: (value: String, source: String?)] = [:]
    // Settings whose file cannot be read: no other error is reported for them.
    var unread: Set<String> = []
    for setting in Setting.all {
      let source = ([setting.name] + setting.olderNames).first {
        environment[$0].map { !$0.isEmpty || setting.takesEmpty } ?? false
      }
      var (value, origin) = (source.flatMap { environment[$0] } ?? standard(setting, environment), source)
      if let name = setting.fileName, let path = environment[name], !path.isEmpty {
        if source != nil {
          faults.append(.init(name: name, sentence: "\(setting.name) is set too; set only one of them"))
        }
        let contents = contents(of: path, name, &faults)
        if contents == nil { unread.insert(setting.name) }
        (value, origin) = (contents ?? "", name)
        values[name] = (path, name)
      }
      if let origin, !unread.contains(setting.name), let fault = setting.fault(value) {
        faults.append(.init(name: origin, sentence: fault))
      }
      values[setting.name] = (value, origin)
    }
    let known = Set(Setting.all.flatMap { [$0.name] + ($0.fileName.map { [$0] } ?? []) })
    for name in environment.keys.sorted() where name.hasPrefix("WEIR_") && !known.contains(name) {
      faults.append(.init(name: name, sentence: unknownSentence(name, known)))
    }
    // The environment may hold variables for other programs of the platform: these are only warnings.
    let older = Set(Setting.all.flatMap(\.olderNames))
    let unknown = environment.keys.sorted()
      .filter { $0.hasPrefix("JARVICE_") && !known.contains($0) && !older.contains($0) }
      .map { "\($0): \(unknownSentence($0, known)); it has no effect" }
    return (values, unread, unknown)
  }

  private static func unknownSentence(_ name: String, _ known: Set<String>) -> String {
    "unknown setting" + (near(name, known).map { "; is \($0) meant?" } ?? "")
  }

  /// The setting that is meant by a name: two letters off, or with the same last two words.
  private static func near(_ name: String, _ known: Set<String>) -> String? {
    func ending(_ name: String) -> [Substring]? {
      let words = name.split(separator: "_")
      return words.count > 3 ? Array(words.suffix(2)) : nil
    }
    let names = known.sorted()
    if let near = NearMiss.of(name, among: names) { return near }
    let alike = NearMiss.ranked(names, by: name).map(\.name).filter { ending($0) != nil && ending($0) == ending(name) }
    let words = name.split(separator: "_").count
    return alike.first { $0.split(separator: "_").count == words } ?? alike.first
  }

  private static func files(
    _ values: [String: (value: String, source: String?)], _ connector: ConnectorName
  ) -> [(name: String, path: String, holdsSecret: Bool)] {
    func value(_ name: String) -> String { values[name]?.value ?? "" }
    var files: [(name: String, path: String, holdsSecret: Bool)] = []
    for setting in Setting.all {
      if let name = setting.fileName, let path = values[name]?.value { files.append((name, path, true)) }
    }
    for path in Setting.list(value("WEIR_JWT_KEY_FILE")) {
      files.append(("WEIR_JWT_KEY_FILE", path, FileAccess.holdsSecret(keyFile: path)))
    }
    for name in ["WEIR_JWT_JWKS_FILE", "WEIR_SSH_KNOWN_HOSTS"] where !value(name).isEmpty {
      files.append((name, value(name), false))
    }
    switch connector {
    case .slurm: files.append(("WEIR_USERS_FILE", value("WEIR_USERS_FILE"), true))
    case .gpu:
      let path = value("WEIR_SERVERS_FILE")
      let secrets = GPUConnector.secrets(inServersFile: path)
      files.append(("WEIR_SERVERS_FILE", path, secrets.isSecret))
      files += secrets.keyFiles.map { ("WEIR_SERVERS_FILE", $0, true) }
    case .local, .dummy: break
    }
    files.append(("WEIR_STATE_DIR", value("WEIR_STATE_DIR") + "/seal.key", true))
    return files.filter { !$0.path.isEmpty }
  }

  /// The secret in a file, without the line end that files have.
  /// - Returns: nil after a fault.
  private static func contents(of path: String, _ name: String, _ faults: inout [SettingsFault]) -> String? {
    func fault(_ reason: String) -> String? {
      faults.append(.init(name: name, sentence: "\(path) \(reason)"))
      return nil
    }
    let bytes: [UInt8]
    do { bytes = try BoundedFile.read(path, most: NamedFile.secret) } catch { return fault("\(error)") }
    guard var text = String(validating: bytes, as: UTF8.self) else { return fault("is not UTF-8 text") }
    if text.last?.isNewline == true { text.removeLast() }
    return text.isEmpty ? fault("is empty") : text
  }

  private static func standard(_ setting: Setting, _ environment: [String: String]) -> String {
    setting.name == "WEIR_STATE_DIR" ? stateDirectory(environment) : setting.standard
  }

  /// Seconds for which output is kept that nobody asks for, for commands that need no other setting.
  /// - Throws: a ``SettingsError`` when that setting is wrong.
  static func unclaimedOutput(_ environment: [String: String]) throws -> TimeInterval {
    let name = "WEIR_KEEP_OUTPUT"
    let setting = Setting.all.first { $0.name == name }
    let value = environment[name].flatMap { $0.isEmpty ? nil : $0 } ?? setting?.standard ?? ""
    let fault = setting?.fault(value)
    guard let seconds = ValueRule.whole(value), fault == nil else {
      throw SettingsError(faults: [.init(name: name, sentence: fault ?? "expected a whole number")])
    }
    return JobService.Configuration.unclaimedOutput(keeping: TimeInterval(seconds))
  }

  /// The default directory of the job store.
  static func stateDirectory(_ environment: [String: String]) -> String {
    if let directory = environment["STATE_DIRECTORY"], !directory.isEmpty {
      return String(directory.prefix { $0 != ":" })
    }
    return (environment["HOME"] ?? NSHomeDirectory()) + "/.local/state/weir"
  }

  private static func key(
    _ text: String, _ readKey: KeyReader, source: String?, _ faults: inout [SettingsFault]
  ) -> PrivateKey? {
    guard !text.isEmpty else { return nil }
    do { return try readKey(text) } catch {
      faults.append(.init(name: source ?? "JARVICE_SLURM_SSH_PKEY", sentence: "\(error)"))
      return nil
    }
  }

  // MARK: Values

  /// Reads private keys, with the passphrase for those that are encrypted.
  var readKey: KeyReader { PrivateKey.reader(passphrase: text("WEIR_SSH_PASSPHRASE")) }

  /// The variables whose values are secrets.
  static var secretNames: [String] {
    Setting.all.filter { $0.fileName != nil }.flatMap { [$0.name] + $0.olderNames }
  }

  /// What is wrong now and keeps nothing from working, one sentence each. Looks at the files as they are now.
  var warnings: [String] {
    var seen: Set<String> = []
    let access = files.filter { seen.insert($0.path).inserted }
      .compactMap { FileAccess(of: $0.path, holdsSecret: $0.holdsSecret)?.sentence }
    return access + exposure
  }

  /// Jobs on this machine run as Weir's own account.
  private var exposure: [String] {
    switch connector {
    case .gpu, .slurm, .dummy: return []
    case .local:
      guard text("WEIR_AUTH") != "none" else { return [] }
      return [
        "JARVICE_BAREMETAL_CONNECTOR: jobs of the connector local run as the account of Weir, and can read its secrets and"
          + " its state directory; for jobs of users you do not trust, list this machine in WEIR_SERVERS_FILE with an account"
          + " of its own and use the connector gpu"
      ]
    }
  }

  func text(_ name: String) -> String { values[name]?.value ?? "" }
  func whole(_ name: String) -> Int { Int(text(name)) ?? 0 }
  func flag(_ name: String) -> Bool { text(name).lowercased() == "true" }
  func list(_ name: String) -> [String] { Setting.list(text(name)) }
  func decoded(_ name: String) -> String {
    Data(base64Encoded: text(name)).map { String(decoding: $0, as: UTF8.self) } ?? ""
  }

  /// The effective settings, one a line, secrets masked.
  var listing: String {
    "# Algorithms of tokens that the installed libjwt verifies: "
      + Algorithm.available.map(\.rawValue).joined(separator: ", ") + "\n\n"
      + Setting.Group.allCases.map { group in
        let lines = Setting.all.filter { $0.group == group }.map { setting in
          let (value, source) = values[setting.name] ?? ("", nil)
          let origin = source.map { $0 == setting.name ? "" : "  # from \($0)" } ?? "  # default"
          return "\(setting.name)=\(setting.shown(value))\(origin)"
        }
        return "# \(group.rawValue)\n" + lines.joined(separator: "\n") + "\n"
      }.joined(separator: "\n")
  }

  /// The table of all settings in docs/settings.md.
  static var markdown: String {
    Setting.Group.allCases.map { group in
      let rows = Setting.all.filter { $0.group == group }.map { setting in
        let older = setting.olderNames.map { " Older name: `\($0)`." }.joined()
        let standard = setting.standard.isEmpty ? "" : "`\(setting.standard)`"
        let file = setting.fileName.map { " Or `\($0)`, a file that holds it." } ?? ""
        return "| `\(setting.name)` | \(standard) | \(setting.expected) | \(setting.meaning)\(older)\(file) |"
      }
      return "**\(group.rawValue)**\n\n| name | default | expected | meaning |\n|---|---|---|---|\n"
        + rows.joined(separator: "\n") + "\n"
    }.joined(separator: "\n")
  }
}
