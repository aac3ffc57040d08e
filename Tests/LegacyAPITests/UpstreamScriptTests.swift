import Foundation
import HTTP
import Jobs
import ScriptTemplates
import Testing

@testable import LegacyAPI

/// What a script of these lines, before the usual ones, asks for.
private func submission(
  _ lines: [String] = [], settings: ExecutorSettings = .init(), interactive: Bool = false
) throws -> Submission {
  try UpstreamScript(base64: Script.encoded(lines + Script.plain)).submission(
    name: "job", number: 1, nodes: 1, held: false, owner: "kirby@example.com", account: "kirby", settings: settings,
    interactiveJobs: interactive)
}

/// The status, and what is wrong, with a script.
private func refusal(_ lines: [String], settings: ExecutorSettings = .init()) -> (status: Int, message: String)? {
  do {
    _ = try submission(lines, settings: settings)
    return nil
  } catch {
    return (error as? HTTPError).map { ($0.status.code, $0.message) }
  }
}

/// The value that the job's script exports under a name, as it stands there.
private func exported(_ name: String, _ lines: [String], _ settings: ExecutorSettings = .init()) throws -> String? {
  let script = try submission(["{DOWNSTREAM_PARAMETERS}"] + lines, settings: settings).script
  let prefix = "export \(name)="
  return script.split(separator: "\n").first { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
}

private func base64(_ text: String) -> String { Data(text.utf8).base64EncodedString() }

@Suite("The lines of the upstream's script")
struct UpstreamScriptTests {
  @Test("Each line says what the job asks for")
  func lines() throws {
    let asked = try submission([
      "JOBOBJ_GPUS=2", "JOBOBJ_RAM=64", "JOBOBJ_LICENSES=ansys:2", "JOBOBJ_WALLTIME=1-02:03:04", "JARVICE_CPU_CORES=8",
    ])
    #expect(asked.gpusPerNode == 2 && asked.memoryPerNode == 64 && asked.coresPerNode == 8)
    #expect(asked.licenses == "ansys:2" && asked.timeLimit == "1-02:03:04" && asked.partition == nil)
  }

  @Test(
    "What is absent, empty or 0 is not asked for",
    arguments: [
      [], ["JOBOBJ_GPUS=", "JOBOBJ_RAM=", "JOBOBJ_LICENSES=", "JOBOBJ_WALLTIME=", "JOBOBJ_DEVICES="],
      ["JOBOBJ_GPUS=0", "JOBOBJ_RAM=0", "JOBOBJ_DEVICES=[]"],
    ])
  func absent(lines: [String]) throws {
    let asked = try submission(lines)
    #expect(asked.gpusPerNode == 0 && asked.memoryPerNode == nil && asked.licenses == nil && asked.timeLimit == nil)
    #expect(asked.options.isEmpty && asked.exclusive && !asked.held)
  }

  @Test(
    "Only the first line of a name counts, and only at its start",
    arguments: [
      ["JARVICE_CPU_CORES=4", "JARVICE_CPU_CORES=5"], ["JARVICE_CPU_CORES=4\r", "JOBOBJ_RAM=1\r"],
      [" JARVICE_CPU_CORES=5", "#JARVICE_CPU_CORES=5", "export JARVICE_CPU_CORES=5", "JARVICE_CPU_CORES=4"],
    ])
  func first(lines: [String]) throws {
    #expect(try submission(lines).coresPerNode == 4)
  }

  @Test("A value may hold '='")
  func signs() throws {
    #expect(try exported("JARVICE_CMD", ["JARVICE_CMD=ZWNobw=="]) == "ZWNobw==")
  }

  @Test(
    "Numbers must be whole and within reason",
    arguments: [
      "JARVICE_CPU_CORES=x", "JARVICE_CPU_CORES=-1", "JARVICE_CPU_CORES=0", "JARVICE_CPU_CORES=1.5", "JOBOBJ_GPUS=two",
      "JOBOBJ_RAM=99999999999999999999", "JOBOBJ_RAM=1048577", "JOBOBJ_APPDEFVERSION=2.0",
    ])
  func numbers(line: String) {
    let refused = refusal([line])
    #expect(refused?.status == 422)
    #expect(refused?.message.hasPrefix(line.prefix { $0 != "=" }) == true)
  }

  @Test(
    "An app definition below 2, or none, is refused",
    arguments: ["JOBOBJ_APPDEFVERSION=1", "JOBOBJ_APPDEFVERSION=", "JOBOBJ_APPDEFVERSION=0"])
  func appDefinition(line: String) {
    #expect(refusal([line])?.status == 422)
    #expect(refusal([line])?.message.contains("version 2") == true)
  }

  @Test("Without cores a job cannot be placed")
  func cores() { #expect(refusal(["JARVICE_CPU_CORES="])?.message.hasPrefix("JARVICE_CPU_CORES") == true) }

  @Test("A command that is longer than a variable can be is refused, for its job could start no program")
  func longCommand() throws {
    let line = { (count: Int) in "JARVICE_CMD=" + String(repeating: "x", count: count) }
    #expect(refusal([line(131_073)])?.message.hasPrefix("JARVICE_CMD") == true)
    #expect(refusal([line(130_000)]) == nil)
  }

  @Test(
    "A job is interactive unless it says False",
    arguments: [("False", false), ("True", true), ("false", true), ("", true)])
  func interactive(word: String, isInteractive: Bool) throws {
    let lines = ["JOBOBJ_INTERACTIVE=\(word)", #"JOBOBJ_DEVICES=["exclusive=False"]"#]
    #expect(refusal(lines).map(\.status) == (isInteractive ? 422 : nil))
    #expect(try submission(lines, interactive: true).exclusive == isInteractive)
  }

  @Test("A job that says nothing of being interactive is")
  func interactiveByDefault() {
    let encoded = Script.encoded(["JOBOBJ_APPDEFVERSION=2", "JARVICE_CPU_CORES=1"])
    let error = #expect(throws: HTTPError.self) {
      try UpstreamScript(base64: encoded).submission(
        name: "job", number: 1, nodes: 1, held: false, owner: "", account: "", settings: .init(), interactiveJobs: false
      )
    }
    #expect(error?.message.hasPrefix("JOBOBJ_INTERACTIVE") == true)
  }

  @Test(
    "A brace that means nothing is refused with its place",
    arguments: [
      (["true", "f() { true; }"], "line 2, column 5"), (["a }"], "line 1, column 3"),
      (["\u{1F600}{x}"], "line 1, column 2"), (["{DOWNSTREAM_PARAMETERS!r}"], "line 1, column 23"),
      (["${HOME}"], "line 1, column 2"),
    ])
  func braces(lines: [String], place: String) {
    let refused = refusal(lines)
    #expect(refused?.status == 422)
    #expect(refused?.message.contains(place) == true, "\(refused?.message ?? "")")
  }

  @Test("Doubled braces are braces, in the lines and in the body")
  func doubled() throws {
    let asked = try submission(["f() {{ echo ${{HOME}}; }}", #"JOBOBJ_DEVICES=["partition={{p}}"]"#])
    #expect(asked.script.hasPrefix("f() { echo ${HOME}; }\n"))
    #expect(asked.partition == "{p}")
  }

  @Test(
    "The body is the upstream's text, to the byte",
    arguments: ["a\r\nb\u{0}\t'\"\\$(x)`y`\u{2028}\u{1F600}", "e\u{301}\u{e9}\u{feff}"])
  func body(text: String) throws {
    let lines = Script.plain + [text]
    let asked = try UpstreamScript(base64: Script.encoded(lines)).submission(
      name: "job", number: 1, nodes: 1, held: false, owner: "", account: "", settings: .init(), interactiveJobs: false)
    #expect(Array(asked.script.utf8) == Array(lines.joined(separator: "\n").utf8))
    #expect(Array(asked.shownScript.utf8) == Array(asked.script.utf8))
  }

  @Test("base64 with line ends is read; a script that is no UTF-8 is refused")
  func encoding() throws {
    let lines = Script.plain + [String(repeating: "# long\n", count: 40)]
    let wrapped = Data(lines.joined(separator: "\n").utf8).base64EncodedString(
      options: [.lineLength64Characters, .endLineWithCarriageReturn, .endLineWithLineFeed])
    _ = try UpstreamScript(base64: wrapped)
    let error = #expect(throws: HTTPError.self) {
      try UpstreamScript(base64: Data([0xff, 0xfe]).base64EncodedString())
    }
    #expect(error?.message.contains("UTF-8") == true)
  }

  @Test("A script of a megabyte is read quickly")
  func large() throws {
    let line = String(repeating: "echo '{{x}}' \u{e9}; ", count: 10)
    let lines = ["{DOWNSTREAM_PARAMETERS}"] + Array(repeating: line, count: 6000)
    let clock = ContinuousClock()
    var asked: Submission?
    let time = try clock.measure { asked = try submission(lines) }
    #expect((asked?.script.utf8.count ?? 0) > 900_000)
    // The upstream gives a call 20 s; a way through the text that is not linear takes minutes.
    #expect(time < .seconds(10), "it took \(time)")
  }
}

@Suite("The pseudo-devices of a job")
struct DevicesTests {
  private func devices(_ list: String...) throws -> [String] {
    ["JOBOBJ_DEVICES=" + String(decoding: try JSONEncoder().encode(list), as: UTF8.self)]
  }

  @Test("overlay is the job's own, and the next job's is the site's")
  func overlay() throws {
    let name = "JARVICE_SINGULARITY_OVERLAY_SIZE"
    #expect(try exported(name, devices("overlay=1234")) == "1234")
    #expect(try exported(name, devices("overlay=0")) == "0")
    #expect(try exported(name, []) == "600")
  }

  @Test("A partition, and options of sbatch, which may hold '='")
  func options() throws {
    let asked = try submission(
      devices(" partition = debug ", "sbatch_gres=gpu:a=b", "sbatch_comment=x y", "sbatch_nice="))
    #expect(asked.partition == "debug")
    #expect(
      asked.options == [
        .init(name: "gres", value: "gpu:a=b"), .init(name: "comment", value: "x y"), .init(name: "nice", value: ""),
      ])
  }

  @Test(
    "exclusive=False shares the nodes, unless the job has GPUs",
    arguments: [("exclusive=False", 0, false), ("exclusive=True", 0, true), ("exclusive=False", 1, true)])
  func exclusive(device: String, gpus: Int, isExclusive: Bool) throws {
    #expect(try submission(devices(device) + ["JOBOBJ_GPUS=\(gpus)"]).exclusive == isExclusive)
  }

  @Test(
    "Whatever else is refused, and named",
    arguments: [
      (#"["color=red"]"#, "'color' is not known"), (#"["overlay"]"#, "'overlay' is not key=value"),
      (#"["overlay=big"]"#, "overlay=big"), (#"["overlay=-1"]"#, "overlay=-1"), (#"["overlay=9999999999"]"#, "overlay"),
      ("overlay=1", "a JSON list"), (#"{{"overlay":1}}"#, "a JSON list"), ("[1]", "a JSON list"), ("[", "a JSON list"),
    ])
  func unknown(value: String, part: String) {
    let refused = refusal(["JOBOBJ_DEVICES=\(value)"])
    #expect(refused?.status == 422)
    #expect(refused?.message.hasPrefix("JOBOBJ_DEVICES: ") == true)
    #expect(refused?.message.contains(part) == true, "\(refused?.message ?? "")")
  }
}

@Suite("Images and their registries")
struct ImageTests {
  @Test("The image is the repository's, under docker://")
  func repository() throws {
    #expect(
      try exported("JARVICE_APP_IMAGE", ["JOBOBJ_REPO=127.0.0.1:5055/app:latest"])
        == "docker://127.0.0.1:5055/app:latest")
  }

  @Test("A local registry takes the place of every other")
  func local() throws {
    var settings = ExecutorSettings()
    settings.localRegistry = "local.example.com"
    settings.localRepositoryBase = "mirror"
    settings.proxyPort = 5000
    settings.proxyRepositories = ["gcr.io"]
    let lines = ["JOBOBJ_NAE=testapp", "JOBOBJ_REPO=gcr.io/x/y:1"]
    // The contract puts docker:// before the repository alone, but the image is pulled from a registry all the same.
    #expect(try exported("JARVICE_APP_IMAGE", lines, settings) == "docker://local.example.com/mirror/testapp:latest")
  }

  @Test(
    "A registry proxy takes the place of the host of the repositories it is for",
    arguments: [
      ("gcr.io/x/y:1", "docker://localhost:5000/x/y:1"), ("gcr.io:443/x", "docker://localhost:5000/x"),
      ("library/ubuntu:1", "docker://localhost:5000/library/ubuntu:1"),
      ("quay.io/x/y:1", "docker://quay.io/x/y:1"), ("docker.io/library/gcr.io", "docker://docker.io/library/gcr.io"),
    ])
  func proxy(repository: String, image: String) throws {
    var settings = ExecutorSettings()
    settings.proxyPort = 5000
    settings.proxyRepositories = ["gcr.io", "us.gcr.io", "library/"]
    #expect(try exported("JARVICE_APP_IMAGE", ["JOBOBJ_REPO=\(repository)"], settings) == image)
    settings.proxyPort = nil
    #expect(try exported("JARVICE_APP_IMAGE", ["JOBOBJ_REPO=\(repository)"], settings) == "docker://" + repository)
  }

  @Test(
    "The tag of the init image gets the job's architecture, if it ends in one",
    arguments: [
      ("latest", "x86_64", "latest"), ("1.2-arm64", "x86_64", "1.2-amd64"), ("1.2-amd64", "aarch64", "1.2-aarch64"),
      ("1.2-amd64", "", "1.2-amd64"), ("1.2-amd64-rc1", "arm64", "1.2-amd64-rc1"), ("amd64x", "arm64", "amd64x"),
    ])
  func architecture(tag: String, architecture: String, expected: String) throws {
    var settings = ExecutorSettings()
    settings.systemRegistry = "sys.example.com"
    settings.systemRepositoryBase = "base"
    settings.imagesTag = tag
    let image = try exported("JARVICE_INIT_IMAGE", ["JOBOBJ_ARCH=\(architecture)", "JOBOBJ_APPDEFVERSION=3"], settings)
    #expect(image == "docker://sys.example.com/base/initv3:\(expected)")
  }

  @Test(
    "Whether the app's image is in a global registry",
    arguments: [([], "False"), (["gcr.io/x"], "True"), (["", "quay.io"], "False")])
  func global(registries: [String], expected: String) throws {
    var settings = ExecutorSettings()
    settings.globalRegistries = registries
    #expect(
      try exported("JARVICE_JOB_APP_IS_IN_GLOBAL_REGISTRIES", ["JOBOBJ_REPO=gcr.io/x/y"], settings) == expected)
  }

  static let dockerHub = "index.docker.io"

  @Test(
    "The registry of a repository is what stands before the first slash, if it looks like a host",
    arguments: [
      ("ubuntu", dockerHub), ("library/ubuntu", dockerHub), ("docker.io/library/ubuntu", dockerHub),
      ("registry-1.docker.io/x", dockerHub), ("index.docker.io/x/y", dockerHub), ("host:5000/app", "host:5000"),
      ("localhost/app", "localhost"), ("Registry.Example.com/a/b:1", "registry.example.com"), ("", dockerHub),
      ("ubuntu:22.04", dockerHub),
    ])
  func host(repository: String, registry: String) { #expect(Registry.host(of: repository) == registry) }

  @Test(
    "An address of a registry is its host, whatever stands around it",
    arguments: [
      ("https://index.docker.io/v1/", dockerHub), ("docker.io", dockerHub), ("http://host:5000", "host:5000"),
      ("host:5000/v2/", "host:5000"), ("HOST.example.com", "host.example.com"),
    ])
  func address(address: String, registry: String) { #expect(Registry.normalized(address) == registry) }
}

@Suite("The credentials of registries")
struct CredentialTests {
  static let password = "p:w'\"$\\\u{e9}"

  static func config(_ auths: (registry: String, pair: String)...) -> String {
    let members = auths.map { "\"\($0.registry)\":{\"auth\":\"\(base64($0.pair))\"}" }
    return "JOBOBJ_CTRSECRET=" + base64("{\"auths\":{\(members.joined(separator: ","))}}")
  }

  static func secret(_ server: String, _ username: String, _ password: String) throws -> String {
    let text = String(
      decoding: try JSONEncoder().encode(["server": server, "username": username, "password": password]), as: UTF8.self)
    return "JOBOBJ_DOCKER_SECRET=" + text.replacing("{", with: "{{").replacing("}", with: "}}")
  }

  private func credentials(_ lines: [String], _ settings: ExecutorSettings = .init()) throws -> [String] {
    try ["JARVICE_DOCKER_USERNAME", "JARVICE_DOCKER_PASSWORD"].map { name in
      let value = try #require(try exported(name, lines, settings))
      return value == "''" ? "" : String(decoding: try #require(Data(base64Encoded: value)), as: UTF8.self)
    }
  }

  @Test(
    "A docker configuration has them by registry",
    arguments: [
      ("host:5000/app", "host:5000"), ("registry.example.com/a/b:1", "https://registry.example.com/v2/"),
      ("ubuntu", "https://index.docker.io/v1/"), ("docker.io/library/ubuntu", "docker.io"),
      ("localhost/app", "localhost"),
    ])
  func configuration(repository: String, registry: String) throws {
    let lines = [
      "JOBOBJ_REPO=\(repository)", Self.config(("other.example.com", "o:o"), (registry, "kirby:" + Self.password)),
    ]
    #expect(try credentials(lines) == ["kirby", Self.password])
  }

  @Test("The secret of a registry wins over the configuration, and leaves the others alone")
  func secretWins() throws {
    let both = try [
      Self.config(("host:5000", "kirby:one"), ("quay.io", "kirby:two")),
      Self.secret("host:5000", "mario", Self.password),
    ]
    #expect(try credentials(["JOBOBJ_REPO=host:5000/app"] + both) == ["mario", Self.password])
    #expect(try credentials(["JOBOBJ_REPO=quay.io/app"] + both) == ["kirby", "two"])
    #expect(try credentials(["JOBOBJ_REPO=gcr.io/app"] + both) == ["", ""], "no registry sees another's password")
  }

  @Test(
    "Secrets that cannot be read are refused, without being repeated",
    arguments: [
      "JOBOBJ_CTRSECRET=%%%", "JOBOBJ_CTRSECRET=" + base64("hunter2"),
      "JOBOBJ_CTRSECRET=" + base64(#"{"auths":{"quay.io":{"auth":"hunter2%"}}}"#),
      "JOBOBJ_CTRSECRET=" + base64(#"{"auths":{"quay.io":{"auth":"\#(base64("hunter2"))"}}}"#),
      "JOBOBJ_CTRSECRET=" + base64(#"{"auths":{"quay.io":{"password":"hunter2"}}}"#),
      "JOBOBJ_DOCKER_SECRET=hunter2", #"JOBOBJ_DOCKER_SECRET=["hunter2"]"#,
    ])
  func unreadable(line: String) {
    let refused = refusal(["JOBOBJ_REPO=quay.io/app", line])
    #expect(refused?.status == 422)
    #expect(refused?.message.hasPrefix(line.prefix { $0 != "=" }) == true)
    #expect(refused?.message.contains("hunter2") == false)
  }

  @Test("The script that is shown holds no password, nor base64 of one, in no line")
  func masked() throws {
    var settings = ExecutorSettings()
    settings.systemCredentials = .init(username: "system", password: "sys-hunter2")
    settings.httpProxy = "http://proxyuser:proxy-hunter2@proxy.example.com:3128"
    settings.httpsProxy = settings.httpProxy
    let lines = try [
      "JOBOBJ_REPO=quay.io/app", Self.config(("quay.io", "kirby:one-hunter2")) + "\r",
      Self.secret("quay.io", "mario", "two-hunter2"), "{DOWNSTREAM_PARAMETERS}",
      // Later lines of these names say nothing, and tell nothing either.
      Self.config(("quay.io", "kirby:three-hunter2")), Self.secret("quay.io", "mario", "two-hunter2"),
    ]
    let asked = try submission(lines, settings: settings)
    for password in ["sys", "proxy", "one", "two", "three"].map({ $0 + "-hunter2" }) {
      #expect(!asked.shownScript.contains(password))
      #expect(!asked.shownScript.contains(base64(password)))
    }
    #expect(!asked.shownScript.contains(base64("kirby:one-hunter2")))
    let secrets = lines.filter { $0.hasPrefix("JOBOBJ_CTRSECRET") }.map { $0.dropFirst(17).filter { $0 != "\r" } }
    for secret in secrets { #expect(!asked.shownScript.contains(secret)) }
    #expect(asked.shownScript.contains("JOBOBJ_CTRSECRET=***\nJOBOBJ_DOCKER_SECRET=***\n"))
    #expect(asked.script.contains(base64("sys-hunter2")) && asked.script.contains(base64("two-hunter2")))
  }

  @Test("A submission keeps its fingerprint when the site's settings change, and only then")
  func fingerprint() throws {
    let lines = [
      "JOBOBJ_REPO=ubuntu", "{DOWNSTREAM_PARAMETERS}", Self.config(("docker.io", "a:b"), ("quay.io", "c:d")),
    ]
    var settings = ExecutorSettings()
    settings.httpProxy = "http://proxy:3128"
    settings.systemCredentials = .init(username: "system", password: "new")
    settings.imagesTag = "next"
    let before = try submission(lines)
    let after = try submission(lines, settings: settings)
    #expect(before.fingerprint == after.fingerprint && before.script != after.script)
    #expect(try submission(lines + ["# more"]).fingerprint != before.fingerprint)
  }
}
