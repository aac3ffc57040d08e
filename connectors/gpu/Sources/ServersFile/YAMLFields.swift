import ConnectorAPI
import JobModel
import Support
import Yams

/// The fields of one mapping in a YAML file. Each that is not as expected is a fault; no fault shows a value that may be
/// a secret.
struct YAMLFields {
  private let values: [String: (node: Node, line: Int)]
  private let scope: Scope
  private let path: String
  /// Where the mapping begins.
  let line: Int

  /// What the faults of one server have in common.
  struct Scope {
    let server: String?
    let faults: FaultList
  }

  /// The faults found so far.
  final class FaultList {
    fileprivate(set) var faults: [ServersFile.Fault] = []

    func add(_ reason: String, line: Int?, server: String? = nil) {
      faults.append(.init(line: line, server: server, reason: reason))
    }
  }

  /// - Parameters:
  ///   - path: of the mapping within the server, for messages: `jump`
  ///   - known: the keys that may stand there; nil for any.
  init?(_ node: Node, _ scope: Scope, path: String = "", known: [String]?) {
    let prefix = path.isEmpty ? "" : "\(path): "
    line = node.mark?.line ?? 1
    self.scope = scope
    self.path = path
    guard let mapping = node.mapping else {
      scope.faults.add("\(prefix)expected a mapping of keys and values", line: line, server: scope.server)
      return nil
    }
    var values: [String: (Node, Int)] = [:]
    for (key, value) in mapping {
      let line = key.mark?.line ?? line
      let name = key.scalar?.string ?? ""
      if known?.contains(name) != false {
        values[name] = (value, line)
      } else {
        scope.faults.add("\(prefix)\(Self.sentence(unknown: name, known ?? []))", line: line, server: scope.server)
      }
    }
    self.values = values
  }

  private static func sentence(unknown name: String, _ known: [String]) -> String {
    // What is not like a key may be a part of a secret that is indented wrongly.
    guard ValueRule.word(marks: "_-.", length: 1...32).accepts(name) else { return "an unknown key" }
    // One change for each three letters.
    let near = NearMiss.of(name, among: known) { max(1, $0.utf8.count / 3) }
    let meant = near.map { "; is '\($0)' meant?" } ?? ""
    return "unknown key '\(name)'\(meant)"
  }

  var keys: [String] { values.keys.sorted() }
  func has(_ key: String) -> Bool { values[key] != nil }
  func node(_ key: String) -> Node? { values[key]?.node }

  func fault(_ key: String, _ reason: String) {
    let name = path.isEmpty ? key : "\(path).\(key)"
    scope.faults.add("\(name): \(reason)", line: values[key]?.line ?? line, server: scope.server)
  }

  /// The text of a field; nil with a fault when it is no single value, nil when it is not there.
  func text(_ key: String) -> String? {
    guard let node = node(key) else { return nil }
    guard let scalar = node.scalar else {
      fault(key, "expected a single value")
      return nil
    }
    guard scalar.style != .plain || !["", "~", "null"].contains(scalar.string.lowercased()) else {
      fault(key, "a value is missing")
      return nil
    }
    return scalar.string
  }

  /// - Parameter isRequired: whether it is a fault when the field is not there.
  func text(_ key: String, _ rule: ValueRule, isRequired: Bool = false) -> String? {
    if isRequired, !has(key) { fault(key, "is missing") }
    guard let text = text(key) else { return nil }
    guard rule.accepts(text) else {
      fault(key, "expected \(rule.expected)")
      return nil
    }
    return text
  }

  func number(_ key: String, _ range: ClosedRange<Int>) -> Int? { text(key, .whole(range)).flatMap { Int($0) } }

  func flag(_ key: String) -> Bool? { text(key, .flag).flatMap(ValueRule.flag) }

  /// The single values of a list, each with its node.
  func list(_ key: String) -> [(text: String, line: Int)]? {
    guard let node = node(key) else { return nil }
    guard let sequence = node.sequence else {
      fault(key, "expected a list")
      return nil
    }
    let texts = sequence.compactMap { item in item.scalar.map { ($0.string, item.mark?.line ?? line) } }
    guard texts.count == sequence.count else {
      fault(key, "expected a list of single values")
      return nil
    }
    return texts
  }

  /// Lines of text, written as one text or as a list.
  func lines(_ key: String) -> String? {
    guard let node = node(key) else { return nil }
    let lines = node.sequence == nil ? text(key) : list(key).map { $0.map(\.text).joined(separator: "\n") }
    guard let lines else { return nil }
    guard !lines.utf8.contains(0) else {
      fault(key, "expected text without NUL")
      return nil
    }
    return lines
  }
}
