import JSON

/// The keys of a JSON web key set (RFC 7517, section 5) that can verify tokens.
struct KeySet: Sendable, Equatable {
  /// The longest text of a set that is read, in bytes, and the most keys in it.
  static let maximumLength = 1 << 20
  static let maximumCount = 100

  let keys: [JSONWebKey]
  /// A sentence for each key that must not be used.
  let faults: [String]

  static let empty = KeySet()

  private init() { (keys, faults) = ([], []) }

  /// - Throws: a ``KeyError`` for bytes that are not a set, and for a set without a key that can be used.
  init(_ text: [UInt8], allowsSecrets: Bool) throws(KeyError) {
    guard text.count <= Self.maximumLength else { throw .keySet("it is longer than \(Self.maximumLength) bytes") }
    let members: [String: JSONValue]
    do { members = try JSONParser.object(text, skipsByteOrderMark: true) } catch {
      throw .keySet("it is not a JSON object: \(error.message)")
    }
    guard case .array(let elements) = members["keys"] else { throw .keySet("it has no list 'keys'") }
    guard elements.count <= Self.maximumCount else { throw .keySet("it has more than \(Self.maximumCount) keys") }

    var keys: [JSONWebKey] = []
    var faults: [String] = []
    for (index, element) in elements.enumerated() {
      do throws(KeyError) {
        guard case .object(let members) = element else { throw .keySet("it is not an object") }
        if let key = try JSONWebKey(members, allowsSecrets: allowsSecrets) { Self.add(key, to: &keys) }
      } catch {
        faults.append("key \(index + 1) is not used: \(error)")
      }
    }
    let ambiguous = Self.ambiguous(keys)
    for id in ambiguous.sorted() {
      faults.append("the keys with the kid '\(TokenError.shown(id))' are not used: they differ and have one kid")
    }
    self.keys = keys.filter { $0.id.map(ambiguous.contains) != true }
    self.faults = faults
    if self.keys.isEmpty {
      throw .keySet((["it has no key that can verify tokens"] + faults.prefix(3)).joined(separator: "; "))
    }
  }

  /// Adds a key. One that is there already under the same name is for all that either entry is for.
  private static func add(_ key: JSONWebKey, to keys: inout [JSONWebKey]) {
    if let index = keys.firstIndex(where: { $0.id == key.id && $0.key.isSame(as: key.key) }) {
      keys[index] = keys[index].extended(by: key)
    } else {
      keys.append(key)
    }
  }

  /// The names that several keys of one kind share, so that a name would not say which is meant (RFC 7517,
  /// section 4.5).
  private static func ambiguous(_ keys: [JSONWebKey]) -> Set<String> {
    var seen: [String: Set<Algorithm>] = [:]
    var ambiguous: Set<String> = []
    for key in keys {
      guard let id = key.id else { continue }
      if seen[id, default: []].isDisjoint(with: key.key.fitting) {
        seen[id, default: []].formUnion(key.key.fitting)
      } else {
        ambiguous.insert(id)
      }
    }
    return ambiguous
  }

  /// Whether it has a key of that name; for a token that names none, whether it has any key.
  func knows(_ id: String?) -> Bool { keys.contains { id == nil || $0.id == id } }

  /// The keys that a token may be signed with: that of the name it gives, or else those without a name; all that fit, if it
  /// gives none. None at all if more than a few come into question, since trying them is work.
  func keys(named id: String?, for algorithm: Algorithm) -> [VerificationKey] {
    let name = knows(id) ? id : nil
    let candidates = keys.filter { (id == nil || $0.id == name) && $0.key.fitting.contains(algorithm) }
      .map(\.key).withoutRepetitions
    return candidates.count <= TokenVerifier.maximumTrials ? candidates : []
  }
}
