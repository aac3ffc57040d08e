import Foundation
import SSH
import Yams

/// The users file: which account on the cluster belongs to an e-mail address, and its SSH key.
struct Users: Sendable {
  /// By the bytes of the addresses: Swift's own equality takes different spellings of an accent for one.
  private let accounts: [[UInt8]: String]
  private let keys: [String: PrivateKey]

  static let none = Users(accounts: [:], keys: [:])

  func account(of mail: String) -> String? { accounts[Array(mail.utf8)] }
  func key(of account: String) -> PrivateKey? { keys[account] }

  private struct File: Decodable {
    let entries: [Entry]

    enum CodingKeys: String, CodingKey { case entries = "users_id_mapping" }

    struct Entry: Decodable {
      let user: String?
      let mail: String
      let account: String
      let key: String

      enum CodingKeys: String, CodingKey {
        case user
        case mail
        case account = "mapped_user"
        case key = "ssh_private_key_b64"
      }
    }
  }

  /// Reads the file; each thing that is wrong in it becomes a fault that names the entry.
  static func read(_ path: String, passphrase: String, _ faults: inout [SettingsFault]) -> Users {
    func fault(_ sentence: String) { faults.append(.init(name: "WEIR_USERS_FILE", sentence: "\(path): \(sentence)")) }
    guard let data = FileManager.default.contents(atPath: path) else {
      fault("the file cannot be read")
      return .none
    }
    let file: File
    do { file = try YAMLDecoder().decode(File.self, from: data) } catch {
      fault(sentence(for: error))
      return .none
    }
    var accounts: [[UInt8]: String] = [:]
    var keys: [String: PrivateKey] = [:]
    for (index, entry) in file.entries.enumerated() {
      let name = "entry \(index + 1) (\(entry.user ?? entry.mail))"
      if let wrong = Account.fault(entry.account) {
        fault("\(name): mapped_user: \(wrong)")
        continue
      }
      let mail = Array(entry.mail.utf8)
      if accounts[mail] != nil { fault("\(name): \(entry.mail) stands in an earlier entry too") }
      accounts[mail] = entry.account
      do {
        let key = try PrivateKey(text: entry.key, passphrase: passphrase)
        if let other = keys[entry.account], other.fingerprint != key.fingerprint {
          fault("\(name): \(entry.account) stands in an earlier entry with another key")
        }
        keys[entry.account] = key
      } catch {
        fault("\(name): ssh_private_key_b64: \(error)")
      }
    }
    return Users(accounts: accounts, keys: keys)
  }

  private static func sentence(for error: any Error) -> String {
    switch error {
    case DecodingError.keyNotFound(let key, let context): "\(path(context))'\(key.stringValue)' is missing"
    case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
      "\(path(context))\(context.debugDescription)"
    case DecodingError.dataCorrupted(let context): sentence(for: context.underlyingError as? YamlError)
    default: sentence(for: error as? YamlError)
    }
  }

  /// What is wrong and where, without the text at that place: it may be a key.
  private static func sentence(for error: YamlError?) -> String {
    switch error {
    case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
      .composer(_, let problem, let mark, _):
      "line \(mark.line), column \(mark.column): \(problem)"
    default: "it is not YAML of the form that users.sample.yaml shows"
    }
  }

  private static func path(_ context: DecodingError.Context) -> String {
    let steps = context.codingPath.map { $0.intValue.map { "entry \($0 + 1)" } ?? $0.stringValue }
    return steps.isEmpty ? "" : steps.joined(separator: ", ") + ": "
  }
}
