import Access
import Foundation
import Logging
import SSH
import Support
import Testing

@testable import weir

/// SSH keys, made by ssh-keygen for these tests.
private enum Keys {
  static let ed25519 = Result { try make("ed25519") }
  static let ecdsa = Result { try make("ecdsa") }
  static let rsa = Result { try make("rsa") }

  private static func make(_ kind: String) throws -> String {
    let files = try Files()
    let file = files.directory.appendingPathComponent("key")
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/ssh-keygen")
    process.arguments = ["-q", "-t", kind, "-N", "", "-C", "", "-f", file.path]
    process.standardInput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    return try String(contentsOf: file, encoding: .utf8)
  }
}

private let readKey = PrivateKey.reader(passphrase: "")

private func base64(_ text: String) -> String { Data(text.utf8).base64EncodedString() }

/// One entry of a users file.
private func entry(
  user: String? = "kirbystar", mail: String = "kirby@example.com", account: String = "kirby", key: String
) -> String {
  (user.map { "  - user: \($0)\n    " } ?? "  - ") + "mail: \(mail)\n    mapped_user: \(account)\n    "
    + "ssh_private_key_b64: \(key)\n"
}

@Suite("The users file")
struct UsersTests {
  let files: Files
  let good: String

  init() throws {
    files = try Files()
    good = base64(try Keys.ed25519.get())
  }

  private func read(_ text: String) throws -> (users: Users, faults: [String]) {
    let path = try files.write("users.yaml", text)
    do {
      let users = try Users(path: path, readKey: readKey)
      return (users, users.disabled.map { $0.hasPrefix("\(path): ") ? String($0.dropFirst(path.count + 2)) : "?" })
    } catch {
      return (.none, [error.sentence])
    }
  }

