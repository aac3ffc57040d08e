import ArgumentParser
import Foundation

package struct Weir: AsyncParsableCommand {
  static let version = "0.2.0-dev"

  package static let configuration = CommandConfiguration(
    commandName: "weir",
    abstract: "A downstream scheduler: takes jobs from an upstream platform and runs them on the site's machines.",
    discussion: "Environment variables configure Weir; `weir config` shows them.",
    version: version,
    subcommands: [Serve.self, Config.self, Store.self, End.self])

  package init() {}

  package static func main() async {
    // First of all: until then the environment can be read by every process of the same account.
    Hardening.keepMemoryPrivate()
    // Before there is a second thread, so that all of them inherit it.
    Signals.block()
    await main(nil)
  }
}

/// `weir serve`
struct Serve: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Serve the HTTP API until SIGTERM or SIGINT, then finish open requests. SIGHUP reads all files again.")

  func run() async throws {
    let environment = ProcessInfo.processInfo.environment
    let settings = try loadSettings(environment)
    Hardening.remove(fromEnvironment: Settings.secretNames)
    // What Weir writes is its own: jobs, host keys, output.
    umask(0o077)
    do { try await Service.run(settings, environment: environment) } catch let error as StartError {
      try fail(error.description, status: error.status)
    }
  }
}

/// `weir config`
struct Config: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Check the settings and print their values, with secrets masked.")

  @Flag(help: "Print the table of all settings in Markdown instead.")
  var markdown = false

  func run() throws {
    if markdown { return print(Settings.markdown, terminator: "") }
    let settings = try loadSettings(ProcessInfo.processInfo.environment)
    if let fault = BindAddress.lookUp(settings.text("WEIR_BIND_ADDRESS")) {
      try fail("the settings are wrong:\n  WEIR_BIND_ADDRESS: \(fault)", status: 78)
    }
    let users = settings.users.disabled.map { "WEIR_USERS_FILE: a user cannot be served: \($0)" }
    for sentence in settings.unknown + settings.warnings + users {
      FileHandle.standardError.write(Data("weir: warning: \(sentence)\n".utf8))
    }
    print(settings.listing, terminator: "")
  }
}

/// The settings from the environment; with wrong ones, says all that is wrong and exits with 78 (EX_CONFIG).
private func loadSettings(_ environment: [String: String]) throws -> Settings {
  do { return try Settings(environment: environment) } catch {
    try fail("\(error)", status: 78)
  }
}

func fail(_ message: String, status: Int32) throws -> Never {
  FileHandle.standardError.write(Data("weir: \(message)\n".utf8))
  throw ExitCode(status)
}
