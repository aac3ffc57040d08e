import Foundation
import Testing

@testable import Tokens

@Suite("VerificationKey")
struct VerificationKeyTests {
  static let secret = Array("0123456789abcdef0123456789abcdef".utf8)

  @Test("knows the kind of a public key, and the algorithms that fit")
  func kinds() throws {
    let expected: [(SigningKey, VerificationKey.Family, Set<Algorithm>, String)] = [
      (.rsa, .rsa, [.RS256, .RS384, .RS512], "an RSA public key of 2048 bits"),
      (.p256, .ec(.p256), [.ES256], "an EC public key on P-256"),
      (.p384, .ec(.p384), [.ES384], "an EC public key on P-384"),
      (.p521, .ec(.p521), [.ES512], "an EC public key on P-521"),
    ]
    for (signer, family, fitting, description) in expected {
      let pem = signer.publicPEM
      let crlf = Array(String(decoding: pem, as: UTF8.self).replacing("\n", with: "\r\n").utf8)
      for contents in [pem, Array("A comment.\n".utf8) + pem, crlf, pem.dropLast()] {
        let key = try VerificationKey(contents: contents)
        #expect(key.family == family)
        #expect(key.fitting == fitting)
        #expect(key.description == description)
        #expect(key.material == pem)
      }
    }
  }

  @Test("takes an RSA key in the form of PKCS #1")
  func pkcs1() throws {
    let key = try VerificationKey(contents: SigningKey.rsa.pkcs1PEM)
    #expect(key.family == .rsa)
    #expect(key.material == SigningKey.rsa.publicPEM)
  }

  @Test(
    "takes anything else of 32 bytes as a secret, with algorithms as strong as it is long",
    arguments: [
      (32, [Algorithm.HS256]), (47, [.HS256]), (48, [.HS256, .HS384]), (63, [.HS256, .HS384]),
      (64, [.HS256, .HS384, .HS512]), (4096, [.HS256, .HS384, .HS512]),
    ])
  func secrets(count: Int, fitting: [Algorithm]) throws {
    let key = try VerificationKey(contents: [UInt8](repeating: 0x9c, count: count))
    #expect(key.family == .hmac)
    #expect(key.fitting == Set(fitting))
    #expect(key.material.count == count)
  }

  @Test(
    "takes one line end off a secret and nothing else",
    arguments: [
      ("\n", ""), ("\r\n", ""), ("\n\n", "\n"), ("\r", "\r"), (" ", " "), ("\n\r\n", "\n"), ("\0", "\0"),
      ("\r\r\n", "\r"),
    ])
  func lineEnd(added: String, kept: String) throws {
    let key = try VerificationKey(contents: Self.secret + Array(added.utf8))
    #expect(key.material == Self.secret + Array(kept.utf8))
  }

  @Test("refuses what cannot verify, saying what it is")
  func refusals() throws {
    let pem = SigningKey.rsa.publicPEM
    let cases: [([UInt8], KeyError)] = [
      ([], .shortSecret(bytes: 0)),
      (Self.secret.dropLast(), .shortSecret(bytes: 31)),
      (Self.secret.dropLast() + [0x0a], .shortSecret(bytes: 31)),
      (SigningKey.rsa.privatePEM, .privateKey),
      (SigningKey.p256.privatePEM, .privateKey),
      (pem + SigningKey.rsa.privatePEM, .privateKey),
      (Array("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n".utf8), .privateKey),
      (Array("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n".utf8), .privateKey),
      (SigningKey.generate("RSA", bits: 1024).publicPEM, .shortModulus(bits: 1024)),
      (SigningKey.generate("EC", group: "secp256k1").publicPEM, .unsupported("the curve secp256k1")),
      (SigningKey.generate("ED25519").publicPEM, .unsupported("a key of the kind ED25519")),
      (pem + SigningKey.p256.publicPEM, .severalKeys),
      (pem.dropLast(80), .unreadable),
      (Array("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n".utf8), .unreadable),
      (Array("-----BEGIN PUBLIC KEY-----".utf8), .unreadable),
      (Array(String(decoding: pem, as: UTF8.self).replacing("\n", with: "\\n").utf8), .unreadable),
    ]
    for (contents, error) in cases {
      #expect(throws: error) { try VerificationKey(contents: contents) }
    }
  }

  @Test(
    "refuses a PEM block that wants a passphrase, without asking for one",
    arguments: ["PUBLIC KEY", "RSA PUBLIC KEY"])
  func encryptedBlock(label: String) {
    let text = """
      -----BEGIN \(label)-----
      Proc-Type: 4,ENCRYPTED
      DEK-Info: AES-128-CBC,000102030405060708090A0B0C0D0E0F

      AAAAAAAAAAAAAAAAAAAAAA==
      -----END \(label)-----

      """
    #expect(throws: KeyError.unreadable) { try VerificationKey(contents: Array(text.utf8)) }
  }

  @Test("never takes a public key in another form for a secret")
  func otherForms() {
    let pem = SigningKey.rsa.publicPEM
    let forms: [[UInt8]] = [
      SigningKey.rsa.publicDER,
      SigningKey.p256.publicDER,
      Array(Data(pem).base64EncodedString().utf8),
      Array("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIN8hC0nFkzj9 someone@somewhere".utf8),
      Array("\n ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTY= a".utf8),
      Array(#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx","e":"AQAB"}"#.utf8),
      Array(#"{ "keys": [{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75"}] }"#.utf8),
      Array("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n".utf8),
    ]
    for form in forms {
      let error = #expect(throws: KeyError.self) { try VerificationKey(contents: form) }
      guard case .otherForm = error else {
        Issue.record("\(String(describing: error))")
        continue
      }
    }
  }

  @Test("shows nothing of a secret")
  func printing() throws {
    struct Holder { let key: VerificationKey }
    let key = try VerificationKey(contents: Self.secret)
    var dumped = ""
    dump(Holder(key: key), to: &dumped)
    for text in ["\(key)", "\(Holder(key: key))", String(reflecting: key), dumped] {
      // As text, as an array of its bytes, as dumped lines.
      for form in ["0123", "48, 49", "- 48\n"] { #expect(!text.contains(form)) }
      #expect(text.contains("a secret of 32 bytes"))
    }
  }
}
