import Foundation
import SSH
import Tokens

/// Something wrong with the settings.
struct SettingsFault: Sendable, Equatable, CustomStringConvertible {
  let name: String
  let sentence: String
  var description: String { "\(name): \(sentence)" }
}

/// All that is wrong with the settings, to be told at once.
struct SettingsError: Error, CustomStringConvertible {
  let faults: [SettingsFault]
  var description: String {
    "the settings are wrong:\n" + faults.map { "  \($0)" }.joined(separator: "\n")
  }
}

/// The settings in force, from the environment.
struct Settings: Sendable {
  /// Each setting's value, and the variable it came from; nil for the standard value.
  private let values: [String: (value: String, source: String?)]

  let tokenVerifier: TokenVerifier?
  let users: Users
  /// The key of the account that observes the queue.
  let observerKey: PrivateKey?

  /// Reads and checks all settings.
  /// - Throws: a ``SettingsError`` with everything that is wrong.
  init(environment: [String: String]) throws {
    var faults: [SettingsFault] = []
    values = Self.read(environment, &faults)
    let values = values
    func value(_ name: String) -> String { values[name]?.value ?? "" }

    let loopback = ["127.0.0.1", "::1", "localhost"].contains(value("WEIR_BIND_ADDRESS"))
    let authenticated = !value("JARVICE_SCHED_SERVER_KEY").isEmpty || !value("WEIR_JWT_KEY_FILE").isEmpty
    if value("WEIR_AUTH") == "none" {
      if !loopback {
        faults.append(.init(name: "WEIR_AUTH", sentence: "none is taken only when WEIR_BIND_ADDRESS is loopback"))
      }
    } else if !authenticated {
      faults.append(
        .init(
          name: "JARVICE_SCHED_SERVER_KEY",
          sentence: "nobody could call: set it or WEIR_JWT_KEY_FILE, or WEIR_AUTH=none for no authentication at all"))
    }
    for key in Setting.list(value("JARVICE_SCHED_SERVER_KEY")) where !key.contains(":") {
      faults.append(
        .init(
          name: "JARVICE_SCHED_SERVER_KEY",
          sentence: "a key without ':'; user:password is expected, and commas part several"))
    }
    for root in Setting.list(value("WEIR_VAULT_ROOTS")) where !root.hasPrefix("/") {
      faults.append(.init(name: "WEIR_VAULT_ROOTS", sentence: "'\(root)' is wrong: an absolute directory is expected"))
    }
    for (name, other) in [("JARVICE_LOCAL_REGISTRY", "JARVICE_LOCAL_REPO_BASE")]
    where !value(name).isEmpty && value(other).isEmpty {
      faults.append(.init(name: other, sentence: "required with \(name)"))
    }
    for name in ["JARVICE_DOCKER_USERNAME", "JARVICE_DOCKER_PASSWORD"] where Data(base64Encoded: value(name)) == nil {
      faults.append(.init(name: name, sentence: "base64 is expected"))
    }
    tokenVerifier = Self.tokenVerifier(value("WEIR_JWT_KEY_FILE"), value("WEIR_JWT_ALGORITHMS"), &faults)

    let connector = Self.connector(value("JARVICE_BAREMETAL_CONNECTOR"))
    if connector.isEmpty {
      faults.append(.init(name: "JARVICE_BAREMETAL_CONNECTOR", sentence: "required: slurm or dummy"))
    }
    if connector == "slurm" {
      for name in [
        "JARVICE_SLURM_CLUSTER_ADDR", "JARVICE_SLURM_SSH_USER", "JARVICE_SLURM_SSH_PKEY", "JARVICE_SYSTEM_REGISTRY",
        "JARVICE_SYSTEM_REPO_BASE",
      ] where value(name).isEmpty {
        faults.append(.init(name: name, sentence: "required by the connector slurm"))
      }
      if value("WEIR_JWT_KEY_FILE").isEmpty {
        faults.append(
          .init(name: "WEIR_JWT_KEY_FILE", sentence: "required by the connector slurm: the token names a job's user"))
      }
      users = Users.read(value("WEIR_USERS_FILE"), &faults)
      observerKey = Self.key(value("JARVICE_SLURM_SSH_PKEY"), &faults)
    } else {
      users = .none
      observerKey = nil
    }
    if !faults.isEmpty { throw SettingsError(faults: faults) }
  }

