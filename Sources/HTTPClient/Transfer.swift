import CLibCurl
import Glibc

/// One request under way, with what libcurl has received for it, within its bounds. It is used by one thread, which it
/// blocks.
final class Transfer {
  private let request: OutboundRequest
  private var headLength = 0
  private var headers: [(name: String, value: String)] = []
  private var body: [UInt8] = []
  private var refused: PeerAddress?

  init(_ request: OutboundRequest) { self.request = request }

  func run() throws(OutboundError) -> OutboundResponse {
    guard let handle = curl_easy_init() else { throw .library("cannot be initialized") }
    defer { curl_easy_cleanup(handle) }
    let fields = try fields()
    defer { curl_slist_free_all(fields) }
    let codes = [curl_easy_setopt_list(handle, CURLOPT_HTTPHEADER, fields)] + options(handle) + callbacks(handle)
    guard codes.allSatisfy({ $0 == CURLE_OK }) else { throw .library("lacks an option") }
    let code = send(on: handle)
    guard code == CURLE_OK else { throw error(for: code) }
    var status = 0
    curl_easy_getinfo_long(handle, CURLINFO_RESPONSE_CODE, &status)
    return OutboundResponse(status: status, headers: headers, body: body)
  }

  /// libcurl does not copy the body: it stays where it is until the transfer has ended.
  private func send(on handle: UnsafeMutableRawPointer) -> CURLcode {
    withExtendedLifetime(self) {
      guard let body = request.body else { return curl_easy_perform(handle) }
      return body.withUnsafeBytes { body in
        let code = curl_easy_setopt_body(handle, body.baseAddress, body.count)
        return code == CURLE_OK ? curl_easy_perform(handle) : code
      }
    }
  }

  // MARK: The request

