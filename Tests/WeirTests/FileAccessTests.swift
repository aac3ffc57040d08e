import Foundation
import GPUConnector
import Testing

@testable import weir

@Suite("Who may read and change the files of the settings")
struct FileAccessTests {
  enum Verdict: Sendable { case good, warned, refused }

  @Test(
    "One rule for all files",
    arguments: [
      (0o600, .good, .good), (0o400, .good, .good), (0o640, .good, .good), (0o644, .warned, .good),
      (0o444, .warned, .good), (0o620, .warned, .warned), (0o660, .warned, .warned), (0o664, .warned, .warned),
      (0o602, .refused, .refused), (0o666, .refused, .refused), (0o777, .refused, .refused),
    ] as [(Int, Verdict, Verdict)])
  func modes(mode: Int, secret: Verdict, plain: Verdict) throws {
    let files = try Files()
    let path = try files.write("file", "text")
    #expect(chmod(path, mode_t(mode)) == 0)
    for (holdsSecret, expected) in [(true, secret), (false, plain)] {
      let access = FileAccess(of: path, holdsSecret: holdsSecret)
      #expect((access == nil) == (expected == .good) && (access?.isRefused == true) == (expected == .refused))
      if let access { #expect(access.sentence.hasPrefix(path)) }
    }
  }

  @Test("A file of another account is warned of", .enabled(if: geteuid() == 0))
  func owner() throws {
    let files = try Files()
    let path = try files.write("file", "text")
    #expect(chmod(path, 0o600) == 0 && chown(path, 4321, 4321) == 0)
    #expect(FileAccess(of: path, holdsSecret: true)?.sentence.contains("4321") == true)
    #expect(FileAccess(of: files.directory.path + "/none", holdsSecret: true) == nil)
  }

  private static let publicKey = "-----BEGIN PUBLIC KEY-----\n"

  @Test("Every file with a secret is looked at, and public keys may be read by everybody")
  func settings() throws {
    let files = try Files()
    func file(_ name: String, _ text: String, _ mode: mode_t) throws -> String {
      let path = try files.write(name, text)
      #expect(chmod(path, mode) == 0)
      return path
    }
    let state = files.directory.path
    _ = try file("seal.key", "k", 0o644)
    let keyFile = try file("a key", "k", 0o644)
    let servers = try file("servers.yaml", "servers:\n  - name: a\n    key_file: '\(keyFile)'\n", 0o644)
    let json = try file("servers.json", "{\"servers\": [{\n  \"key_file\": \"\(keyFile)\",\n}]}\n", 0o600)
    let secrets = GPUConnector.secrets(inServersFile: json)
    #expect(secrets.keyFiles == [keyFile] && !secrets.isSecret)
    let flow = try file("flow.yaml", "servers:\n- {name: a, jump: {key_file: '\(keyFile)'}, key_file: /b}\n", 0o600)
    #expect(GPUConnector.secrets(inServersFile: flow).keyFiles == ["/b", keyFile].sorted())
    let key = try file("service", "user:password\n", 0o644)
    #expect(GPUConnector.secrets(inServersFile: servers).keyFiles == [keyFile])
    let open = ["JARVICE_BAREMETAL_CONNECTOR": "dummy", "WEIR_STATE_DIR": state, "JARVICE_SCHED_SERVER_KEY_FILE": key]
    let warnings = try Settings(environment: open).warnings
    #expect(
      warnings.count == 2 && warnings.contains { $0.hasPrefix(key) } && warnings.contains { $0.contains("seal.key") })
    #expect(!FileAccess.holdsSecret(keyFile: try file("p.pem", Self.publicKey, 0o644)))
    #expect(FileAccess.holdsSecret(keyFile: try file("secret", "a secret of thirty-two bytes or more", 0o644)))
    #expect(chmod(key, 0o666) == 0)
    #expect(faults(open).map { $0.hasPrefix("JARVICE_SCHED_SERVER_KEY_FILE: \(key)") } == [true])
    #expect(chmod(key, 0o600) == 0)
    #expect(faults(open).isEmpty)
  }
}

@Suite("Variables that nothing reads")
struct UnknownVariableTests {
  @Test(
    "A name that looks like a setting is warned of, with the one that is meant",
    arguments: [
      ("JARVICE_BAREMETAL_SCRATCH_DIR", "JARVICE_JOB_SCRATCH_DIR"), ("JARVICE_SLURM_SSH_USR", "JARVICE_SLURM_SSH_USER"),
      ("JARVICE_SCHED_SERVER_KEYS", "JARVICE_SCHED_SERVER_KEY"), ("JARVICE_DOCKER_PASWORD", "JARVICE_DOCKER_PASSWORD"),
      ("JARVICE_SCHED_LOG_LEVEL", "JARVICE_SCHED_LOGLEVEL"), ("JARVICE_WHATEVER", nil),
    ] as [(String, String?)])
  func near(name: String, meant: String?) throws {
    let settings = try Settings(environment: [
      "JARVICE_BAREMETAL_CONNECTOR": "dummy", "WEIR_AUTH": "none", "HOME": "/nonexistent", name: "secret value",
    ])
    let sentence = try #require(settings.unknown.first)
    #expect(
      settings.warnings.isEmpty && settings.unknown.count == 1 && sentence.hasPrefix("\(name): ")
        && !sentence.contains("secret value"))
    #expect(sentence.contains(meant.map { "is \($0) meant?" } ?? "no effect"))
    #expect(meant != nil || !sentence.contains("meant"))
  }

  @Test("Names that are read are not warned of")
  func known() throws {
    var environment = ["WEIR_AUTH": "none", "JARVICE_BAREMETAL_CONNECTOR": "dummy", "HOME": "/nonexistent"]
    for name in ["JARVICE_SLURMRESTD_ADDR", "JARVICE_DOCKER_PASSWORD", "WAITRESS_PORT"] { environment[name] = "" }
    #expect(try Settings(environment: environment).unknown.isEmpty)
  }
}

@Suite("Connectors")
struct ConnectorNameTests {
  @Test("Every name that the setting takes is that connector, and no other", arguments: ConnectorName.allCases)
  func names(connector: ConnectorName) throws {
    for name in [connector.rawValue, "connectors.\(connector.rawValue).connector"] {
      #expect(ConnectorName(setting: name) == connector)
      let setting = try #require(Setting.all.first { $0.name == "JARVICE_BAREMETAL_CONNECTOR" })
      #expect(setting.fault(name) == nil)
    }
    for name in ["", "pbs", "Slurm", "connectors.pbs.connector"] { #expect(ConnectorName(setting: name) == nil) }
  }

  @Test("Jobs of the connector local can read Weir's secrets, and that is said", .enabled(if: geteuid() != 0))
  func exposure() throws {
    let settings = try Settings(environment: ["JARVICE_SCHED_SERVER_KEY": "a:b", "HOME": "/nonexistent"])
    #expect(settings.warnings.count == 1 && settings.warnings[0].contains("connector gpu"))
    let open = try Settings(environment: ["WEIR_AUTH": "none", "HOME": "/nonexistent"])
    #expect(open.warnings.isEmpty)
  }
}
