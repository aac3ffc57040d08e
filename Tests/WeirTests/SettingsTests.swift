import Foundation
import Testing
import Tokens

@testable import weir

/// The least that the connector dummy needs.
private let dummy = ["JARVICE_BAREMETAL_CONNECTOR": "dummy", "WEIR_AUTH": "none", "HOME": "/home/kirby"]

private func settings(_ more: [String: String] = [:]) throws -> Settings {
  try Settings(environment: dummy.merging(more) { $1 })
}

/// What is wrong with an environment, as `name: sentence`.
func faults(_ environment: [String: String]) -> [String] {
  do {
    _ = try Settings(environment: environment)
    return []
  } catch {
    return (error as? SettingsError)?.faults.map(\.description) ?? ["\(error)"]
  }
}

private func faults(_ name: String, _ value: String) -> [String] { faults(dummy.merging([name: value]) { $1 }) }

/// The settings for tokens by a key, from any issuer and for anybody.
private func tokens(_ path: String, _ algorithms: String = "") -> [String: String] {
  ["WEIR_JWT_KEY_FILE": path, "WEIR_JWT_ALGORITHMS": algorithms, "WEIR_JWT_ISSUER": "", "WEIR_JWT_AUDIENCE": ""]
}

/// A directory with files of the test's, removed with it.
final class Files {
  let directory = FileManager.default.temporaryDirectory.appendingPathComponent("weir-test-\(UUID().uuidString)")

  init() throws { try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true) }
  deinit { try? FileManager.default.removeItem(at: directory) }

  func write(_ name: String, _ text: String) throws -> String {
    let file = directory.appendingPathComponent(name)
    try Data(text.utf8).write(to: file)
    return file.path
  }
}

@Suite("The table of settings")
struct SettingsTableTests {
  @Test("Every name stands for one setting, and is in the README's table once")
  func names() {
    let names = Setting.all.flatMap { [$0.name] + $0.olderNames }
    #expect(Set(names).count == names.count)
    for name in names { #expect(Settings.markdown.components(separatedBy: "`\(name)`").count == 2, "\(name)") }
  }

  @Test("Every standard value is one that would be taken", arguments: Setting.all.map(\.name))
  func standards(name: String) throws {
    let setting = try #require(Setting.all.first { $0.name == name })
    #expect(setting.fault(setting.standard) == nil)
    #expect(!setting.meaning.isEmpty && setting.meaning.hasSuffix("."))
  }
}

@Suite("Settings from the environment")
struct SettingsTests {
  @Test("What is not set has its standard value")
  func standards() throws {
    let settings = try settings()
    #expect(settings.connector == .dummy)
    #expect(settings.text("WEIR_BIND_ADDRESS") == "127.0.0.1" && settings.whole("WEIR_PORT") == 5000)
    #expect(settings.text("WEIR_STATE_DIR") == "/home/kirby/.local/state/weir")
    #expect(settings.text("JARVICE_SCHED_LOGLEVEL") == "20")
    #expect(
      settings.whole("JARVICE_DUMMY_JOB_RUNNING_TIME") == 10 && settings.whole("JARVICE_DUMMY_JOB_QUEUED_TIME") == 5)
    #expect(settings.whole("JARVICE_DUMMY_JOB_FAILING_PERCENT") == 50)
    #expect(!settings.flag("JARVICE_DUMMY_JOBS_ARE_INTERACTIVE") && !settings.flag("JARVICE_SINGULARITY_VERBOSE"))
    #expect(settings.whole("JARVICE_SINGULARITY_OVERLAY_SIZE") == 600)
    #expect(settings.text("JARVICE_SINGULARITY_TMPDIR") == "/tmp" && settings.whole("JARVICE_SLURM_CLUSTER_PORT") == 22)
    #expect(settings.tokens == nil && settings.userDirectory.observerKey == nil)
  }

