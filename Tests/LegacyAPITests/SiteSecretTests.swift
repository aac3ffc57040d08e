import Foundation
import Testing

@testable import LegacyAPI

@Suite("The site's own credentials")
struct SiteSecretTests {
  /// Keeps what it is given, as a backend does.
  private static func settings(_ change: (inout ExecutorSettings) -> Void = { _ in }) -> ExecutorSettings {
    var settings = ExecutorSettings()
    settings.systemCredentials = .init(username: "system", password: "sys-hunter2")
    settings.httpProxy = "http://proxyuser:proxy-hunter2@proxy.example.com:3128"
    settings.httpsProxy = "proxyuser:proxys-hunter2@proxy.example.com:3129"
    settings.noProxy = "localhost"
    change(&settings)
    return settings
  }

  private func script(as sender: Bench.Sender, _ settings: ExecutorSettings) async throws -> String {
    let backend = StagedConnector()
    try await Bench.run(backend, settings: settings) { bench in
      let args = try Script.args(lines: Script.with(["{DOWNSTREAM_PARAMETERS}"]))
      #expect(try await bench.call("/submit", args, as: sender).status == 200)
    }
    return backend.current.script
  }

  private func value(_ name: String, in script: String) -> String? {
    let prefix = "export \(name)="
    return script.split(separator: "\n").first { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
  }

  @Test("A script that the service sends gets them")
  func service() async throws {
    let script = try await script(as: .upstream, Self.settings())
    #expect(value("JARVICE_INIT_DOCKER_PASSWORD", in: script) == base64("sys-hunter2"))
    #expect(value("SCHTTP_PROXY", in: script)?.contains("proxyuser:proxy-hunter2@") == true)
  }

  @Test("A script that a user or an administrator sends by a token gets none, and the proxies without them")
  func users() async throws {
    for sender in [Bench.Sender.user("kirby@example.com"), .admin("mario@example.com")] {
      let script = try await script(as: sender, Self.settings())
      for secret in ["sys-hunter2", "proxy-hunter2", "proxys-hunter2", "proxyuser"] {
        #expect(!script.contains(secret) && !script.contains(base64(secret)))
      }
      #expect(value("JARVICE_INIT_DOCKER_USERNAME", in: script) == "''")
      #expect(value("JARVICE_INIT_DOCKER_PASSWORD", in: script) == "''")
      #expect(value("SCHTTP_PROXY", in: script) == "http://proxy.example.com:3128")
      #expect(value("SCHTTPS_PROXY", in: script) == "proxy.example.com:3129")
      #expect(value("SCNO_PROXY", in: script) == "localhost")
    }
  }
}
