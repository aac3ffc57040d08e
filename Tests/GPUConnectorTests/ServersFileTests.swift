import Foundation
import SSH
import Support
import Testing

@testable import GPUConnector

/// A directory with two keys, made by ssh-keygen for these tests.
private struct Keys {
  static let shared = Result { try Keys() }
  let directory: URL

  private init() throws {
    directory = FileManager.default.temporaryDirectory.appendingPathComponent("weir-keys-\(UUID())")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    try make("plain", "ed25519", passphrase: "")
    try make("locked", "ecdsa", passphrase: "open sesame")
  }

  private func make(_ name: String, _ kind: String, passphrase: String) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/ssh-keygen")
    process.arguments = ["-q", "-t", kind, "-N", passphrase, "-C", "", "-f", path(name)]
    process.standardInput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
  }

  func path(_ name: String) -> String { directory.appendingPathComponent(name).path }
  func text(_ name: String) throws -> String { try String(contentsOfFile: path(name), encoding: .utf8) }
}

@Suite("The servers file")
struct ServersFileTests {
  private let keys: Keys
  /// What every server needs.
  private let login: String

  init() throws {
    keys = try Keys.shared.get()
    login = "host: h, user: u, key_file: \(keys.path("plain"))"
  }

  private func read(_ text: String, passphrase: String = "") -> (servers: [ServerSpec], faults: [String]) {
    do { return (try ServersFile(text: text, readKey: PrivateKey.reader(passphrase: passphrase)).servers, []) } catch {
      return ([], error.faults.map(\.description))
    }
  }

  /// One server `a` with a field more.
  private func read(field: String) -> (server: ServerSpec?, faults: [String]) {
    let result = read(
      "servers:\n- {name: a, \(login)}\n- name: b\n  host: x\n  user: u\n  key_file: \(keys.path("plain"))\n  \(field)\n"
    )
    return (result.servers.last, result.faults)
  }

