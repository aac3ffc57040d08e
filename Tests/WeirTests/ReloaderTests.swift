import Foundation
import Logging
import Synchronization
import Testing

@testable import weir

@Suite("Settings that are read again")
struct ReloaderTests {
  @Test("A file with a secret counts when it has changed and the service is asked to; a wrong one changes nothing")
  func reload() async throws {
    let files = try Files()
    let path = try files.write("key", "user:first\n")
    #expect(chmod(path, 0o600) == 0)
    let environment = [
      "JARVICE_BAREMETAL_CONNECTOR": "dummy", "JARVICE_SCHED_SERVER_KEY_FILE": path, "HOME": "/nonexistent",
    ]
    let applied = Mutex<[String]>([])
    let reloader = Reloader(
      try Settings(environment: environment), environment: environment,
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    ) { settings in applied.withLock { $0.append(settings.text("JARVICE_SCHED_SERVER_KEY")) } }
    _ = try files.write("key", "user:second\n")
    reloader.reload()
    while applied.withLock({ $0.isEmpty }) { try await Task.sleep(for: .milliseconds(5)) }
    #expect(applied.withLock { $0 } == ["user:second"] && reloader.warnings.isEmpty)
    _ = try files.write("key", "nothing\n")
    reloader.reload()
    while reloader.warnings.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
    let warning = reloader.warnings[0]
    #expect(warning.contains("JARVICE_SCHED_SERVER_KEY") && warning.contains("keeps the previous values"))
    #expect(applied.withLock { $0.count } == 1 && reloader.settings.text("JARVICE_SCHED_SERVER_KEY") == "user:second")
  }
}
