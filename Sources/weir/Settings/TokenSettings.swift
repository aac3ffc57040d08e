import Foundation
import Logging
import Support
import Tokens

/// How bearer tokens are verified.
struct TokenSettings: Sendable {
  /// Files, and the key that each held when the settings were read.
  let paths: [String]
  private(set) var keys: [VerificationKey] = []
  private(set) var keySet: KeySetSource.Place?
  private(set) var rules = TokenVerifier.Rules()

  /// Nil when no tokens are taken.
  /// - Parameter value: the value of a setting.
  init?(_ value: (String) -> String, _ faults: inout [SettingsFault]) {
    let (file, url) = (value("WEIR_JWT_JWKS_FILE"), value("WEIR_JWT_JWKS_URL"))
    paths = Setting.list(value("WEIR_JWT_KEY_FILE"))
    guard !paths.isEmpty || !file.isEmpty || !url.isEmpty else { return nil }
    if !file.isEmpty { keySet = .file(path: file) }
    if !url.isEmpty { keySet = .url(url) }
    let algorithms = Set(Setting.list(value("WEIR_JWT_ALGORITHMS")).compactMap(Algorithm.init(rawValue:)))
    rules.algorithms = algorithms.isEmpty ? nil : algorithms
    rules.issuer = value("WEIR_JWT_ISSUER").isEmpty ? nil : value("WEIR_JWT_ISSUER")
    rules.audience = value("WEIR_JWT_AUDIENCE").isEmpty ? nil : value("WEIR_JWT_AUDIENCE")
    rules.leeway = .seconds(Int(value("WEIR_JWT_LEEWAY")) ?? 30)
    for path in paths {
      // A file that cannot be read has been reported already.
      guard Setting.isReadableFile(path) else { continue }
      do { keys.append(try Self.key(in: path)) } catch {
        faults.append(.init(name: "WEIR_JWT_KEY_FILE", sentence: error.description))
      }
    }
    if !file.isEmpty, !url.isEmpty {
      faults.append(.init(name: "WEIR_JWT_JWKS_URL", sentence: "WEIR_JWT_JWKS_FILE is set too; set only one of them"))
    } else if keys.count == paths.count {
      check(&faults)
    }
  }

  /// Why a file holds no key; names the file.
  struct Unusable: Error, CustomStringConvertible {
    let description: String
  }

  /// The key in a file.
  static func key(in path: String) throws(Unusable) -> VerificationKey {
    let contents: [UInt8]
    do { contents = try BoundedFile.read(path, most: NamedFile.secret) } catch {
      throw Unusable(description: "\(path): the file \(error)")
    }
    do { return try VerificationKey(contents: contents) } catch {
      throw Unusable(description: "\(path): \(error)")
    }
  }

  /// The verifier, and the key set to be started with it.
  /// - Throws: a ``KeyError``.
  func makeVerifier(logger: Logger) throws -> (verifier: TokenVerifier, keySet: KeySetSource?) {
    let source = try keySet.map { try KeySetSource($0, logger: logger) }
    return (try TokenVerifier(keys: keys, keySet: source, rules: rules), source)
  }

  /// Whether the keys can be used, and with these algorithms.
  private func check(_ faults: inout [SettingsFault]) {
    let quiet = Logger(label: "weir") { _ in SwiftLogNoOpLogHandler() }
    let name =
      switch keySet {
      case .file: "WEIR_JWT_JWKS_FILE"
      case .url: "WEIR_JWT_JWKS_URL"
      case nil: rules.algorithms == nil ? "WEIR_JWT_KEY_FILE" : "WEIR_JWT_ALGORITHMS"
      }
    do { _ = try makeVerifier(logger: quiet) } catch {
      faults.append(.init(name: name, sentence: "\(error)"))
    }
  }
}
