import Foundation
import HTTP
import JobEngine
import JobModel
import ScriptTemplates
import Support
import Templates

/// How jobs of the executor `singularity` are set up: images, registries, directories, proxies.
public struct ExecutorSettings: Sendable {
  public var executor = "singularity"
  public var systemRegistry = ""
  public var systemRepositoryBase = ""
  public var imagesTag = "latest"
  /// The credentials of the system registry.
  public var systemCredentials = DownstreamParameters.Credentials()
  public var localRegistry = ""
  public var localRepositoryBase = ""
  public var proxyPort: Int?
  public var proxyRepositories: [String] = []
  public var globalRegistries: [String] = []
  public var scratchDirectory = ""
  public var globalScratchDirectory = ""
  public var singularityDirectory = "/tmp"
  public var overlaySize = 600
  public var verbose = false
  public var httpProxy = ""
  public var httpsProxy = ""
  public var noProxy = ""
  /// Whether scripts get the site's own credentials, those of the system registry and of the proxies, for all senders,
  /// and not only those that the service sends.
  public var sharesSecrets = false

  public init() {}

  /// The same without the site's own credentials; the proxies stay known by their addresses.
  var withoutSecrets: ExecutorSettings {
    var settings = self
    settings.systemCredentials = .init()
    settings.httpProxy = Masking.withoutSecrets(httpProxy)
    settings.httpsProxy = Masking.withoutSecrets(httpsProxy)
    return settings
  }
}

/// The upstream's script for a job: a template, whose lines `KEY=value` say what the job needs.
struct UpstreamScript {
  private let format: FormatString
  private let values: [String: String]
  private let text: String
  private static let parameters = "DOWNSTREAM_PARAMETERS"

  /// - Parameter base64: the script as it was sent.
  init(base64: String) throws {
    guard let data = Data(base64Encoded: base64, options: .ignoreUnknownCharacters), !data.isEmpty else {
      throw Self.wrong("hpc_script", "expected base64 of a script")
    }
    guard let text = String(validating: data, as: UTF8.self) else { throw Self.wrong("hpc_script", "it is not UTF-8") }
    do {
      format = try FormatString(parsing: text, fields: [Self.parameters], once: true)
    } catch {
      throw HTTPError(
        .init(422), code: "script_wrong", "hpc_script, \(error)",
        hint: "write {{ and }} for braces; {\(Self.parameters)} is the only field, once")
    }
    values = try ScriptLines(format.render([Self.parameters: ""])).values()
    self.text = text
  }

  /// What the script asks for, as the executor is set up.
  func submission(
    name: String, number: Int, nodes: Int, held: Bool, owner: String, account: String, settings: ExecutorSettings,
    interactiveJobs: Bool
  ) throws -> JobSpec {
    guard let version = try whole(.appDefinition), version >= 2 else {
      throw Self.wrong(FieldRule.appDefinition.name, "the app definition must have version 2 or newer")
    }
    let interactive = try value(.interactive)
    guard interactiveJobs || interactive == "False" else { throw Self.notInteractive(isMissing: interactive == nil) }
    guard let cores = try whole(.cores) else { throw FieldRule.cores.refusal() }
    let devices = try Devices(value(.devices))
    let gpus = try whole(.gpus) ?? 0
    let memory = try whole(.memory) ?? 0
    let parameters = try downstreamParameters(version: version, overlay: devices.overlay, settings: settings)
    var submission = try JobSpec(
      name: name, number: number, owner: owner, account: account, nodes: nodes, coresPerNode: cores,
      memoryPerNode: memory > 0 ? memory : nil, gpusPerNode: gpus, timeLimit: value(.timeLimit),
      licenses: value(.licenses), partition: devices.partition,
      exclusive: devices.exclusive || interactive != "False" || gpus > 0, held: held, options: devices.options,
      request: text,
      script: format.render([Self.parameters: parameters.render(masked: false)]),
      shownScript: ScriptLines(format.render([Self.parameters: parameters.render(masked: true)])).masked)
    submission.isJudgedByOutput = true
    submission.joinsOutput = true
    return submission
  }

  // MARK: Images and credentials

