import Glibc

/// A request that arrived whole.
public struct Request: Sendable {
  /// What a request is made of, behind one reference: it is handed from hand to hand on every call. Only one that
  /// nobody else refers to is ever changed, but for the notes, which have a lock; that is why it may be called Sendable.
  final class Storage: @unchecked Sendable {
    @exclusivity(unchecked) var method = ""
    @exclusivity(unchecked) var target = ""
    /// Where it is not the whole target.
    @exclusivity(unchecked) var ownPath: String?
    /// Where it differs from the path as sent.
    @exclusivity(unchecked) var decodedPath: String?
    @exclusivity(unchecked) var query: [(name: String, value: String)] = []
    @exclusivity(unchecked) var headers = Headers()
    @exclusivity(unchecked) var body: [UInt8] = []
    @exclusivity(unchecked) var parameters: [String: String] = [:]
    @exclusivity(unchecked) var remoteAddress = ""
    @exclusivity(unchecked) var id = RequestID()
    /// The id that the client wants, if it is one.
    @exclusivity(unchecked) var givenID: String?
    /// The request this is a copy of: what is noted, is noted there.
    @exclusivity(unchecked) fileprivate var origin: Storage?
    @exclusivity(unchecked) fileprivate var caller: String?
    @exclusivity(unchecked) fileprivate var jobID: String?
  }

  private(set) var storage: Storage

  init(_ storage: Storage) { self.storage = storage }

  /// - Throws: 400 when the target cannot be understood.
  public init(
    method: String, target: String, headers: Headers = [:], body: [UInt8] = [], remoteAddress: String = ""
  ) throws(HTTPError) {
    let storage = Storage()
    storage.method = method
    storage.target = target
    storage.headers = headers
    storage.body = body
    storage.remoteAddress = remoteAddress
    try storage.readTarget()
    self.storage = storage
  }

  /// As sent; methods are case-sensitive (RFC 9110 section 9.1).
  public var method: String {
    get { storage.method }
    set { own().method = newValue }
  }
  /// The request target as sent.
  public var target: String {
    get { storage.target }
    set {
      let storage = own()
      storage.ownPath = storage.rawPath
      storage.target = newValue
    }
  }
  /// The path, percent-decoded once; `*` for `OPTIONS *`.
  public var path: String {
    get { storage.decodedPath ?? storage.rawPath }
    set { own().decodedPath = newValue }
  }
  /// The pairs of the query, decoded, in order.
  public var query: [(name: String, value: String)] {
    get { storage.query }
    set { own().query = newValue }
  }
  public var headers: Headers {
    get { storage.headers }
    set { own().headers = newValue }
  }
  public var body: [UInt8] {
    get { storage.body }
    set { own().body = newValue }
  }
  /// The values of the route's `{name}`s, each decoded by itself: one may hold a slash.
  public var parameters: [String: String] {
    get { storage.parameters }
    set { own().parameters = newValue }
  }
  /// Where the request came from, such as `127.0.0.1:5321` or `[::1]:5321`.
  public var remoteAddress: String {
    get { storage.remoteAddress }
    set { own().remoteAddress = newValue }
  }

  /// What the request is found again by: the client's X-Request-ID, if it sent one of 1 to 64 letters, digits, `.`, `-`
  /// and `_`, else one that was made here. It is sent back in the same field; empty for a request that did not come over
  /// a connection.
  public var id: String { storage.id.text }

  /// Sets the caller and the job for the access log; nil leaves the value set before.
  ///
  /// May be called from anywhere until the request is answered, also before an error is thrown.
  public func note(caller: String? = nil, jobID: String? = nil) { storage.note(caller: caller, jobID: jobID) }

  /// The path as sent, without scheme, authority and query: what routes are matched with.
  var rawPath: String { storage.rawPath }

  /// The storage, to be changed: a copy where others have it too.
  private mutating func own() -> Storage {
    if !isKnownUniquelyReferenced(&storage) { storage = storage.copy() }
    return storage
  }

  /// The storage, emptied, when nobody else refers to it. The request is over then.
  mutating func recycled() -> Storage? {
    guard isKnownUniquelyReferenced(&storage) else { return nil }
    storage.empty()
    return storage
  }

