import ArgumentParser
import Conformance
import ConnectorAPI
import Foundation
import JobModel
import Logging
import weir

/// Examines the connector that the settings of `weir` name, on its real backend, and prints the table of what it showed.
@main
struct ConformanceRunner: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Examine the connector that the settings name by the conformance suite.",
    discussion: "The environment variables are those of `weir serve`. The exit status is 1 if a claim was not shown.")

  @Option(help: "The account that jobs run as.")
  var account: String

  @Option(help: "An id that the backend has given to no job.")
  var unknownID: String

  @Option(name: .customLong("option"), help: "NAME=VALUE: an option of the connector's for every job.")
  var options: [String] = []

  @Option(help: "Gigabytes of memory for every job.")
  var memory: Int?

  @Flag(help: "The connector judges every job by its output.")
  var judgedByOutput = false

  @Option(name: .customLong("away"), help: "NAME=VALUE: a setting with which the backend cannot be reached.")
  var away: [String] = []

  @Option(help: "A machine of the backend that cannot be reached.")
  var awayMachine: String = ""

  func run() async throws {
    let logger = Logger(label: "conformance") { _ in
      var handler = StreamLogHandler.standardError(label: "conformance")
      handler.logLevel = .warning
      return handler
    }
    let environment = ProcessInfo.processInfo.environment
    var subject = ConformanceSubject(try ConfiguredConnector.alone(environment: environment, logger: logger))
    (subject.account, subject.unknownID, subject.isJudgedByOutput) = (account, unknownID, judgedByOutput)
    subject.adapt = { [options, memory] spec in
      spec.options = options.map { .init(name: $0.part(0), value: $0.part(1)) }
      spec.memoryPerNode = memory
    }
    if !away.isEmpty {
      let changes = Dictionary(away.map { ($0.part(0), $0.part(1)) }) { $1 }
      let changed = environment.merging(changes) { $1 }
      subject.unreachable = (try ConfiguredConnector.alone(environment: changed, logger: logger), awayMachine)
    }
    let report = try await ConformanceReport.examine(subject)
    print(report, terminator: "")
    for failure in report.failures { print("not shown: \(failure)") }
    // Connections are still open: libcrypto's own end, at exit(3), would take its locks from under their threads.
    fflush(nil)
    _exit(report.failures.isEmpty ? 0 : 1)
  }
}

extension String {
  /// What is before (0) or behind (1) the first equals sign.
  fileprivate func part(_ index: Int) -> String {
    let parts = split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    return index < parts.count ? String(parts[index]) : ""
  }
}