  private func downstreamParameters(
    version: Int, overlay: Int?, settings: ExecutorSettings
  ) throws -> DownstreamParameters {
    let repository = try value(.repository) ?? ""
    var parameters = DownstreamParameters()
    parameters.scratchDirectory = settings.scratchDirectory
    parameters.globalScratchDirectory = settings.globalScratchDirectory
    parameters.singularityDirectory = settings.singularityDirectory
    parameters.overlaySize = overlay ?? settings.overlaySize
    parameters.initCredentials = settings.systemCredentials
    parameters.initImage =
      "docker://\(settings.systemRegistry)/\(settings.systemRepositoryBase)/initv\(version):\(try imagesTag(settings))"
    parameters.appImage = try "docker://" + appImage(of: repository, settings)
    parameters.appCredentials = try credentials(of: Registry.host(of: repository))
    parameters.appIsInGlobalRegistries = settings.globalRegistries.contains {
      !$0.isEmpty && parameters.appImage.contains($0)
    }
    parameters.command = try value(.command) ?? ""
    parameters.verbose = settings.verbose
    parameters.httpProxy = settings.httpProxy
    parameters.httpsProxy = settings.httpsProxy
    parameters.noProxy = settings.noProxy
    return parameters
  }

  private func appImage(of repository: String, _ settings: ExecutorSettings) throws -> String {
    if !settings.localRegistry.isEmpty {
      return "\(settings.localRegistry)/\(settings.localRepositoryBase)/\(try value(.appName) ?? ""):latest"
    }
    if let port = settings.proxyPort, settings.proxyRepositories.contains(where: { repository.hasPrefix($0) }) {
      return "localhost:\(port)/"
        + (Registry.hasHost(repository) ? repository.drop { $0 != "/" }.dropFirst() : repository[...])
    }
    return repository
  }

  /// The tag of the system's images; one that ends in an architecture gets the job's.
  private func imagesTag(_ settings: ExecutorSettings) throws -> String {
    let tag = settings.imagesTag
    guard let wanted = try value(.architecture) else { return tag }
    let architecture = wanted == "x86_64" ? "amd64" : wanted
    for known in ["amd64", "arm64", "aarch64", "ppc64le"] where tag.hasSuffix("-" + known) {
      return tag.dropLast(known.count) + architecture
    }
    return tag
  }

  private func credentials(of registry: String) throws -> DownstreamParameters.Credentials {
    if let text = try value(.registrySecret) {
      guard let secret = Self.object(Data(text.utf8)) else { throw FieldRule.registrySecret.refusal() }
      if let server = secret["server"] as? String, Registry.normalized(server) == registry {
        return .init(username: secret["username"] as? String ?? "", password: secret["password"] as? String ?? "")
      }
    }
    if let text = try value(.registryConfiguration) {
      let field = FieldRule.registryConfiguration
      guard let data = Data(base64Encoded: text), let secret = Self.object(data) else { throw field.refusal() }
      let entries = (secret["auths"] as? [String: Any] ?? [:]).sorted { $0.key < $1.key }
      for (server, entry) in entries where Registry.normalized(server) == registry {
        guard let auth = (entry as? [String: Any])?["auth"] as? String, let pair = Data(base64Encoded: auth) else {
          throw Self.wrong(field.name, "the entry of \(registry) has no auth in base64")
        }
        let parts = String(decoding: pair, as: UTF8.self).split(
          separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else {
          throw Self.wrong(field.name, "the auth of \(registry) is not user:password")
        }
        return .init(username: String(parts[0]), password: String(parts[1]))
      }
    }
    return .init()
  }

  // MARK: Values

  /// The value of a line; nil when there is none, or nothing after the sign.
  private func value(_ field: FieldRule) throws -> String? {
    guard let value = values[field.name], !value.isEmpty else { return nil }
    guard field.accepts(value) else { throw field.refusal(of: value) }
    return value
  }

  private func whole(_ field: FieldRule) throws -> Int? { try value(field).flatMap(ValueRule.whole) }

  private static func notInteractive(isMissing: Bool) -> HTTPError {
    let name = FieldRule.interactive.name
    return wrong(
      name,
      isMissing
        ? "the line is missing, which counts as True, and interactive jobs are not supported on this cluster; "
          + "write \(name)=False for a batch job"
        : "interactive jobs are not supported on this cluster; write \(name)=False for a batch job")
  }

  private static func object(_ data: Data) -> [String: Any]? {
    (try? JSONSerialization.jsonObject(with: data)) as? [String: Any]
  }

  static func wrong(_ name: String, _ expected: String) -> HTTPError {
    HTTPError(.init(422), code: "submission_wrong", "\(name): \(expected)")
  }
}