  @Test(
    "Every name of the DSSR is known",
    arguments: [
      "JARVICE_BAREMETAL_CONNECTOR", "JARVICE_BAREMETAL_EXECUTOR", "JARVICE_SCHED_LOGLEVEL", "JARVICE_SCHED_SERVER_KEY",
      "JARVICE_SYSTEM_REGISTRY", "JARVICE_SYSTEM_REPO_BASE", "JARVICE_IMAGES_TAG", "JARVICE_DOCKER_USERNAME",
      "JARVICE_DOCKER_PASSWORD", "JARVICE_LOCAL_REGISTRY", "JARVICE_LOCAL_REPO_BASE", "JARVICE_REGISTRY_PROXY_PORT",
      "JARVICE_REGISTRY_PROXY_REPOS", "JARVICE_JOB_SCRATCH_DIR", "JARVICE_JOB_GLOBAL_SCRATCH_DIR",
      "JARVICE_JOB_GLOBAL_REGISTRIES", "JARVICE_SINGULARITY_OVERLAY_SIZE", "JARVICE_SINGULARITY_VERBOSE",
      "JARVICE_SINGULARITY_TMPDIR", "JARVICE_BAREMETAL_HTTP_PROXY", "JARVICE_BAREMETAL_HTTPS_PROXY",
      "JARVICE_BAREMETAL_NO_PROXY", "JARVICE_SLURM_INTERFACE", "JARVICE_SLURM_CLUSTER_ADDR",
      "JARVICE_SLURM_CLUSTER_PORT", "JARVICE_SLURM_SSH_USER", "JARVICE_SLURM_SSH_PKEY", "JARVICE_SLURMRESTD_ADDR",
      "JARVICE_SLURMRESTD_PORT", "JARVICE_SLURMRESTD_API_VERSION", "WAITRESS_PORT", "WAITRESS_BIND_ADDRESS",
      "JARVICE_DUMMY_JOB_RUNNING_TIME", "JARVICE_DUMMY_JOB_QUEUED_TIME", "JARVICE_DUMMY_JOB_FAILING_PERCENT",
      "JARVICE_DUMMY_JOBS_ARE_INTERACTIVE",
    ])
  func legacyNames(name: String) { #expect(Setting.all.contains { $0.name == name || $0.olderNames.contains(name) }) }

  @Test("An older name counts while the newer is not set, and an empty variable is not set")
  func olderNames() throws {
    #expect(try settings(["WAITRESS_PORT": "8080"]).whole("WEIR_PORT") == 8080)
    #expect(try settings(["WAITRESS_PORT": "8080", "WEIR_PORT": "9090"]).whole("WEIR_PORT") == 9090)
    #expect(try settings(["WAITRESS_PORT": "8080", "WEIR_PORT": ""]).whole("WEIR_PORT") == 8080)
    #expect(try settings(["WAITRESS_PORT": "", "WEIR_PORT": ""]).whole("WEIR_PORT") == 5000)
    #expect(faults("WAITRESS_PORT", "http").map { $0.prefix(14) } == ["WAITRESS_PORT:"], "the name that was set")
    #expect(try settings(["JARVICE_BAREMETAL_CONNECTOR": "connectors.dummy.connector"]).connector == .dummy)
  }

  @Test("The state directory is the one asked for, else systemd's first, else below home")
  func stateDirectory() throws {
    let systemd = ["STATE_DIRECTORY": "/var/lib/weir:/var/lib/other"]
    #expect(try settings(systemd).text("WEIR_STATE_DIR") == "/var/lib/weir")
    #expect(try settings(systemd.merging(["WEIR_STATE_DIR": "/srv"]) { $1 }).text("WEIR_STATE_DIR") == "/srv")
  }

  @Test("Truth values and lists are read with some freedom")
  func forms() throws {
    for word in ["true", "True", "TRUE"] {
      #expect(try settings(["JARVICE_SINGULARITY_VERBOSE": word]).flag("JARVICE_SINGULARITY_VERBOSE"))
    }
    #expect(
      try settings(["JARVICE_REGISTRY_PROXY_REPOS": " a , ,b/c,"]).list("JARVICE_REGISTRY_PROXY_REPOS") == ["a", "b/c"])
    #expect(try settings(["JARVICE_DOCKER_PASSWORD": "aHVudGVyMg=="]).decoded("JARVICE_DOCKER_PASSWORD") == "hunter2")
  }