  /// The body, where it is as it was written.
  /// - Throws: ``HTTPError`` 415 when it came in a content coding, gzip for example: none is undone here.
  public func plainBody() throws(HTTPError) -> [UInt8] {
    let codings = headers.values(of: "Content-Encoding").joined(separator: ",").split(separator: ",")
    guard codings.allSatisfy({ ["", "identity"].contains($0.filter { $0 != " " && $0 != "\t" }.lowercased()) }) else {
      throw HTTPError(
        .unsupportedMediaType, code: "unsupported_content_encoding",
        "the body has a Content-Encoding, which this service does not decode",
        hint: "send it without Content-Encoding", headers: ["Accept-Encoding": "identity"])
    }
    return body
  }

  /// The fields of a form, sent as `application/x-www-form-urlencoded` or `multipart/form-data`.
  /// - Throws: ``HTTPError`` 415 for another content type, 400 for a form that is malformed.
  public func form() throws -> FormFields {
    let body = try plainBody()
    // Nearly every form comes with just these words.
    let isUsual = try headers.withValue(of: "content-type") {
      $0.equalsIgnoringCase("application/x-www-form-urlencoded")
    }
    if isUsual == true { return try FormFields(urlEncoded: body) }
    let contentType = headers["Content-Type"] ?? ""
    let mediaType = MediaType(contentType)
    switch mediaType.name {
    case "application/x-www-form-urlencoded": return try FormFields(urlEncoded: body)
    case "multipart/form-data":
      guard let boundary = mediaType.parameters["boundary"] else {
        throw HTTPError.badRequest("multipart/form-data without a boundary")
      }
      return try FormFields(multipart: body, boundary: boundary)
    default:
      throw HTTPError(
        .unsupportedMediaType, code: "unsupported_media_type",
        contentType.isEmpty ? "the request has no Content-Type" : "this call does not accept that Content-Type",
        hint: "send application/x-www-form-urlencoded or multipart/form-data")
    }
  }
}

extension Request.Storage {
  /// One for all: it is held for a moment, and seldom asked for.
  private static let notesLock = Locked(())

  fileprivate func note(caller: String?, jobID: String?) {
    let noted = origin ?? self
    Self.notesLock.access { _ in
      if let caller { noted.caller = caller }
      if let jobID { noted.jobID = jobID }
    }
  }

  /// The values that handlers set.
  var notes: (caller: String?, jobID: String?) { Self.notesLock.access { _ in (caller, jobID) } }

  var rawPath: String { ownPath ?? target }

  /// Takes the target apart.
  /// - Throws: 400 when it cannot be understood.
  func readTarget() throws(HTTPError) {
    let method = method
    let parts = try target.withBytes { bytes throws(HTTPError) in try TargetParts(bytes, method: method) }
    // The usual target is its own path.
    if let path = parts.path { ownPath = path }
    if !parts.query.isEmpty { query = parts.query }
    if parts.isPathEncoded {
      decodedPath = try rawPath.withBytes { bytes throws(HTTPError) in
        try Percent.decodeText(bytes, what: "the path")
      }
    }
  }

  fileprivate func copy() -> Request.Storage {
    let copy = Request.Storage()
    copy.method = method
    copy.target = target
    copy.ownPath = ownPath
    copy.decodedPath = decodedPath
    copy.query = query
    copy.headers = headers
    copy.body = body
    copy.parameters = parameters
    copy.remoteAddress = remoteAddress
    copy.id = id
    copy.origin = origin ?? self
    return copy
  }

  /// Forgets all but the memory of the header fields, where it is not large.
  fileprivate func empty() {
    if ownPath != nil { ownPath = nil }
    if decodedPath != nil { decodedPath = nil }
    if !query.isEmpty { query = [] }
    if !body.isEmpty { body = [] }
    if !parameters.isEmpty { parameters = [:] }
    if givenID != nil { givenID = nil }
    if origin != nil { origin = nil }
    if caller != nil { caller = nil }
    if jobID != nil { jobID = nil }
    if headers.byteCount > 4096 { headers = Headers() } else { headers.removeAllKeepingCapacity() }
  }
}

/// The parts of a request target (RFC 9112 section 3.2).
private struct TargetParts {
  /// nil when it is the whole target.
  var path: String?
  var isPathEncoded = false
  var query: [(name: String, value: String)] = []