  @Test("The sample beside the connector is a users file, once its key is a key")
  func sample() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let sample = try String(
      contentsOf: root.appendingPathComponent("connectors/slurm/users.sample.yaml"), encoding: .utf8)
    let placeholder = try #require(sample.firstMatch(of: /ssh_private_key_b64: (\S+)/))
    let (users, faults) = try read(sample.replacingOccurrences(of: String(placeholder.1), with: good))
    #expect(faults == [])
    #expect(users.account(of: "kirby@example.com") == "kirby" && users.key(of: "kirby") != nil)
  }

  @Test("Says whose account is whose, with which key")
  func mapping() throws {
    let ecdsa = base64(try Keys.ecdsa.get())
    let (users, faults) = try read(
      "users_id_mapping:\n" + entry(key: good) + "    jarvice_user: kirbystar\n"
        + entry(user: nil, mail: "mario@example.com", account: "mario-2.x", key: ecdsa))
    #expect(faults.isEmpty)
    #expect(users.account(of: "kirby@example.com") == "kirby" && users.account(of: "mario@example.com") == "mario-2.x")
    #expect(users.account(of: "kirbystar") == nil && users.account(of: "") == nil)
    #expect(users.key(of: "kirby")?.kind == .ed25519 && users.key(of: "mario-2.x")?.kind == .ecdsa256)
    #expect(users.key(of: "root") == nil)
  }

  @Test("Two spellings of an accent are two people")
  func spellings() throws {
    let (composed, decomposed) = ("jos\u{e9}@example.com", "jose\u{301}@example.com")
    let (users, faults) = try read(
      "users_id_mapping:\n" + entry(mail: composed, key: good) + entry(mail: decomposed, account: "mario", key: good))
    #expect(faults.isEmpty)
    #expect(users.account(of: composed) == "kirby" && users.account(of: decomposed) == "mario")
    let (one, _) = try read("users_id_mapping:\n" + entry(mail: composed, key: good))
    #expect(one.account(of: decomposed) == nil)
  }

  @Test("Two people may share an account")
  func shared() throws {
    let (users, faults) = try read(
      "users_id_mapping:\n" + entry(key: good) + entry(mail: "dedede@example.com", key: good))
    #expect(faults.isEmpty && users.account(of: "dedede@example.com") == "kirby")
  }

  @Test("A key may be wrapped over lines")
  func wrapped() throws {
    let lines = Data(try Keys.ed25519.get().utf8).base64EncodedString(options: [
      .lineLength64Characters, .endLineWithLineFeed,
    ])
    let block = "|\n" + lines.split(separator: "\n").map { "      \($0)\n" }.joined()
    let (users, faults) = try read("users_id_mapping:\n" + entry(key: block))
    #expect(faults.isEmpty && users.key(of: "kirby") != nil)
  }

  @Test("A file that is not there is told of")
  func missingFile() {
    let error = #expect(throws: Users.Unreadable.self) {
      try Users(path: "/nonexistent.yaml", readKey: readKey)
    }
    #expect(error?.sentence == "the file cannot be read: no such file or directory")
  }

  @Test(
    "What is missing or of another kind is named with its entry",
    arguments: [
      (
        "users_id_mapping:\n  - mail: a@b\n    mapped_user: kirby\n",
        "users_id_mapping, entry 1: 'ssh_private_key_b64' is missing"
      ),
      ("users_id_mapping:\n  - user: x\n    mapped_user: kirby\n", "users_id_mapping, entry 1: 'mail' is missing"),
      (
        "users_id_mapping:\n  - {mail: a, mapped_user: [b], ssh_private_key_b64: c}\n",
        "users_id_mapping, entry 1, mapped_user: "
      ),
      ("users:\n", "'users_id_mapping' is missing"),
      ("users_id_mapping: 5\n", "users_id_mapping: "),
      ("- a\n", ""),
      ("", ""),
    ])
  func shape(text: String, sentence: String) throws {
    let (users, faults) = try read(text)
    #expect(faults.count == 1 && faults[0].hasPrefix(sentence), "\(faults)")
    #expect(users.account(of: "a@b") == nil)
  }

  @Test(
    "Text that is no YAML is told of with the line",
    arguments: ["users_id_mapping:\n  - {\n", "users_id_mapping:\n\t- x\n", "a: b: c\n"])
  func notYAML(text: String) throws {
    let faults = try read(text).faults
    #expect(faults.count == 1 && faults[0].contains(":"), "\(faults)")
  }

  @Test(
    "Text that is no YAML is told of without the keys in it",
    arguments: ["\"@KEY", "'@KEY", "@KEY: x", "[@KEY", "\t@KEY", "|\n  @KEY", "*@KEY", "!<@KEY"])
  func brokenKey(value: String) throws {
    let text = "users_id_mapping:\n" + entry(key: value.replacing("@KEY", with: good)) + entry(key: good)
    let faults = try read(text).faults
    // Any sixteen characters of the key would be too much.
    let middle = good.dropFirst(good.count / 2).prefix(16)
    #expect(!faults.isEmpty)
    #expect(!faults.joined().contains(good.prefix(40)) && !faults.joined().contains(middle), "\(faults)")
  }

  @Test(
    "No job runs as root, nor as what is no account",
    arguments: ["root", "Root", "\"\"", "a b", "-x", "\"a;b\"", "\"$(id)\"", "1000", "../x", "\"kirby\\n\""])
  func account(name: String) throws {
    let (users, faults) = try read("users_id_mapping:\n" + entry(account: name, key: good))
    #expect(faults.count == 1 && faults[0].hasPrefix("entry 1 (kirbystar): mapped_user: "), "\(faults)")
    #expect(users.account(of: "kirby@example.com") == nil)
  }

  @Test("An RSA key is refused with the user's name and the way out")
  func rsa() throws {
    let key = base64(try Keys.rsa.get())
    let faults = try read(
      "users_id_mapping:\n" + entry(key: good) + entry(user: nil, mail: "mario@example.com", account: "mario", key: key)
    ).faults
    #expect(
      faults.count == 1
        && faults[0].hasPrefix("entry 2 (mario@example.com): ssh_private_key_b64: RSA keys need libssh2 1.11"))
    #expect(faults[0].contains("ssh-keygen -t ed25519"))
  }

  @Test("A key that is none is refused with the user's name", arguments: ["x", "\"\"", "LS0tLS1CRUdJTg=="])
  func notAKey(key: String) throws {
    let faults = try read("users_id_mapping:\n" + entry(key: key)).faults
    #expect(faults.count == 1 && faults[0].hasPrefix("entry 1 (kirbystar): ssh_private_key_b64: "), "\(faults)")
  }

  @Test("One address in two entries is refused: it would not be known whose account counts")
  func duplicate() throws {
    let faults = try read("users_id_mapping:\n" + entry(key: good) + entry(user: "other", account: "mario", key: good))
      .faults
    #expect(faults == ["entry 2 (other): kirby@example.com is in entry 1 too; Weir ignores both"])
  }

  @Test("A wrong entry disables its user alone, and is named with the others that are wrong")
  func others() throws {
    let rsa = base64(try Keys.rsa.get())
    let (users, faults) = try read(
      "users_id_mapping:\n" + entry(mail: "a@x", account: "luigi", key: rsa) + "  - mail: b@x\n  - 7\n  - [x]\n"
        + entry(mail: "c@x", account: "root", key: good) + entry(mail: "d@x", account: "peach", key: "x")
        + entry(mail: "e@x", account: "toad", key: good) + entry(mail: "e@x", account: "yoshi", key: good)
        + entry(key: good))
    #expect(users.account(of: "kirby@example.com") == "kirby" && users.key(of: "kirby") != nil)
    #expect(faults.count == 7, "\(faults)")
    for (mail, account) in [("b@x", nil), ("c@x", nil), ("e@x", nil), ("a@x", "luigi"), ("d@x", "peach")] {
      #expect(users.account(of: mail) == account)
      #expect(account.flatMap { users.key(of: $0) } == nil)
    }
  }

  @Test("Users that cannot be served are told of while the service runs, and no more when the file is right")
  func warnings() throws {
    let path = try files.write("u.yaml", "users_id_mapping:\n" + entry(account: "root", key: good))
    let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let directory = UserDirectory(
      .init(path: path, readKey: readKey), users: try Users(path: path, readKey: readKey), logger: quiet)
    #expect(directory.warning?.contains("entry 1 (kirbystar): mapped_user") == true)
    _ = try files.write("u.yaml", "users_id_mapping: {\n")
    #expect(!directory.refresh() && directory.warning?.contains("keeps the previous state") == true)
    _ = try files.write("u.yaml", "users_id_mapping:\n" + entry(key: good))
    #expect(directory.refresh() && directory.warning == nil)
    #expect(directory.account(of: "kirby@example.com") == "kirby")
  }

  @Test("Every fault of the file is told at once")
  func allAtOnce() throws {
    let text =
      "users_id_mapping:\n" + entry(account: "root", key: good) + entry(mail: "b@x", key: "x")
      + entry(mail: "c@x", account: "A", key: good)
    #expect(try read(text).faults.map { $0.prefix(7) } == ["entry 1", "entry 2", "entry 3"])
  }
}

