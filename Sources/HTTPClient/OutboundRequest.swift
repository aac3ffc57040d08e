/// A request to another server, and the bounds of what it may take and bring.
///
/// ```swift
/// var request = OutboundRequest(try OutboundAddress("https://login.example.org/keys"))
/// request.headers = [("Accept", "application/json")]
/// let response = try await OutboundClient(atOnce: 4).send(request)
/// ```
public struct OutboundRequest: Sendable {
  public enum Method: String, Sendable, CaseIterable {
    case get = "GET"
    case head = "HEAD"
    case post = "POST"
    case put = "PUT"
    case patch = "PATCH"
    case delete = "DELETE"
  }

  public var method = Method.get
  public let address: OutboundAddress
  /// Header fields beside Host, User-Agent and Content-Length.
  public var headers: [(name: String, value: String)] = []
  /// Nil for a request without a body.
  public var body: [UInt8]?
  /// How many redirections are followed (RFC 9110, section 15.4); from https never to http. 0: a redirection is the
  /// response.
  public var redirects = 0
  /// The most bytes of the response's body.
  public var bodyLimit = 1 << 20
  /// The most bytes of the heads of all responses, redirections among them.
  public var headLimit = 64 << 10
  /// The time until there is a connection.
  public var connectTimeout: Duration = .seconds(5)
  /// The time for all of it.
  public var timeout: Duration = .seconds(10)
  /// Whose certificates are trusted.
  public var authorities = Authorities.ofTheEnvironment
  /// Whether a connection may be made to an address that the name has led to, asked for each one right before it: what a
  /// name led to a moment ago may not be what it leads to now. With a rule the server is connected to directly, since a
  /// proxy would look the name up by itself. Nil: any address, through the proxies that the environment names
  /// (`https_proxy`, `no_proxy`, ...).
  public var allowsPeer: (@Sendable (PeerAddress) -> Bool)?

  public init(_ address: OutboundAddress) { self.address = address }
}

/// What a server has answered.
public struct OutboundResponse: Sendable {
  public let status: Int
  /// The header fields in the order they came, their values trimmed.
  public let headers: [(name: String, value: String)]
  public let body: [UInt8]

  /// The value of the first field of a name, whatever its case.
  public subscript(_ name: String) -> String? {
    headers.first { $0.name.lowercased() == name.lowercased() }?.value
  }
}

/// Why a request got no response, as the end of a sentence.
public enum OutboundError: Error, Sendable, Equatable, CustomStringConvertible {
  /// A header field of the request has a name or a value that HTTP does not allow (RFC 9110, section 5.5).
  case invalidHeader(String)
  /// The response is longer than the request allows.
  case tooLong
  /// A redirection leads to another scheme.
  case foreignScheme
  /// The rule of the request allows none of the server's addresses.
  case refusedPeer(PeerAddress)
  /// Too many requests wait already.
  case busy
  /// Connecting, TLS or the transfer failed.
  case failed(String)
  /// libcurl cannot do what is needed.
  case library(String)

  public var description: String {
    switch self {
    case .invalidHeader(let name): "the header field '\(name)' cannot be sent"
    case .tooLong: "the response of its server is too long"
    case .foreignScheme: "its server redirects to another scheme"
    case .refusedPeer(let peer): "connections to \(peer) are not allowed"
    case .busy: "too many requests to other servers are waiting"
    case .failed(let reason): reason
    case .library(let reason): "libcurl \(reason)"
    }
  }
}
