import CLibCurl
import Glibc
import Synchronization

/// A key set that is fetched with libcurl, through the proxies that the environment names (`https_proxy`, `no_proxy`, ...).
final class KeySetAddress: KeySetReader {
  let name: String
  let isLocal = false
  private let address: String
  private let isEncrypted: Bool
  private let authorities: Authorities
  private let validators = Mutex(KeySetAnswer.Validators())

  /// - Parameters:
  ///   - text: the address.
  ///   - authorities: whose certificates are trusted.
  /// - Throws: ``KeyError/url(_:)``
  init(_ text: String, authorities: Authorities = .named(in: { getenv($0).map { String(cString: $0) } }))
    throws(KeyError)
  {
    Self.initializeLibrary
    guard !text.utf8.contains(0), let parts = curl_url() else { throw .url("it holds a NUL") }
    defer { curl_url_cleanup(parts) }
    let code = curl_url_set(parts, CURLUPART_URL, text, 0)
    guard code == CURLUE_OK else { throw .url(String(cString: curl_url_strerror(code)).lowercased()) }
    let scheme = Self.part(CURLUPART_SCHEME, of: parts)
    guard scheme == "https" || scheme == "http" else { throw .url("its scheme is neither https nor http") }
    guard Self.part(CURLUPART_USER, of: parts) == nil, Self.part(CURLUPART_PASSWORD, of: parts) == nil else {
      throw .url("it holds a name or a password; a key set is public")
    }
    // A query may hold what is not for logs.
    curl_url_set(parts, CURLUPART_QUERY, nil, 0)
    curl_url_set(parts, CURLUPART_FRAGMENT, nil, 0)
    name = Self.part(CURLUPART_URL, of: parts) ?? "\(scheme ?? "")://..."
    address = text
    isEncrypted = scheme == "https"
    self.authorities = authorities
  }

  private static func part(_ what: CURLUPart, of parts: OpaquePointer) -> String? {
    var text: UnsafeMutablePointer<CChar>?
    guard curl_url_get(parts, what, &text, 0) == CURLUE_OK, let text else { return nil }
    defer { curl_free(text) }
    return String(cString: text)
  }

  private static let initializeLibrary: Void = { _ = curl_global_init_all() }()

  func read() throws(KeyError) -> KeySet? {
    let known = validators.withLock { $0 }
    let answer = KeySetAnswer()
    switch try perform(into: answer, sending: known) {
    case 200:
      let set = try KeySet(answer.body, allowsSecrets: isLocal)
      validators.withLock { $0 = answer.validators }
      return set
    case 304 where known != KeySetAnswer.Validators(): return nil
    case let status: throw .keySet("its server answers with status \(status)")
    }
  }

  /// One GET.
  /// - Returns: the status.
  private func perform(into answer: KeySetAnswer, sending validators: KeySetAnswer.Validators) throws(KeyError) -> Int {
    guard let handle = curl_easy_init() else { throw .keySet("libcurl does not start") }
    defer { curl_easy_cleanup(handle) }
    var fields = curl_slist_append(nil, "Accept: application/jwk-set+json, application/json")
    for field in validators.fields { fields = curl_slist_append(fields, field) ?? fields }
    defer { curl_slist_free_all(fields) }

    var codes = [
      curl_easy_setopt_string(handle, CURLOPT_URL, address),
      curl_easy_setopt_string(handle, CURLOPT_USERAGENT, "weir"),
      curl_easy_setopt_list(handle, CURLOPT_HTTPHEADER, fields),
      curl_easy_setopt_string(handle, CURLOPT_PROTOCOLS_STR, "http,https"),
      curl_easy_setopt_string(handle, CURLOPT_REDIR_PROTOCOLS_STR, isEncrypted ? "https" : "http,https"),
      curl_easy_setopt_long(handle, CURLOPT_FOLLOWLOCATION, 1),
      curl_easy_setopt_long(handle, CURLOPT_MAXREDIRS, 3),
      curl_easy_setopt_long(handle, CURLOPT_CONNECTTIMEOUT, 5),
      curl_easy_setopt_long(handle, CURLOPT_TIMEOUT, 10),
      curl_easy_setopt_long(handle, CURLOPT_NOSIGNAL, 1),
      curl_easy_setopt_long(handle, CURLOPT_MAXFILESIZE, KeySet.maximumLength),
      curl_easy_setopt_long(handle, CURLOPT_SSL_VERIFYPEER, 1),
      curl_easy_setopt_long(handle, CURLOPT_SSL_VERIFYHOST, 2),
    ]
    if let file = authorities.file { codes.append(curl_easy_setopt_string(handle, CURLOPT_CAINFO, file)) }
    if let folder = authorities.folder { codes.append(curl_easy_setopt_string(handle, CURLOPT_CAPATH, folder)) }
    let context = Unmanaged.passUnretained(answer).toOpaque()
    codes.append(
      curl_easy_setopt_header_writer(
        handle, { KeySetAnswer.pass($0, $1 * $2, to: $3) { $0.take(headerLine: $1) } }, context))
    codes.append(
      curl_easy_setopt_writer(handle, { KeySetAnswer.pass($0, $1 * $2, to: $3) { $0.take(body: $1) } }, context))
    guard codes.allSatisfy({ $0 == CURLE_OK }) else { throw .keySet("libcurl lacks an option") }

    let code = withExtendedLifetime(answer) { curl_easy_perform(handle) }
    guard code == CURLE_OK else { throw .keySet(Self.sentence(for: code)) }
    var status = 0
    curl_easy_getinfo_long(handle, CURLINFO_RESPONSE_CODE, &status)
    return status
  }

  private static func sentence(for code: CURLcode) -> String {
    switch code {
    case CURLE_WRITE_ERROR, CURLE_FILESIZE_EXCEEDED: "its server's answer is too long"
    case CURLE_UNSUPPORTED_PROTOCOL: "its server redirects to another scheme"
    default: String(cString: curl_easy_strerror(code)).lowercased()
    }
  }
}

/// Whose certificates a server must show; neither set: the system's.
struct Authorities: Sendable {
  var file: String?
  var folder: String?

  /// As curl's command takes them from the environment; libcurl does not by itself.
  static func named(in environment: (String) -> String?) -> Authorities {
    if let file = environment("CURL_CA_BUNDLE"), !file.isEmpty { return Authorities(file: file) }
    let file = environment("SSL_CERT_FILE").flatMap { $0.isEmpty ? nil : $0 }
    let folder = environment("SSL_CERT_DIR").flatMap { $0.isEmpty ? nil : $0 }
    return Authorities(file: file, folder: folder)
  }
}