  @Test(
    "A wrong value is one fault, with the name, the value and what is expected",
    arguments: [
      ("WEIR_PORT", "65536", "0 to 65535"), ("WEIR_PORT", "-1", "0 to 65535"), ("WEIR_PORT", " 80", "0 to 65535"),
      ("WEIR_PORT", "99999999999999999999", "0 to 65535"), ("WEIR_POLL_INTERVAL", "0", "1 to 3600"),
      ("WEIR_LOST_AFTER", "9", "10 to 604800"), ("WEIR_SUBMIT_DEADLINE", "x", "30 to 86400"),
      ("WEIR_AUTH", "off", "required, none"), ("JARVICE_SCHED_LOGLEVEL", "info", "10, 20, 30, 40"),
      ("JARVICE_SINGULARITY_VERBOSE", "1", "true or false"), ("JARVICE_SLURM_INTERFACE", "telnet", "cli"),
      ("JARVICE_BAREMETAL_EXECUTOR", "podman", "singularity"),
      ("JARVICE_DUMMY_JOB_FAILING_PERCENT", "101", "0 to 100"),
      ("WEIR_SSH_KNOWN_HOSTS", "/nonexistent", "a readable file: no such file or directory"),
    ])
  func wrong(name: String, value: String, expected: String) {
    var found = faults(name, value)
    // Who may not be told from the setting of authentication is told of besides.
    if name == "WEIR_AUTH" { found.removeAll { $0.hasPrefix("JARVICE_SCHED_SERVER_KEY") } }
    #expect(found == ["\(name): '\(value)' is wrong: expected \(expected)"])
  }

  @Test("A connector must be named, and be one there is")
  func connector() {
    #expect(faults(["WEIR_AUTH": "none"]).map { $0.prefix(28) } == ["JARVICE_BAREMETAL_CONNECTOR:"])
    #expect(faults("JARVICE_BAREMETAL_CONNECTOR", "pbs").map { $0.prefix(28) } == ["JARVICE_BAREMETAL_CONNECTOR:"])
  }

  @Test("All that is wrong is told at once, one line each")
  func allAtOnce() {
    let environment = [
      "JARVICE_BAREMETAL_CONNECTOR": "dummy", "WEIR_PORT": "x", "WEIR_BIND_ADDRESS": "0.0.0.0", "WEIR_AUTH": "none",
      "WEIR_POLL": "1", "JARVICE_DOCKER_USERNAME": "%", "JARVICE_LOCAL_REGISTRY": "r", "JARVICE_SCHED_LOGLEVEL": "9",
    ]
    let names = [
      "WEIR_PORT", "JARVICE_SCHED_LOGLEVEL", "WEIR_POLL", "WEIR_AUTH", "JARVICE_LOCAL_REPO_BASE",
      "JARVICE_DOCKER_USERNAME",
    ]
    let error = #expect(throws: SettingsError.self) { try Settings(environment: environment) }
    #expect(error?.faults.map(\.name) == names)
    #expect(error?.description.split(separator: "\n").count == names.count + 1)
  }

  @Test(
    "A name of ours that there is not is a fault, with the one that may be meant",
    arguments: [
      ("WEIR_PROT", "; is WEIR_PORT meant?"), ("WEIR_BIND_ADRESS", "; is WEIR_BIND_ADDRESS meant?"),
      ("WEIR_USER_FILE", "; is WEIR_USERS_FILE meant?"), ("WEIR_JWT_ALGORITHM", "; is WEIR_JWT_ALGORITHMS meant?"),
      ("WEIR_SOMETHING_ELSE", ""), ("WEIR_", ""),
    ])
  func unknown(name: String, suggestion: String) {
    #expect(faults(name, "1") == ["\(name): unknown setting\(suggestion)"])
  }