@Suite("What the connector slurm needs")
struct SlurmSettingsTests {
  private func environment(_ files: Files) throws -> [String: String] {
    let key = try Keys.ed25519.get()
    return [
      "JARVICE_BAREMETAL_CONNECTOR": "connectors.slurm.connector", "JARVICE_SCHED_SERVER_KEY": "user:password",
      "JARVICE_SLURM_CLUSTER_ADDR": "login.example.com", "JARVICE_SLURM_SSH_USER": "observer",
      "JARVICE_SLURM_SSH_PKEY": key, "JARVICE_SYSTEM_REGISTRY": "r", "JARVICE_SYSTEM_REPO_BASE": "b",
      "WEIR_JWT_KEY_FILE": try files.write("jwt", "a secret of thirty-two bytes or more\n"),
      "WEIR_JWT_ISSUER": "", "WEIR_JWT_AUDIENCE": "",
      "WEIR_USERS_FILE": try files.write("users.yaml", "users_id_mapping:\n" + entry(key: base64(key))),
    ]
  }

  @Test("With all of it, the service starts; the key may be text or base64")
  func complete() throws {
    let files = try Files()
    var environment = try environment(files)
    let settings = try Settings(environment: environment)
    #expect(settings.connector == .slurm && settings.userDirectory.observerKey?.kind == .ed25519)
    #expect(settings.users.account(of: "kirby@example.com") == "kirby")
    #expect(!settings.listing.contains("PRIVATE KEY"))
    environment["JARVICE_SLURM_SSH_PKEY"] = base64(try Keys.ed25519.get())
    #expect(
      try Settings(environment: environment).userDirectory.observerKey?.fingerprint
        == settings.userDirectory.observerKey?.fingerprint)
  }

  @Test(
    "Each thing that is missing is named",
    arguments: [
      "JARVICE_SLURM_CLUSTER_ADDR", "JARVICE_SLURM_SSH_USER", "JARVICE_SLURM_SSH_PKEY", "JARVICE_SYSTEM_REGISTRY",
      "JARVICE_SYSTEM_REPO_BASE", "WEIR_JWT_KEY_FILE", "WEIR_USERS_FILE",
    ])
  func missing(name: String) throws {
    let files = try Files()
    var environment = try environment(files)
    environment[name] = nil
    #expect(faults(environment).map { $0.prefix(name.count + 1) } == ["\(name):"])
  }

  @Test("An RSA key of the observer is refused with the way out")
  func rsa() throws {
    let files = try Files()
    var environment = try environment(files)
    environment["JARVICE_SLURM_SSH_PKEY"] = try Keys.rsa.get()
    let found = faults(environment)
    #expect(found.count == 1 && found[0].hasPrefix("JARVICE_SLURM_SSH_PKEY: RSA keys need libssh2 1.11"))
    #expect(!found[0].contains("PRIVATE KEY"))
  }
}

