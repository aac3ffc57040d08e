import Logging
import Testing

@testable import weir

@Suite("The connector that the settings name")
struct ConfiguredConnectorTests {
  private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

  @Test("It is made without a service, with the capabilities that its settings give it")
  func made() throws {
    var environment = ["JARVICE_BAREMETAL_CONNECTOR": "dummy", "WEIR_AUTH": "none", "HOME": "/nonexistent"]
    #expect(try ConfiguredConnector.alone(environment: environment, logger: logger).has(.interactive) == false)
    environment["JARVICE_DUMMY_JOBS_ARE_INTERACTIVE"] = "true"
    let connector = try ConfiguredConnector.alone(environment: environment, logger: logger)
    #expect(connector.name == "dummy" && connector.has(.interactive))
  }

  @Test("An unknown name is an error, and no other connector stands in for it")
  func unknown() {
    let environment = ["JARVICE_BAREMETAL_CONNECTOR": "slrum", "WEIR_AUTH": "none", "HOME": "/nonexistent"]
    #expect(throws: SettingsError.self) { try ConfiguredConnector.alone(environment: environment, logger: logger) }
  }
}