  @Test("Names of others are none of ours", arguments: ["WEIRD", "PATH", "JARVICE_SOMETHING", "weir_port"])
  func foreign(name: String) { #expect(faults(name, "x").isEmpty) }
}

@Suite("Who may call, by the settings")
struct AuthenticationSettingsTests {
  private static let secret = "a secret of thirty-two bytes or more\n"

  @Test(
    "No authentication is taken on loopback only",
    arguments: [
      ("127.0.0.1", true), ("::1", true), ("localhost", true), ("0.0.0.0", false), ("::", false), ("10.0.0.1", false),
      ("127.0.0.1.example.com", false), ("", true),
    ])
  func open(address: String, isTaken: Bool) {
    let found = faults(dummy.merging(["WEIR_BIND_ADDRESS": address]) { $1 })
    #expect(found.map { $0.prefix(10) } == (isTaken ? [] : ["WEIR_AUTH:"]))
  }

  @Test("Where nobody could call, the service does not start")
  func nobody() throws {
    let required = ["JARVICE_BAREMETAL_CONNECTOR": "dummy", "WEIR_BIND_ADDRESS": "0.0.0.0"]
    let found = faults(required)
    #expect(found.count == 1 && found[0].hasPrefix("JARVICE_SCHED_SERVER_KEY: no client could authenticate"))
    #expect(faults(required.merging(["JARVICE_SCHED_SERVER_KEY": "user:password"]) { $1 }).isEmpty)
    let files = try Files()
    let key = try files.write("key", Self.secret)
    #expect(faults(required.merging(tokens(key)) { $1 }).isEmpty)
  }

  @Test("A service key is user:password, each of several")
  func serviceKey() {
    #expect(faults("JARVICE_SCHED_SERVER_KEY", "user:password, other:pass:word").isEmpty)
    #expect(faults("JARVICE_SCHED_SERVER_KEY", "user:password,hunter2").count == 1)
  }

  @Test("The key of tokens is read, with the algorithms that fit it")
  func tokenKey() throws {
    let files = try Files()
    let key = try files.write("key", Self.secret)
    #expect(try settings(tokens(key)).tokens?.keys.map(\.family) == [.hmac])
    #expect(
      faults(dummy.merging(tokens(key, "RS256")) { $1 })
        == ["WEIR_JWT_ALGORITHMS: RS256 does not fit a secret of 36 bytes"])
    #expect(faults(dummy.merging(tokens(key, "HS256,none")) { $1 }).count >= 1)
  }

  @Test("Several keys may be given; each must be one, and have an algorithm that is allowed")
  func severalKeys() throws {
    let files = try Files()
    let (one, two) = (try files.write("one", Self.secret), try files.write("two", "another \(Self.secret)"))
    #expect(try settings(tokens("\(one), \(two)")).tokens?.keys.count == 2)
    let short = try files.write("short", "short")
    let found = faults(dummy.merging(tokens("\(one),\(short)")) { $1 })
    #expect(found.count == 1 && found[0].hasPrefix("WEIR_JWT_KEY_FILE: \(short): "), "\(found)")
  }