@Suite("The users file while the service runs")
struct UserDirectoryTests {
  private let files: Files
  private let path: String
  private let key: String

  init() throws {
    files = try Files()
    key = base64(try Keys.ed25519.get())
    path = try files.write("users.yaml", "users_id_mapping:\n" + entry(key: key))
  }

  private func directory(_ mapping: UserDirectory.Mapping = .file) throws -> UserDirectory {
    var configuration = UserDirectory.Configuration(path: path, readKey: readKey)
    configuration.mapping = mapping
    configuration.observer = "observer"
    configuration.observerKey = try PrivateKey(text: try Keys.ecdsa.get())
    let users = try Users(path: path, readKey: readKey)
    return UserDirectory(configuration, users: users, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
  }

  @Test("What changes in the file counts, at once when it is looked at")
  func change() throws {
    let users = try directory()
    #expect(!users.refresh() && users.account(of: "kirby@example.com") == "kirby")
    _ = try files.write(
      "users.yaml", "users_id_mapping:\n" + entry(mail: "mario@example.com", account: "mario", key: key))
    #expect(users.refresh() && !users.refresh())
    #expect(users.account(of: "kirby@example.com") == nil && users.account(of: "mario@example.com") == "mario")
    #expect(users.key(of: "kirby") == nil && users.key(of: "mario") != nil && users.warning == nil)
  }

  @Test("A file that is broken or gone changes nothing, and is told of until it is right again")
  func broken() throws {
    let users = try directory()
    _ = try files.write("users.yaml", "users_id_mapping: [")
    #expect(!users.refresh() && users.account(of: "kirby@example.com") == "kirby")
    #expect(users.warning?.contains(path) == true)
    try FileManager.default.removeItem(atPath: path)
    #expect(!users.refresh() && users.account(of: "kirby@example.com") == "kirby" && users.warning != nil)
    _ = try files.write(
      "users.yaml", "users_id_mapping:\n" + entry(mail: "mario@example.com", account: "mario", key: key))
    #expect(users.refresh() && users.warning == nil && users.account(of: "kirby@example.com") == nil)
  }

  @Test("With the mapping by claim the user's name is the account, reached by its own key or the observer's")
  func claim() throws {
    let users = try directory(.claim)
    #expect(users.account(of: "mario") == "mario" && users.account(of: "kirby@example.com") == nil)
    for name in ["root", "observer", "slurm", "systemd-network", "_apt", "", "Kirby", "a b", "kirby\n"] {
      #expect(users.account(of: name) == nil, "\(name)")
    }
    #expect(users.key(of: "kirby")?.kind == .ed25519 && users.key(of: "mario")?.kind == .ecdsa256)
    #expect(try directory(.file).key(of: "mario") == nil)
  }
}
