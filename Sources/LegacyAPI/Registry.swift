/// Registries of container images, by docker's rules for names.
enum Registry {
  static let defaultHost = "index.docker.io"

  /// The registry of a repository: the part before the first `/`, if it looks like a host.
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