  @Test("Where tokens are taken, issuer and audience must be set, to nothing only on purpose")
  func issuerAndAudience() throws {
    let key = try Files()
    let path = try key.write("key", Self.secret)
    let found = faults(dummy.merging(["WEIR_JWT_KEY_FILE": path]) { $1 })
    #expect(found.map { $0.prefix { $0 != ":" } } == ["WEIR_JWT_ISSUER", "WEIR_JWT_AUDIENCE"])
    let open = try settings(tokens(path)).tokens
    #expect(open?.rules.issuer == nil && open?.rules.audience == nil)
    let strict = try settings(
      tokens(path).merging(["WEIR_JWT_ISSUER": "https://idp", "WEIR_JWT_AUDIENCE": "weir", "WEIR_JWT_LEEWAY": "5"]) {
        $1
      }
    ).tokens
    #expect(
      strict?.rules.issuer == "https://idp" && strict?.rules.audience == "weir" && strict?.rules.leeway == .seconds(5))
  }

  @Test("A key set is a file or an address, not both, and is looked at before the service starts")
  func keySet() throws {
    let files = try Files()
    let secret = Data(Self.secret.utf8).base64EncodedString().replacing("=", with: "")
    let set = try files.write("set.json", "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"1\",\"k\":\"\(secret)\"}]}")
    let none = ["WEIR_JWT_ISSUER": "", "WEIR_JWT_AUDIENCE": ""]
    #expect(faults(dummy.merging(none.merging(["WEIR_JWT_JWKS_FILE": set]) { $1 }) { $1 }).isEmpty)
    let url = "https://idp.example.com/keys"
    #expect(faults(dummy.merging(none.merging(["WEIR_JWT_JWKS_URL": url]) { $1 }) { $1 }).isEmpty)
    let both = faults(dummy.merging(none.merging(["WEIR_JWT_JWKS_URL": url, "WEIR_JWT_JWKS_FILE": set]) { $1 }) { $1 })
    #expect(both.map { $0.prefix { $0 != ":" } } == ["WEIR_JWT_JWKS_URL"])
    let broken = try files.write("broken.json", "{\"keys\":")
    let found = faults(dummy.merging(none.merging(["WEIR_JWT_JWKS_FILE": broken]) { $1 }) { $1 })
    #expect(found.map { $0.prefix { $0 != ":" } } == ["WEIR_JWT_JWKS_FILE"])
    for address in ["ftp://idp/keys", "idp/keys", "https://", "file:///etc/keys"] {
      #expect(faults("WEIR_JWT_JWKS_URL", address).contains { $0.hasPrefix("WEIR_JWT_JWKS_URL") }, "\(address)")
    }
  }

  @Test("The administrators' claim has a name and a value", arguments: ["groups", ":", "groups:", ":x"])
  func adminClaim(text: String) {
    #expect(faults("WEIR_ADMIN_CLAIM", text) == ["WEIR_ADMIN_CLAIM: expected claim:value"])
    #expect(faults("WEIR_ADMIN_CLAIM", "groups:a:b").isEmpty)
  }

  @Test(
    "A key of tokens that is none is a fault",
    arguments: ["", "short", "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n"])
  func wrongTokenKey(contents: String) throws {
    let files = try Files()
    let key = try files.write("key", contents)
    let found = faults(dummy.merging(tokens(key)) { $1 })
    #expect(found.count == 1 && found[0].hasPrefix("WEIR_JWT_KEY_FILE: \(key): "))
  }

  @Test("A key file that is a directory, as a mount without its source leaves one, is a fault")
  func directory() throws {
    let files = try Files()
    let found = faults(dummy.merging(tokens(files.directory.path)) { $1 })
    #expect(found.map { $0.prefix(18) } == ["WEIR_JWT_KEY_FILE:"])
  }
}

@Suite("Secrets among the settings")
struct SecretTests {
  static let secrets = Setting.all.filter { $0.shown("x") == "***" }.map(\.name)

