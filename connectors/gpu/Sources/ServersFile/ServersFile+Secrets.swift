import Support
import YAML
import Yams

extension GPUConnector {
  /// The secrets of a servers file.
  public struct Secrets: Sendable, Equatable {
    /// The files with private keys that it names, in order.
    public var keyFiles: [String] = []
    /// Whether the file itself holds a secret: a private key, or a variable with the name of a secret.
    public var isSecret = false
  }

  /// The secrets of a servers file as it is now. A file that is not YAML may hold anything.
  public static func secrets(inServersFile path: String) -> Secrets {
    guard let bytes = try? BoundedFile.read(path, most: NamedFile.servers) else { return Secrets() }
    let root: Node?
    guard YAMLBound.fault(in: bytes) == nil else { return Secrets(isSecret: true) }
    do { root = try Yams.compose(yaml: String(decoding: bytes, as: UTF8.self)) } catch {
      return Secrets(isSecret: true)
    }
    if let root, YAMLBound.fault(in: root) != nil { return Secrets(isSecret: true) }
    var secrets = Secrets()
    for server in root?.mapping?["servers"]?.sequence ?? [] {
      for login in [server, server.mapping?["jump"]] {
        secrets.isSecret = secrets.isSecret || login?.mapping?["key"] != nil
        if let path = login?.mapping?["key_file"]?.scalar?.string, path.hasPrefix("/") { secrets.keyFiles.append(path) }
      }
      let names = server.mapping?["environment"]?.mapping?.keys.compactMap { $0.scalar?.string.uppercased() } ?? []
      let words = ["TOKEN", "KEY", "SECRET", "PASS", "CREDENTIAL"]
      secrets.isSecret = secrets.isSecret || names.contains { name in words.contains { name.contains($0) } }
    }
    secrets.keyFiles = Set(secrets.keyFiles).sorted()
    return secrets
  }
}
