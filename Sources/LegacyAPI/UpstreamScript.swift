import Foundation
import HTTP
import Jobs
import ScriptTemplates
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

  public init() {}
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
      throw Self.wrong("hpc_script", "base64 of a script is expected")
    }
    guard let text = String(validating: data, as: UTF8.self) else { throw Self.wrong("hpc_script", "it is not UTF-8") }
    do {
      format = try FormatString(parsing: text, fields: [Self.parameters])
    } catch {
      throw HTTPError(
        .init(422), code: "script_wrong", "hpc_script, \(error)",
        hint: "write {{ and }} for braces; {\(Self.parameters)} is the only field")
    }
    var values: [String: String] = [:]
    for line in format.render([Self.parameters: ""]).utf8.split(separator: UInt8(ascii: "\n")) {
      guard line.starts(with: "JOBOBJ_".utf8) || line.starts(with: "JARVICE_C".utf8),
        let sign = line.firstIndex(of: UInt8(ascii: "="))
      else { continue }
      let name = String(decoding: line[..<sign], as: UTF8.self)
      let value = String(decoding: line[line.index(after: sign)...], as: UTF8.self)
        .trimmingCharacters(in: CharacterSet(charactersIn: "\r"))
      // The first line of a name counts.
      if values[name] == nil { values[name] = value }
    }
    self.values = values
    self.text = text
  }

  /// What the script asks for, as the executor is set up.
  func submission(
    name: String, number: Int, nodes: Int, held: Bool, owner: String, account: String, settings: ExecutorSettings,
    interactiveJobs: Bool
  ) throws -> Submission {
    guard let version = try whole(.appDefinition), version >= 2 else {
      throw Self.wrong(FieldRule.appDefinition.name, "an app definition of version 2 or newer is needed")
    }
    let interactive = try value(.interactive) != "False"
    guard interactiveJobs || !interactive else {
      throw Self.wrong(FieldRule.interactive.name, "interactive jobs are not supported on this cluster")
    }
    guard let cores = try whole(.cores) else { throw FieldRule.cores.refusal() }
    let devices = try Devices(value(.devices))
    let gpus = try whole(.gpus) ?? 0
    let memory = try whole(.memory) ?? 0
    let parameters = try downstreamParameters(version: version, overlay: devices.overlay, settings: settings)
    var submission = try Submission(
      name: name, number: number, owner: owner, account: account, nodes: nodes, coresPerNode: cores,
      memoryPerNode: memory > 0 ? memory : nil, gpusPerNode: gpus, timeLimit: value(.timeLimit),
      licenses: value(.licenses), partition: devices.partition,
      exclusive: devices.exclusive || interactive || gpus > 0, held: held, options: devices.options, request: text,
      script: format.render([Self.parameters: parameters.render(masked: false)]),
      shownScript: Self.masked(format.render([Self.parameters: parameters.render(masked: true)])))
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
          throw Self.wrong(field.name, "the auth of \(registry) is no user:password")
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

  private static let secrets = [FieldRule.registryConfiguration, .registrySecret].map { $0.name + "=" }

  /// The script without the values of the lines that hold registry passwords.
  private static func masked(_ script: String) -> String {
    let lines = script.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map { line in
      let secret = secrets.first { line.starts(with: $0.utf8) && line.count > $0.utf8.count }
      return secret.map { $0 + "***" } ?? String(Substring(line))
    }
    return lines.joined(separator: "\n")
  }

  private static func object(_ data: Data) -> [String: Any]? {
    (try? JSONSerialization.jsonObject(with: data)) as? [String: Any]
  }

  static func wrong(_ name: String, _ expected: String) -> HTTPError {
    HTTPError(.init(422), code: "submission_wrong", "\(name): \(expected)")
  }
}

/// Registries of container images, by docker's rules for names.
enum Registry {
  static let defaultHost = "index.docker.io"

  /// The registry of a repository: what stands before the first `/`, if it looks like a host.
  static func host(of repository: String) -> String {
    hasHost(repository) ? normalized(repository) : defaultHost
  }

  static func hasHost(_ repository: String) -> Bool {
    guard let slash = repository.firstIndex(of: "/") else { return false }
    let first = repository[..<slash]
    return first.contains(".") || first.contains(":") || first == "localhost"
  }

  /// The host of a registry's address, which may have a scheme and a path.
  static func normalized(_ address: String) -> String {
    var rest = address[...]
    if let scheme = rest.range(of: "://") { rest = rest[scheme.upperBound...] }
    let host = rest.prefix { $0 != "/" }.lowercased()
    return ["docker.io", "registry-1.docker.io"].contains(host) ? defaultHost : host
  }
}

/// The pseudo-devices of a job: settings that the upstream's user may add.
struct Devices {
  /// Megabytes.
  var overlay: Int?
  var partition: String?
  var exclusive = true
  var options: [Submission.Option] = []

  /// - Parameter text: a JSON list of `key=value`; nil for none.
  init(_ text: String?) throws {
    guard let text else { return }
    guard let list = (try? JSONSerialization.jsonObject(with: Data(text.utf8))) as? [Any],
      let devices = list as? [String]
    else { throw FieldRule.devices.refusal() }
    for device in devices {
      let parts = device.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2 else {
        throw UpstreamScript.wrong(FieldRule.devices.name, "'\(device.prefix(40))' is not key=value")
      }
      try add(
        parts[0].trimmingCharacters(in: .whitespaces), parts[1].trimmingCharacters(in: .whitespaces))
    }
  }

  private mutating func add(_ key: String, _ value: String) throws {
    switch key {
    case FieldRule.overlay.name: overlay = ValueRule.whole(try checked(value, .overlay))
    case FieldRule.partition.name: partition = try checked(value, .partition)
    case FieldRule.exclusive.name: exclusive = ValueRule.flag(try checked(value, .exclusive)) ?? true
    case _ where key.hasPrefix("sbatch_"):
      options.append(.init(name: String(key.dropFirst("sbatch_".count)), value: try checked(value, .option)))
    default:
      throw UpstreamScript.wrong(
        FieldRule.devices.name,
        "'\(key.prefix(40))' is not known; overlay, partition, exclusive and sbatch_<option> are")
    }
  }
  private func checked(_ value: String, _ field: FieldRule) throws -> String {
    guard field.accepts(value) else { throw field.refusal(of: value) }
    return value
  }
}
