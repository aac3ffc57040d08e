import CLibJWT

// The cases have the standard's names.
// swift-format-ignore: AlwaysUseLowerCamelCase
/// A signature algorithm of RFC 7518, section 3.1, or RFC 8037, section 3.1, that a token may be signed with. `none` is not
/// among them.
public enum Algorithm: String, Sendable, CaseIterable {
  case HS256, HS384, HS512
  case RS256, RS384, RS512
  case ES256, ES384, ES512
  case PS256, PS384, PS512
  case EdDSA

  /// Those that the linked libjwt verifies: HS, RS and ES in every version, PS and EdDSA in later ones.
  public static let available = allCases.filter { $0.jwt != nil }

  /// The library's number for it; nil if the library does not know it.
  ///
  /// It is asked for by name, for the header's enumeration may be that of another version. Its answer for an unknown name
  /// is a number too, but one without that name.
  var jwt: jwt_alg_t? {
    let number = jwt_str_alg(rawValue)
    guard let name = jwt_alg_str(number) else { return nil }
    return String(cString: name).lowercased() == rawValue.lowercased() ? number : nil
  }
}
