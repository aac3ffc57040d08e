import Foundation
import Testing

@testable import LegacyAPI

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
    let secrets = [
      Self.config(("quay.io", "kirby:one-hunter2")), try Self.secret("quay.io", "mario", "two-hunter2"),
    ]
    // Later lines of these names are masked too.
    let lines =
      ["JOBOBJ_REPO=quay.io/app", secrets[0] + "\r", secrets[1], "{DOWNSTREAM_PARAMETERS}"] + secrets
    let asked = try submission(lines, settings: settings)
    for password in ["sys", "proxy", "one", "two"].map({ $0 + "-hunter2" }) {
      #expect(!asked.shownScript.contains(password))
      #expect(!asked.shownScript.contains(base64(password)))
    }
    #expect(!asked.shownScript.contains(base64("kirby:one-hunter2")))
    #expect(!asked.shownScript.contains(secrets[0].dropFirst(17)))
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
