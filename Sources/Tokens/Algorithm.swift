import CLibJWT

// The cases have the standard's names.
// swift-format-ignore: AlwaysUseLowerCamelCase
/// A signature algorithm of RFC 7518, section 3.1, that a token may be signed with. `none` is not among them.
public enum Algorithm: String, Sendable, CaseIterable {
  case HS256, HS384, HS512
  case RS256, RS384, RS512
  case ES256, ES384, ES512

  /// The library's name for it.
  var jwt: jwt_alg_t {
    switch self {
    case .HS256: JWT_ALG_HS256
    case .HS384: JWT_ALG_HS384
    case .HS512: JWT_ALG_HS512
    case .RS256: JWT_ALG_RS256
    case .RS384: JWT_ALG_RS384
    case .RS512: JWT_ALG_RS512
    case .ES256: JWT_ALG_ES256
    case .ES384: JWT_ALG_ES384
    case .ES512: JWT_ALG_ES512
    }
  }
}
