import Glibc

/// Whose certificates a server must show; neither set: the system's.
public struct Authorities: Sendable {
  /// A file of certificates in PEM.
  public var file: String?
  /// A folder of them, as `openssl rehash` makes it.
  public var folder: String?

  public init(file: String? = nil, folder: String? = nil) {
    self.file = file
    self.folder = folder
  }

  static var ofTheEnvironment: Authorities { named(in: { getenv($0).map { String(cString: $0) } }) }

  /// As curl's command takes them from the environment; libcurl does not by itself.
  public static func named(in environment: (String) -> String?) -> Authorities {
    if let file = environment("CURL_CA_BUNDLE"), !file.isEmpty { return Authorities(file: file) }
    let file = environment("SSL_CERT_FILE").flatMap { $0.isEmpty ? nil : $0 }
    let folder = environment("SSL_CERT_DIR").flatMap { $0.isEmpty ? nil : $0 }
    return Authorities(file: file, folder: folder)
  }
}
