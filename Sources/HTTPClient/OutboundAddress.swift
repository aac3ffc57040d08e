import CLibCurl

/// Where a request goes: a URL with the scheme https or http, without a name or a password in it.
public struct OutboundAddress: Sendable {
  /// Why a text is not such a URL.
  public enum Fault: Error, Sendable, Equatable {
    /// libcurl cannot read it as a URL; its reason.
    case syntax(String)
    case scheme
    /// It holds a name or a password, which belong in a header field.
    case credentials
  }

  /// The URL as it was given.
  public let text: String
  /// The URL for logs: without its query and its fragment, which may hold secrets.
  public let name: String
  /// Whether its scheme is https.
  public let isEncrypted: Bool

  public init(_ text: String) throws(Fault) {
    Library.initialize
    guard !text.utf8.contains(0), let parts = curl_url() else { throw .syntax("it has a NUL byte") }
    defer { curl_url_cleanup(parts) }
    let code = curl_url_set(parts, CURLUPART_URL, text, 0)
    guard code == CURLUE_OK else { throw .syntax(String(cString: curl_url_strerror(code)).lowercased()) }
    let scheme = Self.part(CURLUPART_SCHEME, of: parts)
    guard let scheme, scheme == "https" || scheme == "http" else { throw .scheme }
    guard Self.part(CURLUPART_USER, of: parts) == nil, Self.part(CURLUPART_PASSWORD, of: parts) == nil else {
      throw .credentials
    }
    curl_url_set(parts, CURLUPART_QUERY, nil, 0)
    curl_url_set(parts, CURLUPART_FRAGMENT, nil, 0)
    self.text = text
    name = Self.part(CURLUPART_URL, of: parts) ?? "\(scheme)://..."
    isEncrypted = scheme == "https"
  }

  private static func part(_ what: CURLUPart, of parts: OpaquePointer) -> String? {
    var text: UnsafeMutablePointer<CChar>?
    guard curl_url_get(parts, what, &text, 0) == CURLUE_OK, let text else { return nil }
    defer { curl_free(text) }
    return String(cString: text)
  }
}

enum Library {
  static let initialize: Void = { _ = curl_global_init_all() }()
}