  @Test("What is secret is known to be")
  func known() {
    #expect(
      Set(Self.secrets) == [
        "JARVICE_SCHED_SERVER_KEY", "JARVICE_SLURM_SSH_PKEY", "JARVICE_DOCKER_USERNAME", "JARVICE_DOCKER_PASSWORD",
        "WEIR_SSH_PASSPHRASE",
      ])
  }

  @Test("A secret may stand in a file, with or without a line end, but not in both", arguments: ["", "\n", "\r\n"])
  func inFile(lineEnd: String) throws {
    let files = try Files()
    let path = try files.write("key", "user:password" + lineEnd)
    let environment = ["JARVICE_SCHED_SERVER_KEY_FILE": path]
    #expect(try settings(environment).text("JARVICE_SCHED_SERVER_KEY") == "user:password")
    let both = faults(dummy.merging(environment.merging(["JARVICE_SCHED_SERVER_KEY": "a:b"]) { $1 }) { $1 })
    #expect(both == ["JARVICE_SCHED_SERVER_KEY_FILE: JARVICE_SCHED_SERVER_KEY is set too; set only one of them"])
    for (name, contents) in [("empty", ""), ("line", "\n")] {
      let empty = try files.write(name, contents)
      #expect(faults("JARVICE_SCHED_SERVER_KEY_FILE", empty) == ["JARVICE_SCHED_SERVER_KEY_FILE: \(empty) is empty"])
    }
    #expect(faults("JARVICE_SCHED_SERVER_KEY_FILE", "/nonexistent").count == 1)
    #expect(faults("WEIR_SSH_PASSPHRASE_FILE", path).isEmpty && faults("WEIR_PORT_FILE", path).count == 1)
  }

  @Test(
    "A fault never repeats a secret", arguments: secrets,
    [
      "hunter2", "hunter2:\0", "hunter2,hunter2", "%hunter2%",
      "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\n-----END OPENSSH PRIVATE KEY-----",
    ])
  func faultsAreSilent(name: String, value: String) {
    for connector in ["dummy", "slurm"] {
      let found = faults(dummy.merging(["JARVICE_BAREMETAL_CONNECTOR": connector, name: value]) { $1 })
      #expect(!found.joined().contains("hunter2"))
    }
  }

  @Test("The listing shows every setting, where it came from, and no secret")
  func listing() throws {
    let listing = try settings([
      "JARVICE_SCHED_SERVER_KEY": "upstream:hunter2", "JARVICE_DOCKER_PASSWORD": "aHVudGVyMg==",
      "WAITRESS_PORT": "8080",
      "WEIR_BIND_ADDRESS": "::1",
    ]).listing
    let lines = listing.split(separator: "\n")
    for setting in Setting.all { #expect(lines.count { $0.hasPrefix(setting.name + "=") } == 1, "\(setting.name)") }
    #expect(!listing.contains("hunter2") && !listing.contains("aHVudGVyMg=="))
    #expect(lines.contains("JARVICE_SCHED_SERVER_KEY=***") && lines.contains("WEIR_BIND_ADDRESS=::1"))
    #expect(lines.contains("WEIR_PORT=8080  # from WAITRESS_PORT"))
    #expect(
      lines.contains("WEIR_POLL_INTERVAL=2  # default") && lines.contains("JARVICE_DOCKER_USERNAME=  # default"))
  }

  @Test(
    "The listing shows no password of a proxy",
    arguments: ["JARVICE_BAREMETAL_HTTP_PROXY", "JARVICE_BAREMETAL_HTTPS_PROXY"])
  func proxies(name: String) throws {
    for address in ["me:hunter2@", "me:a/hunter2@", "me:a?hunter2@", "me:a@hunter2@", "me:a#hunter2\u{301}@"] {
      let listing = try settings([name: "http://" + address + "proxy.example.com:3128"]).listing
      #expect(!listing.contains("hunter2") && listing.contains("proxy.example.com:3128"), "\(address)")
    }
  }

  @Test("A proxy's address may stand in a file, since it may hold a password")
  func proxyFile() throws {
    let files = try Files()
    let path = try files.write("proxy", "http://me:hunter2@proxy.example.com:3128\n")
    let settings = try settings(["JARVICE_BAREMETAL_HTTPS_PROXY_FILE": path])
    #expect(settings.text("JARVICE_BAREMETAL_HTTPS_PROXY") == "http://me:hunter2@proxy.example.com:3128")
    #expect(!settings.listing.contains("hunter2"))
  }

  @Test("The listing shows no query of a key set's address, and the algorithms that tokens may have")
  func keySet() throws {
    let keys = ["WEIR_JWT_ISSUER": "", "WEIR_JWT_AUDIENCE": ""]
    let listing = try settings(keys.merging(["WEIR_JWT_JWKS_URL": "https://idp.example.com/keys?key=hunter2"]) { $1 })
      .listing
    #expect(listing.contains("WEIR_JWT_JWKS_URL=https://idp.example.com/keys?***\n"))
    let words = "# Algorithms of tokens that the installed libjwt verifies: "
    #expect(listing.hasPrefix(words + Algorithm.available.map(\.rawValue).joined(separator: ", ") + "\n"))
    #expect(listing.hasPrefix(words + "HS256, HS384, HS512, RS256"))
  }
}