  @Test("The sample says what it seems to say, once its keys are keys")
  func sample() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    var sample = try String(
      contentsOf: root.appendingPathComponent("connectors/gpu/servers.sample.yaml"), encoding: .utf8)
    let indented = try keys.text("plain").split(separator: "\n").dropFirst().dropLast().joined(separator: "\n      ")
    sample = sample.replacing("\n      ...\n", with: "\n      \(indented)\n")
    sample = sample.replacing(/\/etc\/weir\/[a-z]+_key/, with: keys.path("plain"))
    let servers = try ServersFile(text: sample, readKey: PrivateKey.reader(passphrase: "")).servers
    #expect(servers.map(\.name) == ["alpha", "beta", "gamma"])
    let key = try PrivateKey(text: keys.text("plain"))
    var alpha = ServerSpec(name: "alpha")
    alpha.login = Login(host: "alpha.example.com", port: 22, user: "weir", key: key)
    #expect(servers[0] == alpha)
    var beta = ServerSpec(name: "beta")
    beta.login = Login(host: "10.0.0.7", port: 22, user: "weir", key: key)
    beta.jump = Login(host: "gate.example.com", port: 2222, user: "hop", key: key)
    beta.gpus = .these([.index(0), .index(1), .uuid("GPU-8f6d2c1a-94b3-4a7e-b0c5-2d1e3f4a5b6c")])
    (beta.cpus, beta.memoryGB, beta.slots, beta.root) = (32, 256, 4, "/scratch/weir")
    beta.environment = ["HTTPS_PROXY": "http://proxy.example.com:3128", "OMP_NUM_THREADS": "8"]
    beta.preamble = ". /etc/profile.d/modules.sh\nmodule load cuda\n"
    beta.epilogue = "rm -rf \"/scratch/tmp/$WEIR_JOB_ID\"\n"
    beta.tags = ["a100", "nvlink"]
    #expect(servers[1] == beta)
    #expect(servers[2].gpus == .count(2))
  }

  @Test("A key is text, base64 of it or a file; an encrypted one needs its passphrase")
  func keyForms() throws {
    let base64 = Data(try keys.text("plain").utf8).base64EncodedString()
    let (servers, faults) = read("servers: [{name: a, host: h, user: u, key: \(base64)}]")
    #expect(faults == [])
    #expect(try servers.first?.login?.key.fingerprint == PrivateKey(text: keys.text("plain")).fingerprint)
    let locked = "servers:\n- {name: a, host: h, user: u, key_file: \(keys.path("locked"))}"
    #expect(read(locked, passphrase: "open sesame").faults == [])
    let passphrase = "this private key is encrypted and needs its passphrase: set WEIR_SSH_PASSPHRASE_FILE"
    #expect(read(locked).faults == ["line 2, a: key_file: \(passphrase)"])
  }

  @Test("A jump host without user or key is reached with the server's")
  func jump() throws {
    let (servers, faults) = read("servers: [{name: a, \(login), jump: {host: gate}}]")
    #expect(
      faults == []
        && servers[0].jump == servers[0].login.map { Login(host: "gate", port: 22, user: $0.user, key: $0.key) })
  }

  @Test("This machine needs no login")
  func local() {
    let spec = ServerSpec.local(root: "/tmp/weir")
    #expect(spec.name == "local" && spec.login == nil && spec.root == "/tmp/weir" && spec.gpus == .auto)
    #expect(ServerSpec.local().root == ".weir")
  }

  @Test("Fields may be written in several ways")
  func forms() throws {
    let forms: [(String, (ServerSpec) -> Bool)] = [
      ("gpus: 0", { $0.gpus == .count(0) }),
      ("gpus: \"auto\"", { $0.gpus == .auto }),
      ("gpus: []", { $0.gpus == .these([]) }),
      ("gpus: [GPU-8F6D2C1A-94b3-4a7e-b0c5-2d1e3f4a5b6c]", { $0.gpus.count == 1 && "\($0.gpus)".contains("8f6d2c1a") }),
      ("preamble: [set -u, umask 027]", { $0.preamble == "set -u\numask 027" }),
      ("enabled: no", { !$0.isEnabled }),
      ("root: /data/weir/", { $0.root == "/data/weir" }),
      ("environment: {A: '', _b2: \"x: 'y'\"}", { $0.environment == ["A": "", "_b2": "x: 'y'"] }),
      ("slots: 0", { $0.slots == 0 }),
    ]
    for (field, holds) in forms {
      let (server, faults) = read(field: field)
      #expect(faults == [], "\(field)")
      #expect(server.map(holds) == true, "\(field)")
    }
  }

  @Test(
    "What is wrong in a server is told with its line and name",
    arguments: [
      ("prot: 22", "unknown key 'prot'; is 'port' meant?"),
      ("gpu: 2", "unknown key 'gpu'; is 'gpus' meant?"),
      ("keyfile: /x", "unknown key 'keyfile'; is 'key_file' meant?"),
      ("enviroment: {}", "unknown key 'enviroment'; is 'environment' meant?"),
      ("colour: red", "unknown key 'colour'"),
      ("\"a secret, perhaps\": 1", "an unknown key"),
      ("port: 70000", "port: expected a whole number from 1 to 65535"),
      ("port: ssh", "port: expected a whole number from 1 to 65535"),
      ("port:", "port: a value is missing"),
      ("cpus: 0", "cpus: expected a whole number from 1 to 65536"),
      ("memory: 64G", "memory: expected a whole number from 1 to 1048576"),
      ("slots: -1", "slots: expected a whole number from 0 to 65536"),
      ("idle_memory: x", "idle_memory: expected a whole number from 0 to 1048576"),
      ("enabled: perhaps", "enabled: expected true or false (or 1, 0, yes, no)"),
      ("gpus: all", "gpus: expected auto, a count from 0 to 1024, or a list of indices or UUIDs"),
      ("gpus: -1", "gpus: expected auto, a count from 0 to 1024, or a list of indices or UUIDs"),
      ("gpus: {a: 1}", "gpus: expected a single value"),
      ("gpus: [0, GPU-1]", "gpus: expected an index or a UUID such as GPU-1a2b..."),
      ("gpus: [[0]]", "gpus: expected a list of single values"),
      ("gpus: [1, 0, 1]", "gpus: 1 occurs twice"),
      ("jump: gate", "jump: expected a mapping of keys and values"),
      ("jump: {}", "jump.host: is missing"),
      ("jump: {host: g, prt: 1}", "jump: unknown key 'prt'; is 'port' meant?"),
      (
        "jump: {host: g, key: nonsense}",
        "jump.key: this is not an SSH private key: expected the text of a file such as ~/.ssh/id_ed25519"
      ),
      ("jump: {host: g, user: root}", "jump.user: jobs never run as root"),
      ("root: ../x", "root: expected a path of at most 512 bytes, without control characters and '..'"),
      (
        "root: ~/x",
        "root: expected a directory of letters, digits and ._/@+=-, absolute or relative to the home directory"
      ),
      (
        "root: /",
        "root: expected a directory of letters, digits and ._/@+=-, absolute or relative to the home directory"
      ),
      ("environment: [A]", "environment: expected a mapping of keys and values"),
      (
        "environment: {A B: 1}",
        "environment: expected a name of letters, digits and '_' that does not begin with a digit"
      ),
      ("environment: {A: [1]}", "environment.A: expected a single value"),
      ("environment: {A: \"\\0\"}", "environment.A: expected text without NUL"),
      ("preamble: {}", "preamble: expected a single value"),
      ("epilogue: \"a\\0b\"", "epilogue: expected text without NUL"),
      ("tags: a100", "tags: expected a list"),
      ("tags: [a b]", "tags: expected a word of 1 to 63 letters, digits and `._-`, not beginning with '-' or '.'"),
    ])
  func fault(field: String, sentence: String) {
    #expect(read(field: field).faults == ["line 7, b: \(sentence)"])
  }

  @Test(
    "What is missing, of another kind or unreadable is told of",
    arguments: [
      ("", "the list 'servers' is missing"),
      ("- a", "line 1: expected a mapping of keys and values"),
      ("server:\n- {}", "line 1: unknown key 'server'; is 'servers' meant?|line 1: servers: is missing"),
      ("servers: 5", "line 1: servers: expected a list of servers"),
      ("servers: []", "line 1: servers: expected a list of servers"),
      ("servers:\n- alpha", "line 2, server 1: expected a mapping of keys and values"),
      (
        "servers:\n- {}",
        "line 2, server 1: name: is missing|line 2, server 1: host: is missing|line 2, server 1: user: is missing|line 2, server 1: key: key or key_file is missing"
      ),
      (
        "servers:\n- {name: a, host: h, user: u, key_file: /nonexistent/key}",
        "line 2, a: key_file: /nonexistent/key cannot be read: no such file or directory"
      ),
      (
        "servers:\n- {name: a, key: x, LOGIN}", "line 2, a: key_file: expected key or key_file, not both"
      ),
      ("servers:\n- {name: a, host: h, user: u, key_file: key}", "line 2, a: key_file: expected an absolute path"),
      (
        "servers:\n- {name: .a, LOGIN}",
        "line 2, server 1: name: expected a word of 1 to 63 letters, digits and `._-`, not beginning with '-' or '.'"
      ),
      ("servers:\n- {name: a, LOGIN}\n- {name: a, LOGIN}", "line 3, a: name: an earlier server has this name too"),
      ("servers:\n- {name: a, LOGIN}\n- {name: b, LOGIN}", "line 3, b: host: a has the same host, port, user and root"),
      ("servers:\n- {name: a,\n   name: b, LOGIN}", "line 2: this key occurs twice in one mapping"),
    ])
  func shape(text: String, sentences: String) {
    #expect(read(text.replacing("LOGIN", with: login)).faults == sentences.split(separator: "|").map(String.init))
  }

  @Test("Two servers may share a host where their roots differ")
  func sharedHost() {
    #expect(read("servers:\n- {name: a, \(login)}\n- {name: b, root: other, \(login)}").faults == [])
  }

  @Test("Every fault of the file is told at once, by lines")
  func allAtOnce() {
    let faults = read(
      "servers:\n- name: a\n  host: h\n  user: root\n  port: 0\n  key: k\n- name: b\n  hots: h\n  \(login.split(separator: ", ")[1])\n"
    ).faults
    #expect(
      faults.map { $0.prefix(9) } == ["line 4, a", "line 5, a", "line 6, a", "line 7, b", "line 7, b", "line 8, b"])
  }

  @Test(
    "No fault shows a part of a key",
    arguments: [
      "\"@KEY", "'@KEY", "@KEY: x", "[@KEY", "\t@KEY", "|\n@KEY", "*@KEY", "!<@KEY", "\n  @KEY: 1", "[@KEY]",
      "{@KEY: 1}",
    ])
  func secret(value: String) throws {
    let key = Data(try keys.text("plain").utf8).base64EncodedString()
    let faults = read(
      "servers:\n- name: a\n  host: \(key)\n  user: \(key)\n  gpus: \(key)\n  \(key): 1\n  key: \(value.replacing("@KEY", with: key))\n"
    ).faults
    #expect(!faults.isEmpty)
    for start in stride(from: 0, to: key.count - 16, by: 8) {
      #expect(!faults.joined().contains(key.dropFirst(start).prefix(16)), "\(faults)")
    }
  }

  @Test("A file that is not there or not text is told of")
  func unreadable() throws {
    let missing = "the file cannot be read: no such file or directory"
    #expect(throws: ServersFile.Invalid(faults: [.init(line: nil, reason: missing)])) {
      try ServersFile(path: "/nonexistent.yaml", readKey: PrivateKey.reader(passphrase: ""))
    }
    let path = keys.path("binary-\(UUID())")
    try Data([0xff, 0xfe, 0xfd]).write(to: URL(fileURLWithPath: path))
    #expect(throws: ServersFile.Invalid(faults: [.init(line: nil, reason: "the file is not UTF-8")])) {
      try ServersFile(path: path, readKey: PrivateKey.reader(passphrase: ""))
    }
  }
}
