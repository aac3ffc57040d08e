/// An error that a client gets: its own mistake, or what the service cannot do now.
///
/// The default ``Router/renderError`` answers it as compact JSON with sorted keys and one newline:
/// `{"code":"...","error":"message","hint":"..."}`, the hint only when there is one.
public struct HTTPError: Error, Sendable {
  public var status: Status
  /// A word for programs, such as `not_found`.
  public var code: String
  /// A sentence for people: what is wrong, and where.
  public var message: String
  /// What to do about it.
  public var hint: String?
  /// Fields the answer carries, such as Retry-After or WWW-Authenticate.
  public var headers: Headers
  /// What the log says of it and the client does not get; see ``AccessRecord/detail``.
  public var detail: String?

  public init(_ status: Status, code: String, _ message: String, hint: String? = nil, headers: Headers = [:]) {
    self.status = status
    self.code = code
    self.message = message
    self.hint = hint
    self.headers = headers
  }

  static func badRequest(_ message: String) -> HTTPError { HTTPError(.badRequest, code: "bad_request", message) }

  static let uriTooLong = HTTPError(.uriTooLong, code: "uri_too_long", "the request line is too long")
  static let headersTooLarge = HTTPError(
    .requestHeaderFieldsTooLarge, code: "headers_too_large", "the header fields are too many or too long")
  static let contentTooLarge = HTTPError(
    .contentTooLarge, code: "content_too_large", "the request body is larger than this call allows")
  static let requestTimeout = HTTPError(
    .requestTimeout, code: "request_timeout", "the request did not arrive in time")

  /// The answer a client gets.
  var response: Response {
    var body: [UInt8] = []
    body.append("{\"code\":")
    body.append(json: code)
    body.append(",\"error\":")
    body.append(json: message)
    if let hint {
      body.append(",\"hint\":")
      body.append(json: hint)
    }
    body.append("}\n")
    var response = Response.json(body, status: status)
    for (name, value) in headers { response.headers.append(name, value) }
    response.error = RecordedError(code: code, detail: detail)
    return response
  }
}