  private static func read(
    _ environment: [String: String], _ faults: inout [SettingsFault]
  ) -> [String: (value: String, source: String?)] {
    var values: [String: (value: String, source: String?)] = [:]
    for setting in Setting.all {
      let source = ([setting.name] + setting.olderNames).first { environment[$0]?.isEmpty == false }
      let value = source.flatMap { environment[$0] } ?? standard(setting, environment)
      if let source, let fault = setting.fault(value) { faults.append(.init(name: source, sentence: fault)) }
      values[setting.name] = (value, source)
    }
    let known = Set(Setting.all.map(\.name))
    for name in environment.keys.sorted() where name.hasPrefix("WEIR_") && !known.contains(name) {
      let near = known.min { distance($0, name) < distance($1, name) }.flatMap { distance($0, name) <= 2 ? $0 : nil }
      faults.append(
        .init(name: name, sentence: "there is no such setting" + (near.map { "; is \($0) meant?" } ?? "")))
    }
    return values
  }

  private static func standard(_ setting: Setting, _ environment: [String: String]) -> String {
    guard setting.name == "WEIR_STATE_DIR" else { return setting.standard }
    if let directory = environment["STATE_DIRECTORY"], !directory.isEmpty {
      return String(directory.prefix { $0 != ":" })
    }
    return (environment["HOME"] ?? NSHomeDirectory()) + "/.local/state/weir"
  }

  private static func tokenVerifier(
    _ file: String, _ algorithms: String, _ faults: inout [SettingsFault]
  ) -> TokenVerifier? {
    guard !file.isEmpty, let contents = try? Data(contentsOf: URL(fileURLWithPath: file)) else { return nil }
    do {
      return try TokenVerifier(
        key: VerificationKey(contents: [UInt8](contents)),
        algorithms: Setting.list(algorithms).compactMap(Algorithm.init(rawValue:)))
    } catch {
      faults.append(.init(name: "WEIR_JWT_KEY_FILE", sentence: "\(file): \(error)"))
      return nil
    }
  }

  private static func key(_ text: String, _ faults: inout [SettingsFault]) -> PrivateKey? {
    guard !text.isEmpty else { return nil }
    do { return try PrivateKey(text: text) } catch {
      faults.append(.init(name: "JARVICE_SLURM_SSH_PKEY", sentence: "\(error)"))
      return nil
    }
  }

  private static func connector(_ value: String) -> String {
    value.replacingOccurrences(of: "connectors.", with: "").replacingOccurrences(of: ".connector", with: "")
  }

  // MARK: Values

  /// The name of the connector: `slurm` or `dummy`.
  var connector: String { Self.connector(text("JARVICE_BAREMETAL_CONNECTOR")) }

  func text(_ name: String) -> String { values[name]?.value ?? "" }
  func whole(_ name: String) -> Int { Int(text(name)) ?? 0 }
  func flag(_ name: String) -> Bool { text(name).lowercased() == "true" }
  func list(_ name: String) -> [String] { Setting.list(text(name)) }
  func decoded(_ name: String) -> String {
    Data(base64Encoded: text(name)).map { String(decoding: $0, as: UTF8.self) } ?? ""
  }

  /// The effective settings, one a line, secrets masked.
  var listing: String {
    Setting.Group.allCases.map { group in
      let lines = Setting.all.filter { $0.group == group }.map { setting in
        let (value, source) = values[setting.name] ?? ("", nil)
        let origin = source.map { $0 == setting.name ? "" : "  # from \($0)" } ?? "  # standard"
        return "\(setting.name)=\(setting.shown(value))\(origin)"
      }
      return "# \(group.rawValue)\n" + lines.joined(separator: "\n") + "\n"
    }.joined(separator: "\n")
  }

  /// The table of all settings for the README.
  static var markdown: String {
    Setting.Group.allCases.map { group in
      let rows = Setting.all.filter { $0.group == group }.map { setting in
        let older = setting.olderNames.map { " Older name: `\($0)`." }.joined()
        let standard = setting.standard.isEmpty ? "" : "`\(setting.standard)`"
        return "| `\(setting.name)` | \(standard) | \(setting.expected) | \(setting.meaning)\(older) |"
      }
      return "**\(group.rawValue)**\n\n| name | standard | expected | meaning |\n|---|---|---|---|\n"
        + rows.joined(separator: "\n") + "\n"
    }.joined(separator: "\n")
  }

  /// How many letters must change to make one name the other (Levenshtein's distance).
  private static func distance(_ left: String, _ right: String) -> Int {
    let right = Array(right)
    var row = Array(0...right.count)
    for (i, letter) in left.enumerated() {
      var previous = row[0]
      row[0] = i + 1
      for j in right.indices {
        let change = previous + (right[j] == letter ? 0 : 1)
        previous = row[j + 1]
        row[j + 1] = min(change, row[j] + 1, previous + 1)
      }
    }
    return row[right.count]
  }
}
