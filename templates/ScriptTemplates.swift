import Foundation
import Shell
import Templates

/// The batch script of Slurm jobs, from `slurm/`.
public enum SlurmScript {
  private static let batchTemplate = Result { try template(PackageResources.batch_sh_mustache) }
  private static let nodeTemplate = Result { try template(PackageResources.node_sh_mustache) }
  private static let delimiter = "END_OF_SCRIPT"

  /// The batch script that runs `body` once on each node, byte for byte as it is.
  public static func batch(body: String) throws -> String {
    // A here-document ends each line and knows its delimiter, bash drops NUL, and sbatch refuses a script that holds
    // CR LF: a body with any of these travels in base64.
    let plain =
      body.utf8.last == UInt8(ascii: "\n") && !body.utf8.contains { $0 == 0 || $0 == UInt8(ascii: "\r") }
      && !body.hasPrefix(delimiter + "\n") && !body.contains("\n\(delimiter)\n")
    let text =
      plain
      ? String(body.dropLast())
      : Data(body.utf8).base64EncodedString(options: [.lineLength76Characters, .endLineWithLineFeed])
    return try batchTemplate.get().render([
      "node_script": .text(nodeTemplate.get().render(["base64": .flag(!plain)])),
      "delimiter": .text(delimiter), "body": .text(text),
    ])
  }
}

/// What takes the place of `{DOWNSTREAM_PARAMETERS}` in the upstream's script, from `singularity/`.
public struct DownstreamParameters: Sendable {
  public var scratchDirectory = ""
  public var globalScratchDirectory = ""
  public var appIsInGlobalRegistries = false
  public var singularityDirectory = "/tmp"
  /// Megabytes; 0 for a writable tmpfs.
  public var overlaySize = 600
  /// The credentials of the registry of the init image, and of the app's.
  public var initCredentials = Credentials()
  public var appCredentials = Credentials()
  public var initImage = ""
  public var appImage = ""
  /// The command to run in the app's image, base64.
  public var command = ""
  public var verbose = false
  public var httpProxy = ""
  public var httpsProxy = ""
  public var noProxy = ""

  public struct Credentials: Sendable, Equatable {
    public var username = ""
    public var password = ""

    public init(username: String = "", password: String = "") {
      self.username = username
      self.password = password
    }
  }

  public init() {}

  private static let downstreamTemplate = Result { try template(PackageResources.downstream_sh_mustache) }

  /// - Parameter masked: whether passwords are shown as `***`.
  public func render(masked: Bool) throws -> String {
    func secret(_ text: String) -> TemplateValue {
      masked && !text.isEmpty ? "***" : .text(Data(text.utf8).base64EncodedString())
    }
    func name(_ text: String) -> TemplateValue { .text(Data(text.utf8).base64EncodedString()) }
    func proxy(_ text: String) -> TemplateValue { .text(masked ? Masking.address(text) : text) }
    return try Self.downstreamTemplate.get().render([
      "scratch_directory": .text(scratchDirectory), "global_scratch_directory": .text(globalScratchDirectory),
      "app_is_in_global_registries": .text(appIsInGlobalRegistries ? "True" : "False"),
      "singularity_directory": .text(singularityDirectory), "overlay_size": .text(String(overlaySize)),
      "init_username": name(initCredentials.username), "init_password": secret(initCredentials.password),
      "app_username": name(appCredentials.username), "app_password": secret(appCredentials.password),
      "app_image": .text(appImage), "init_image": .text(initImage), "command": .text(command),
      "verbose": .text(String(verbose)), "verbose_flag": .text(verbose ? "-v" : "-s"), "http_proxy": proxy(httpProxy),
      "https_proxy": proxy(httpsProxy), "no_proxy": .text(noProxy),
    ])
  }
}

/// Showing what holds a secret, without it.
public enum Masking {
  /// An address without the credentials before its host, and without its query: `http://***@proxy:3128`. A password may
  /// hold any character, so that it may end at the last `@` only.
  public static func address(_ text: String) -> String {
    let start = text.range(of: "://")?.upperBound ?? text.startIndex
    let at = text[start...].unicodeScalars.lastIndex(of: "@")
    let rest = text[(at ?? start)...].unicodeScalars
    let end = rest.firstIndex { $0 == "?" || $0 == "#" }
    return text[..<start] + (at == nil ? "" : "***") + String(rest[..<(end ?? rest.endIndex)])
      + (end.map { "\(rest[$0])***" } ?? "")
  }
}

extension Masking {
  /// The same address with nothing in place of its credentials and its query: where it is, and no more.
  public static func withoutSecrets(_ text: String) -> String {
    let start = text.range(of: "://")?.upperBound ?? text.startIndex
    let host = text[start...].unicodeScalars.lastIndex(of: "@").map { text.unicodeScalars.index(after: $0) } ?? start
    return String(text[..<start]) + String(text[host...].unicodeScalars.prefix { $0 != "?" && $0 != "#" })
  }
}

private func template(_ bytes: [UInt8]) throws -> ShellTemplate {
  try ShellTemplate(String(decoding: bytes, as: UTF8.self), quote: ShellQuoting.quote)
}
