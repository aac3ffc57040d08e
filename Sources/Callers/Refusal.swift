import Tokens

/// Why a request is served to nobody. Neither word nor sentence holds anything of the credentials.
public enum Refusal: Error, Sendable, Equatable, CustomStringConvertible {
  /// No Authorization field.
  case noCredentials
  /// Several Authorization fields: what is in front of us may have looked at another than we would.
  case repeated
  /// An Authorization field that is neither `scheme credentials` in ASCII nor readable as its scheme says.
  case unreadable
  /// A scheme other than Basic and Bearer.
  case unknownScheme
  /// An Authorization field longer than the longest token.
  case tooLong
  /// HTTP Basic with something else than a service key.
  case wrongKey
  /// A bearer token where none can be checked.
  case tokensNotTaken
  /// A token that is not valid.
  case token(TokenError)
  /// A valid token whose claim of that name cannot name a user.
  case noUser(claim: String)

  /// Nothing was found wrong: too many tokens are being verified to take another.
  case busy

  init(_ error: TokenError) { self = error == .busy ? .busy : .token(error) }

  /// A stable word for metrics and logs.
  public var reason: String {
    switch self {
    case .noCredentials: "no_credentials"
    case .repeated: "repeated_header"
    case .unreadable: "unreadable_header"
    case .unknownScheme: "unknown_scheme"
    case .tooLong: "too_long"
    case .wrongKey: "wrong_key"
    case .tokensNotTaken: "tokens_not_taken"
    case .token(let error): error.reason.rawValue
    case .noUser: "no_user"
    case .busy: "busy"
    }
  }

  /// A sentence for the sender.
  public var description: String {
    switch self {
    case .noCredentials: "this call needs an Authorization header"
    case .repeated: "the request has more than one Authorization header"
    case .unreadable: "the Authorization header cannot be read"
    case .unknownScheme: "the Authorization header is neither Basic nor Bearer"
    case .tooLong: "the Authorization header is longer than \(Authenticator.maximumLength) bytes"
    case .wrongKey: "the service key is wrong"
    case .tokensNotTaken: "this service does not accept bearer tokens"
    case .token(let error): error.description
    case .noUser(let claim): "the token's claim '\(claim)', which names the user, is missing or no plain text"
    case .busy: "too many tokens are being verified"
    }
  }

  /// What the sender can do about it; nil where the sentence says it.
  var hint: String? {
    switch self {
    case .noCredentials, .unknownScheme, .unreadable:
      "send 'Authorization: Basic' with the service key, or 'Authorization: Bearer' with a token"
    case .repeated: "send only one"
    case .tokensNotTaken: "an administrator can configure tokens: WEIR_JWT_KEY_FILE or a key set"
    case .token(.expired): "get a new token from the token issuer"
    case .noUser: "ask the token issuer to put the user's name there"
    case .wrongKey: "send user:password as the administrator set it in JARVICE_SCHED_SERVER_KEY"
    case .tooLong, .token, .busy: nil
    }
  }

  /// Whether a token was sent and found wrong: then the challenge says so (RFC 6750, section 3.1).
  var isOfToken: Bool {
    switch self {
    case .token, .noUser: true
    default: false
    }
  }

  /// Whether it may be somebody trying credentials. One that sent none tries nothing.
  var isGuess: Bool { self != .noCredentials }
}