  private func fields() throws(OutboundError) -> UnsafeMutablePointer<curl_slist>? {
    // Neither what libcurl would say of a body by itself, nor a wait for leave to send it.
    var lines = request.body == nil ? [] : ["Content-Type:", "Expect:"]
    for (name, value) in request.headers {
      guard Self.isToken(name), value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 }) else {
        throw .invalidHeader(name)
      }
      if name.lowercased() == "content-type" { lines.removeAll { $0 == "Content-Type:" } }
      // A field without a value ends with a semicolon here (CURLOPT_HTTPHEADER(3)).
      lines.append(value.allSatisfy { $0 == " " || $0 == "\t" } ? "\(name);" : "\(name): \(value)")
    }
    return lines.reduce(nil) { curl_slist_append($0, $1) ?? $0 }
  }

  /// RFC 9110, section 5.6.2
  private static func isToken(_ name: String) -> Bool {
    !name.isEmpty
      && name.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"):
          true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
      }
  }

  private func options(_ handle: UnsafeMutableRawPointer) -> [CURLcode] {
    var codes = [
      curl_easy_setopt_string(handle, CURLOPT_URL, request.address.text),
      curl_easy_setopt_string(handle, CURLOPT_USERAGENT, "weir"),
      curl_easy_setopt_string(handle, CURLOPT_PROTOCOLS_STR, "http,https"),
      curl_easy_setopt_string(
        handle, CURLOPT_REDIR_PROTOCOLS_STR, request.address.isEncrypted ? "https" : "http,https"),
      curl_easy_setopt_long(handle, CURLOPT_FOLLOWLOCATION, request.redirects > 0 ? 1 : 0),
      curl_easy_setopt_long(handle, CURLOPT_MAXREDIRS, request.redirects),
      curl_easy_setopt_long(handle, CURLOPT_CONNECTTIMEOUT_MS, Self.milliseconds(request.connectTimeout)),
      curl_easy_setopt_long(handle, CURLOPT_TIMEOUT_MS, Self.milliseconds(request.timeout)),
      curl_easy_setopt_long(handle, CURLOPT_NOSIGNAL, 1),
      curl_easy_setopt_long(handle, CURLOPT_MAXFILESIZE, request.bodyLimit),
      curl_easy_setopt_long(handle, CURLOPT_SSL_VERIFYPEER, 1),
      curl_easy_setopt_long(handle, CURLOPT_SSL_VERIFYHOST, 2),
    ]
    switch request.method {
    case .get where request.body == nil: break
    case .head: codes.append(curl_easy_setopt_long(handle, CURLOPT_NOBODY, 1))
    default: codes.append(curl_easy_setopt_string(handle, CURLOPT_CUSTOMREQUEST, request.method.rawValue))
    }
    let authorities = request.authorities
    if let file = authorities.file { codes.append(curl_easy_setopt_string(handle, CURLOPT_CAINFO, file)) }
    if let folder = authorities.folder { codes.append(curl_easy_setopt_string(handle, CURLOPT_CAPATH, folder)) }
    return codes
  }

  /// At least one: 0 would mean no bound.
  private static func milliseconds(_ duration: Duration) -> Int {
    let (seconds, attoseconds) = duration.components
    return max(1, Int(min(max(seconds, 0), 86_400)) * 1000 + Int(attoseconds / 1_000_000_000_000_000))
  }

  // MARK: The response

  private func callbacks(_ handle: UnsafeMutableRawPointer) -> [CURLcode] {
    let context = Unmanaged.passUnretained(self).toOpaque()
    var codes = [
      curl_easy_setopt_header_writer(
        handle, { Transfer.pass($0, $1 * $2, to: $3) { $0.take(headerLine: $1) } }, context),
      curl_easy_setopt_writer(handle, { Transfer.pass($0, $1 * $2, to: $3) { $0.take(body: $1) } }, context),
    ]
    if request.allowsPeer != nil {
      codes.append(curl_easy_setopt_string(handle, CURLOPT_NOPROXY, "*"))
      codes.append(curl_easy_setopt_socket_opener(handle, { Transfer.open($2, for: $0) }, context))
    }
    return codes
  }

  /// What libcurl calls, with the transfer as its context.
  /// - Returns: how many bytes were taken; anything but all ends the transfer.
  private static func pass(
    _ start: UnsafeMutablePointer<CChar>?, _ count: Int, to context: UnsafeMutableRawPointer?,
    by taking: (Transfer, UnsafeRawBufferPointer) -> Bool
  ) -> Int {
    guard let context else { return 0 }
    let transfer = Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
    return taking(transfer, UnsafeRawBufferPointer(start: start, count: count)) ? count : 0
  }

  /// - Returns: whether to go on.
  private func take(headerLine bytes: UnsafeRawBufferPointer) -> Bool {
    headLength += bytes.count
    guard headLength <= request.headLimit else { return false }
    let line = String(decoding: bytes, as: UTF8.self)
    // Of several responses, redirections and the like, the last counts.
    if line.hasPrefix("HTTP/") {
      headers = []
    } else if let colon = line.firstIndex(of: ":") {
      let value = line[line.index(after: colon)...].split(whereSeparator: \.isWhitespace).joined(separator: " ")
      headers.append((String(line[..<colon]), value))
    }
    return true
  }

  /// - Returns: whether to go on.
  private func take(body bytes: UnsafeRawBufferPointer) -> Bool {
    guard body.count + bytes.count <= request.bodyLimit else { return false }
    body += bytes
    return true
  }

  /// A socket for an address that the name has led to, unless the request's rule is against it.
  private static func open(
    _ address: UnsafeMutablePointer<curl_sockaddr>?, for context: UnsafeMutableRawPointer?
  ) -> curl_socket_t {
    guard let context, let address else { return -1 }
    let transfer = Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
    let wanted = address.pointee
    // The address itself goes on behind the end of `sockaddr`, so it is read where it lies.
    let peer = MemoryLayout<curl_sockaddr>.offset(of: \.addr).flatMap { offset in
      PeerAddress(UnsafeRawPointer(address) + offset, length: Int(wanted.addrlen))
    }
    guard let peer, transfer.request.allowsPeer?(peer) == true else {
      transfer.refused = peer
      return -1
    }
    return socket(wanted.family, wanted.socktype | Int32(SOCK_CLOEXEC.rawValue), wanted.protocol)
  }

  private func error(for code: CURLcode) -> OutboundError {
    switch code {
    case CURLE_WRITE_ERROR, CURLE_FILESIZE_EXCEEDED: return .tooLong
    case CURLE_UNSUPPORTED_PROTOCOL: return .foreignScheme
    case CURLE_COULDNT_CONNECT:
      if let refused { return .refusedPeer(refused) }
    default: break
    }
    return .failed(String(cString: curl_easy_strerror(code)).lowercased())
  }
}