  init(_ target: UnsafeRawBufferPointer, method: String) throws(HTTPError) {
    var start = 0
    if target.first != Byte.slash {
      // asterisk-form; CONNECT's authority-form names no path, and no route will take it.
      if target.count == 1, target.first == UInt8(ascii: "*"), method == "OPTIONS" { return }
      if method == "CONNECT" { return }
      guard let authority = Self.authorityStart(target) else {
        throw .badRequest("the request target is neither a path nor an http URL")
      }
      start = Self.authorityEnd(target, from: authority)
      guard Host.isValid(target.slice(authority..<start)), start > authority else {
        throw .badRequest("the request target's authority is malformed")
      }
    }
    let questionMark = target.firstOffset(of: Byte.questionMark, from: start)
    let pathBytes = target.slice(start..<(questionMark ?? target.count))
    if pathBytes.count != target.count { path = pathBytes.isEmpty ? "/" : pathBytes.string }
    isPathEncoded = pathBytes.firstOffset(of: Byte.percent) != nil
    if let questionMark {
      let pairs = try Percent.decodePairs(target.slice((questionMark + 1)..<target.count), what: "the query")
      query = try pairs.map { pair throws(HTTPError) in (pair.name, try Percent.text(pair.value, what: "the query")) }
    }
  }

  /// Where the authority of an absolute-form target begins.
  private static func authorityStart(_ target: UnsafeRawBufferPointer) -> Int? {
    for (scheme, length) in [("http://" as StaticString, 7), ("https://", 8)]
    where target.count > length && target.slice(0..<length).equalsIgnoringCase(scheme) {
      return length
    }
    return nil
  }

  private static func authorityEnd(_ target: UnsafeRawBufferPointer, from start: Int) -> Int {
    (start..<target.count).first { target[$0] == Byte.slash || target[$0] == Byte.questionMark } ?? target.count
  }
}

/// The Host field's value, `uri-host [ ":" port ]` (RFC 9110 section 7.2); it may be empty.
enum Host {
  static func isValid(_ value: UnsafeRawBufferPointer) -> Bool {
    var end = 0
    if value.first == UInt8(ascii: "[") {
      guard let close = value.firstOffset(of: UInt8(ascii: "]")), isIPv6(value.slice(1..<close)) else { return false }
      end = close + 1
    } else {
      while end < value.count, value[end] != Byte.colon {
        guard let length = nameByteLength(value, at: end) else { return false }
        end += length
      }
    }
    guard end < value.count else { return true }
    return end > 0 && value[end] == Byte.colon && isPort(value.slice((end + 1)..<value.count))
  }

  /// The length of the character at `index`, an escape's being three; nil when none is allowed there.
  private static func nameByteLength(_ value: UnsafeRawBufferPointer, at index: Int) -> Int? {
    if isNameByte(value[index]) { return 1 }
    guard value[index] == Byte.percent, index + 2 < value.count, value[index + 1].hexValue != nil,
      value[index + 2].hexValue != nil
    else { return nil }
    return 3
  }

  /// Empty means the default port (RFC 3986 section 3.2.3).
  private static func isPort(_ value: UnsafeRawBufferPointer) -> Bool {
    guard value.count <= 5, value.allSatisfy(\.isDigit) else { return false }
    return value.reduce(0) { $0 * 10 + Int($1 &- 0x30) } <= 65_535
  }

  private static func isIPv6(_ value: UnsafeRawBufferPointer) -> Bool {
    guard (2...45).contains(value.count), value.allSatisfy({ $0.hexValue != nil || $0 == Byte.colon || $0 == 0x2E })
    else { return false }
    var address = in6_addr()
    return value.string.withCString { inet_pton(AF_INET6, $0, &address) == 1 }
  }

  /// unreserved and sub-delims of RFC 3986, as a bit set.
  private static func isNameByte(_ byte: UInt8) -> Bool {
    let low: UInt64 = 0x2BFF_7FD2_0000_0000
    let high: UInt64 = 0x47FF_FFFE_87FF_FFFE
    let set = byte < 64 ? low : byte < 128 ? high : 0
    return (set >> UInt64(byte & 63)) & 1 == 1
  }
}
