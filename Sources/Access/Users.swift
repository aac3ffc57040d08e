import Foundation
import Support
import YAML
import Yams

/// The users file: which account on the cluster belongs to an e-mail address, and its SSH key.
public struct Users: Sendable {
  /// By the bytes of the addresses: Swift's own equality takes different spellings of an accent for one.
  private let accounts: [[UInt8]: String]
  private let keys: [String: PrivateKey]
  /// Why users are not served, one sentence for each wrong entry of the file. The other users are.
  public let disabled: [String]

  /// Nobody has an account.
  public static let none = Users(accounts: [:], keys: [:], disabled: [])

  public func account(of mail: String) -> String? { accounts[Array(mail.utf8)] }
  public func key(of account: String) -> PrivateKey? { keys[account] }

  /// Why a file cannot be read as a whole, in one sentence.
  public struct Unreadable: Error, Equatable {
    public let sentence: String
  }

  private struct File: Decodable {
    let entries: [Line]

    enum CodingKeys: String, CodingKey { case entries = "users_id_mapping" }

    /// One entry, or why it cannot be read: the others count all the same.
    struct Line: Decodable {
      let entry: Result<Entry, any Error>
      init(from decoder: any Decoder) throws { entry = Result { try Entry(from: decoder) } }
    }

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

      init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        user = try fields.decodeIfPresent(String.self, forKey: .user)
        mail = try Self.text(.mail, of: fields)
        account = try Self.text(.account, of: fields)
        key = try fields.decode(String.self, forKey: .key)
      }

      /// A text that is not empty: YAML has several ways to write none. Account names are checked later.
      private static func text(
        _ name: CodingKeys, of fields: KeyedDecodingContainer<CodingKeys>
      ) throws -> String {
        if try !fields.decodeNil(forKey: name) {
          let text = try fields.decode(String.self, forKey: name)
          if !text.isEmpty || name != .mail { return text }
        }
        throw DecodingError.valueNotFound(
          String.self, .init(codingPath: fields.codingPath + [name], debugDescription: "a value is missing"))
      }
    }
  }

  /// Reads the contents of a file. A wrong entry disables its user alone.
  /// - Parameters:
  ///   - path: what the sentences about entries begin with.
  ///   - readKey: makes keys of their texts.
  /// - Throws: ``Unreadable`` when the file cannot be read as a whole.
  public init(_ contents: Data, path: String, readKey: @escaping KeyReader) throws(Unreadable) {
    let file: File
    do { file = try Self.file(contents) } catch let error as Unreadable { throw error } catch {
      throw Unreadable(sentence: Self.sentence(for: error))
    }
    var reader = Reader(readKey: readKey)
    for (index, line) in file.entries.enumerated() { reader.read(line, number: index + 1) }
    self.init(accounts: reader.accounts, keys: reader.keys, disabled: reader.disabled.map { "\(path): \($0)" })
  }

  /// Reads a file. A wrong entry disables its user alone.
  /// - Throws: ``Unreadable`` when it cannot be read as a whole.
  public init(path: String, readKey: @escaping KeyReader) throws(Unreadable) {
    let contents: [UInt8]
    do { contents = try BoundedFile.read(path, most: NamedFile.users) } catch {
      throw Unreadable(sentence: "the file \(error)")
    }
    try self.init(Data(contents), path: path, readKey: readKey)
  }

  private static func file(_ contents: Data) throws -> File {
    if let fault = YAMLBound.fault(in: contents) { throw Unreadable(sentence: "the file \(fault)") }
    // As the decoder itself would parse a text: of all tags that texts imply it knows merges alone.
    let parser = try Parser(yaml: contents, resolver: .basic.appending(.merge), encoding: .utf8)
    return try withExtendedLifetime(parser) {
      let root = try parser.singleRoot() ?? ""
      if let fault = YAMLBound.fault(in: root) { throw Unreadable(sentence: "the file \(fault)") }
      return try YAMLDecoder().decode(File.self, from: root)
    }
  }

  private init(accounts: [[UInt8]: String], keys: [String: PrivateKey], disabled: [String]) {
    (self.accounts, self.keys, self.disabled) = (accounts, keys, disabled)
  }

  /// Takes entry after entry.
  private struct Reader {
    let readKey: KeyReader
    var accounts: [[UInt8]: String] = [:]
    var keys: [String: PrivateKey] = [:]
    var disabled: [String] = []
    /// The first entry of each address.
    private var seen: [[UInt8]: Int] = [:]

    init(readKey: @escaping KeyReader) { self.readKey = readKey }

    mutating func read(_ line: File.Line, number: Int) {
      let entry: File.Entry
      do { entry = try line.entry.get() } catch {
        disabled.append(Users.sentence(for: error, entry: number))
        return
      }
      let name = "entry \(number) (\(Users.shown(entry.user ?? entry.mail)))"
      if let wrong = Account.fault(entry.account) {
        disabled.append("\(name): mapped_user: \(wrong)")
        return
      }
      let mail = Array(entry.mail.utf8)
      if let first = seen[mail] {
        // Nobody knows which one is meant.
        accounts[mail] = nil
        disabled.append("\(name): \(Users.shown(entry.mail)) is in entry \(first) too; Weir ignores both")
        return
      }
      seen[mail] = number
      do {
        let key = try readKey(entry.key)
        if let other = keys[entry.account], other != key {
          disabled.append("\(name): \(entry.account) is in an earlier entry with another key; Weir ignores this entry")
          return
        }
        keys[entry.account] = key
      } catch {
        disabled.append("\(name): ssh_private_key_b64: \(error)")
      }
      // Also of one without a key: that the job is his stays known.
      accounts[mail] = entry.account
    }
  }

  /// A name in the file, as a log shows it.
  private static func shown(_ name: String) -> String { name.visible().beginning(atMost: 100) }

  /// What is wrong with an entry.
  private static func sentence(for error: any Error, entry number: Int) -> String {
    let (list, entry) = (File.CodingKeys.entries.stringValue, "entry \(number)")
    let sentence = sentence(for: error)
    return sentence.hasPrefix("\(list), \(entry)") ? sentence : "\(list), \(entry): \(sentence)"
  }

  private static func sentence(for error: any Error) -> String {
    switch error {
    case DecodingError.keyNotFound(let key, let context): "\(path(context))'\(key.stringValue)' is missing"
    case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
      "\(path(context))\(context.debugDescription)"
    case DecodingError.dataCorrupted(let context):
      "\(path(context))\(sentence(for: context.underlyingError as? YamlError))"
    default: sentence(for: error as? YamlError)
    }
  }

  /// What is wrong and where, without the text at that place: it may be a key.
  private static func sentence(for error: YamlError?) -> String {
    switch error {
    case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
      .composer(_, let problem, let mark, _):
      "line \(mark.line), column \(mark.column): \(problem)"
    case .duplicatedKeysInMapping(_, let context): "line \(context.mark.line): a key is set twice in one entry"
    case .reader(let problem, _, _, _): "\(problem)"
    default: "it is not YAML of the form that users.sample.yaml shows"
    }
  }

  private static func path(_ context: DecodingError.Context) -> String {
    let steps = context.codingPath.map { $0.intValue.map { "entry \($0 + 1)" } ?? $0.stringValue }
    return steps.isEmpty ? "" : steps.joined(separator: ", ") + ": "
  }
}
