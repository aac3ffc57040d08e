import CLibCrypto
import Foundation
import Tokens

@testable import Callers

/// Tokens signed with a secret, by libcrypto alone.
enum Token {
  private static let secret = Array("a secret of thirty-two bytes or more".utf8)

  static func verifier() throws -> TokenVerifier {
    try TokenVerifier(keys: [VerificationKey(contents: secret)])
  }

  /// A token with these members in its payload, good until the year 2100 if they do not say otherwise.
  static func signed(_ members: String, expires: Int = 4_102_444_800) -> String {
    let header = base64URL(Array(#"{"alg":"HS256","typ":"JWT"}"#.utf8))
    let text = header + "." + base64URL(Array(#"{"exp":\#(expires),\#(members)}"#.utf8))
    var code = [UInt8](repeating: 0, count: 32)
    var length = 0
    EVP_Q_mac(nil, "HMAC", nil, "SHA256", nil, secret, secret.count, text, text.utf8.count, &code, 32, &length)
    return text + "." + base64URL(code)
  }

  static func of(_ mail: String) -> String { signed(#""email":"\#(mail)""#) }

  /// A token like a good one, whose signature is another for each number.
  static func forged(_ number: Int) -> String {
    let digits = String(number)
    return unsigned + digits + String(repeating: "A", count: 43 - digits.utf8.count)
  }

  private static let unsigned = String(of("kirby@example.com").dropLast(43))

  private static func base64URL(_ bytes: [UInt8]) -> String {
    Data(bytes).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
  }
}

func basic(_ pair: String) -> String { "Basic " + Data(pair.utf8).base64EncodedString() }

extension Authenticator {
  static func standing() throws -> Authenticator {
    Authenticator(
      serviceKeys: ["old:key", "new:k€y:with colon"], verifier: try Token.verifier(), userClaim: "email",
      adminClaim: ("groups", "weir admins"))
  }
}
