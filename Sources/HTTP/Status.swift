/// The status of a response (RFC 9110 section 15).
public struct Status: Sendable, Hashable {
  /// The three digits, 200...599 in a response.
  public let code: Int
  /// The words after the digits; they mean nothing to a program.
  public let reason: String

  /// A status with the usual reason phrase; one of no registered code has an empty one.
  public init(_ code: Int) {
    self.code = code
    self.reason = Self.reasons[code] ?? ""
  }

  private init(_ code: Int, _ reason: String) {
    self.code = code
    self.reason = reason
  }

  public static let ok = Status(200, "OK")
  public static let created = Status(201, "Created")
  public static let accepted = Status(202, "Accepted")
  public static let noContent = Status(204, "No Content")
  public static let notModified = Status(304, "Not Modified")
  public static let badRequest = Status(400, "Bad Request")
  public static let unauthorized = Status(401, "Unauthorized")
  public static let forbidden = Status(403, "Forbidden")
  public static let notFound = Status(404, "Not Found")
  public static let methodNotAllowed = Status(405, "Method Not Allowed")
  public static let requestTimeout = Status(408, "Request Timeout")
  public static let conflict = Status(409, "Conflict")
  public static let gone = Status(410, "Gone")
  public static let preconditionFailed = Status(412, "Precondition Failed")
  public static let contentTooLarge = Status(413, "Content Too Large")
  public static let uriTooLong = Status(414, "URI Too Long")
  public static let unsupportedMediaType = Status(415, "Unsupported Media Type")
  public static let expectationFailed = Status(417, "Expectation Failed")
  public static let unprocessableContent = Status(422, "Unprocessable Content")
  public static let tooManyRequests = Status(429, "Too Many Requests")
  public static let requestHeaderFieldsTooLarge = Status(431, "Request Header Fields Too Large")
  public static let internalServerError = Status(500, "Internal Server Error")
  public static let notImplemented = Status(501, "Not Implemented")
  public static let badGateway = Status(502, "Bad Gateway")
  public static let serviceUnavailable = Status(503, "Service Unavailable")
  public static let gatewayTimeout = Status(504, "Gateway Timeout")
  public static let httpVersionNotSupported = Status(505, "HTTP Version Not Supported")

  /// The IANA registry of status codes, without the interim ones.
  private static let reasons: [Int: String] = {
    let named: [Status] = [
      .ok, .created, .accepted, .noContent, .notModified, .badRequest, .unauthorized, .forbidden, .notFound,
      .methodNotAllowed, .requestTimeout, .conflict, .gone, .preconditionFailed, .contentTooLarge, .uriTooLong,
      .unsupportedMediaType, .expectationFailed, .unprocessableContent, .tooManyRequests,
      .requestHeaderFieldsTooLarge, .internalServerError, .notImplemented, .badGateway, .serviceUnavailable,
      .gatewayTimeout, .httpVersionNotSupported,
    ]
    let others = [
      203: "Non-Authoritative Information", 205: "Reset Content", 206: "Partial Content", 300: "Multiple Choices",
      301: "Moved Permanently", 302: "Found", 303: "See Other", 307: "Temporary Redirect", 308: "Permanent Redirect",
      402: "Payment Required", 406: "Not Acceptable", 411: "Length Required", 416: "Range Not Satisfiable",
      421: "Misdirected Request", 423: "Locked", 424: "Failed Dependency", 425: "Too Early", 426: "Upgrade Required",
      428: "Precondition Required", 451: "Unavailable For Legal Reasons", 507: "Insufficient Storage",
    ]
    return named.reduce(into: others) { $0[$1.code] = $1.reason }
  }()
}
