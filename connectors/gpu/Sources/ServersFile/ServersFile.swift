import ConnectorAPI
import Foundation
import JobModel
import Support
import YAML
import Yams

/// The servers file: which servers there are, in the order of preference. Its form is that of servers.sample.yaml.
struct ServersFile: Sendable, Equatable {
  let servers: [ServerSpec]

  /// One thing that is wrong in the file.
  struct Fault: Sendable, Equatable, CustomStringConvertible {
    let line: Int?
    /// The server's name, or `server 3` when it has none.
    var server: String?
    let reason: String

    var description: String {
      let place = [line.map { "line \($0)" }, server].compactMap(\.self).joined(separator: ", ")
      return place.isEmpty ? reason : "\(place): \(reason)"
    }
  }

  /// All that is wrong in the file, in the order of its lines.
  struct Invalid: Error, Equatable, CustomStringConvertible {
    let faults: [Fault]

    var description: String { faults.map(\.description).joined(separator: "\n") }
  }

  /// - Parameter readKey: makes keys of their texts.
  init(path: String, readKey: @escaping KeyReader) throws(Invalid) {
    let bytes: [UInt8]
    do throws(BoundedFile.Unreadable) { bytes = try BoundedFile.read(path, most: NamedFile.servers) } catch {
      throw Invalid(faults: [Fault(line: nil, reason: "the file \(error)")])
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw Invalid(faults: [Fault(line: nil, reason: "the file is not UTF-8")])
    }
    try self.init(text: text, readKey: readKey)
  }

  init(text: String, readKey: @escaping KeyReader) throws(Invalid) {
    if let fault = YAMLBound.fault(in: text.utf8) {
      throw Invalid(faults: [Fault(line: nil, reason: "the file \(fault)")])
    }
    let root: Node?
    do { root = try Yams.compose(yaml: text) } catch { throw Invalid(faults: [Self.fault(for: error)]) }
    if let root, let fault = YAMLBound.fault(in: root) {
      throw Invalid(faults: [Fault(line: nil, reason: "the file \(fault)")])
    }
    let faults = YAMLFields.FaultList()
    servers = Self.servers(root, readKey: readKey, faults)
    guard faults.faults.isEmpty else {
      throw Invalid(faults: faults.faults.sorted { $0.line ?? 0 < $1.line ?? 0 })
    }
  }

  private static func servers(
    _ root: Node?, readKey: @escaping KeyReader, _ faults: YAMLFields.FaultList
  ) -> [ServerSpec] {
    let scope = YAMLFields.Scope(server: nil, faults: faults)
    guard let root, let file = YAMLFields(root, scope, known: ["servers"]) else {
      if root == nil { faults.add("the list 'servers' is missing", line: nil) }
      return []
    }
    guard let list = file.node("servers")?.sequence, !list.isEmpty else {
      file.fault("servers", file.has("servers") ? "expected a list of servers" : "is missing")
      return []
    }
    var servers: [ServerSpec] = []
    for (index, node) in list.enumerated() {
      let reader = ServerReader(node, number: index + 1, readKey: readKey, faults)
      guard let server = reader?.server() else { continue }
      reader?.compare(server, with: servers)
      servers.append(server)
    }
    return servers
  }

  /// What is wrong and where, without the text at that place: it may be a key.
  private static func fault(for error: any Error) -> Fault {
    switch error as? YamlError {
    case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
      .composer(_, let problem, let mark, _):
      Fault(line: mark.line, reason: "column \(mark.column): \(problem)")
    case .duplicatedKeysInMapping(_, let context):
      Fault(line: context.mark.line, reason: "this key occurs twice in one mapping")
    default: Fault(line: nil, reason: "it is not YAML of the form that servers.sample.yaml shows")
    }
  }
}

/// Reads one server of the list.
private struct ServerReader {
  private static let keys = [
    "name", "host", "port", "user", "key", "key_file", "jump", "gpus", "cpus", "memory", "slots", "root", "environment",
    "preamble", "epilogue", "tags", "enabled", "idle_memory",
  ]
  private static let word = ValueRule.word(marks: "._-", length: 1...63)

  private let fields: YAMLFields
  private let scope: YAMLFields.Scope
  private let readKey: KeyReader

  init?(_ node: Node, number: Int, readKey: @escaping KeyReader, _ faults: YAMLFields.FaultList) {
    let name = node.mapping?["name"]?.scalar?.string ?? ""
    scope = .init(server: Self.word.accepts(name) ? name : "server \(number)", faults: faults)
    guard let fields = YAMLFields(node, scope, known: Self.keys) else { return nil }
    self.fields = fields
    self.readKey = readKey
  }

  /// What could be read: whole only when there was no fault.
  func server() -> ServerSpec? {
    let name = fields.text("name", Self.word, isRequired: true)
    let login = login(fields)
    var server = ServerSpec(name: name ?? "")
    server.login = login
    if let node = fields.node("jump"),
      let jump = YAMLFields(node, scope, path: "jump", known: ["host", "port", "user", "key", "key_file"])
    {
      server.jump = self.login(jump, isJump: true, standard: login)
    }
    server.gpus = gpus() ?? server.gpus
    server.cpus = fields.number("cpus", 1...65_536)
    server.memoryGB = fields.number("memory", 1...1_048_576)
    server.slots = fields.number("slots", 0...65_536)
    server.root = root() ?? server.root
    server.environment = environment()
    server.preamble = fields.lines("preamble") ?? server.preamble
    server.epilogue = fields.lines("epilogue") ?? server.epilogue
    server.tags = tags()
    server.isEnabled = fields.flag("enabled") ?? server.isEnabled
    server.idleMemory = fields.number("idle_memory", 0...1_048_576) ?? server.idleMemory
    return name == nil ? nil : server
  }

  /// A name twice, or one root of one account twice, would mix the jobs of two servers.
  func compare(_ server: ServerSpec, with earlier: [ServerSpec]) {
    if earlier.contains(where: { $0.name == server.name }) {
      fields.fault("name", "an earlier server has this name too")
    } else if let login = server.login,
      let twin = earlier.first(where: { other in
        other.root == server.root && other.jump?.host == server.jump?.host
          && other.login.map { ($0.host, $0.port, $0.user) == (login.host, login.port, login.user) } == true
      })
    {
      fields.fault("host", "\(twin.name) has the same host, port, user and root")
    }
  }

  /// - Parameters:
  ///   - isJump: whether user and key may be missing: then those of `standard` count.
  ///   - standard: the server's; nil when that could not be read.
  private func login(_ fields: YAMLFields, isJump: Bool = false, standard: Login? = nil) -> Login? {
    let host = fields.text("host", .word(marks: ".:-_%", length: 1...253), isRequired: true)
    let port = fields.has("port") ? fields.number("port", 1...65_535) : 22
    let user = isJump && !fields.has("user") ? standard?.user : user(fields)
    let key = isJump && !fields.has("key") && !fields.has("key_file") ? standard?.key : key(fields)
    guard let host, let port, let user, let key else { return nil }
    return Login(host: host, port: port, user: user, key: key)
  }

  private func user(_ fields: YAMLFields) -> String? {
    let user = fields.text("user", .word(marks: "._-", length: 1...32), isRequired: true)
    guard user == "root" else { return user }
    fields.fault("user", "jobs never run as root")
    return nil
  }

  private func key(_ fields: YAMLFields) -> PrivateKey? {
    let text: String?
    var name = "key"
    switch (fields.has("key"), fields.has("key_file")) {
    case (true, true):
      fields.fault("key_file", "expected key or key_file, not both")
      return nil
    case (false, false):
      fields.fault("key", "key or key_file is missing")
      return nil
    case (true, false): text = fields.text("key")
    case (false, true):
      name = "key_file"
      text = keyFile(fields)
    }
    guard let text else { return nil }
    do { return try readKey(text) } catch {
      fields.fault(name, "\(error)")
      return nil
    }
  }

  private func keyFile(_ fields: YAMLFields) -> String? {
    guard let path = fields.text("key_file", .path(length: 1...4096)) else { return nil }
    guard path.hasPrefix("/") else {
      fields.fault("key_file", "expected an absolute path")
      return nil
    }
    let bytes: [UInt8]
    do { bytes = try BoundedFile.read(path, most: NamedFile.secret) } catch {
      fields.fault("key_file", "\(path) \(error)")
      return nil
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      fields.fault("key_file", "\(path) is not UTF-8 text")
      return nil
    }
    return text
  }

  private func gpus() -> GPUChoice? {
    guard let node = fields.node("gpus") else { return nil }
    guard node.sequence != nil else {
      guard let text = fields.text("gpus") else { return nil }
      if text == "auto" { return .auto }
      if let count = ValueRule.whole(text), (0...1024).contains(count) { return .count(count) }
      fields.fault("gpus", "expected auto, a count from 0 to 1024, or a list of indices or UUIDs")
      return nil
    }
    var names: [GPUName] = []
    for (text, line) in fields.list("gpus") ?? [] {
      guard let name = GPUName(text) else {
        scope.faults.add("gpus: expected an index or a UUID such as GPU-1a2b...", line: line, server: scope.server)
        continue
      }
      if names.contains(name) {
        scope.faults.add("gpus: \(name) occurs twice", line: line, server: scope.server)
      }
      names.append(name)
    }
    return .these(names)
  }

  private func root() -> String? {
    guard let path = fields.text("root", .path(length: 1...512)) else { return nil }
    guard path.wholeMatch(of: /[A-Za-z0-9._\/][A-Za-z0-9._\/@+=-]*/) != nil, !path.allSatisfy({ "./".contains($0) })
    else {
      fields.fault(
        "root", "expected a directory of letters, digits and ._/@+=-, absolute or relative to the home directory")
      return nil
    }
    return path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
  }

  private func environment() -> [String: String] {
    guard let node = fields.node("environment"),
      let values = YAMLFields(node, scope, path: "environment", known: nil)
    else { return [:] }
    var environment: [String: String] = [:]
    for name in values.keys {
      guard name.wholeMatch(of: /[A-Za-z_][A-Za-z0-9_]{0,127}/) != nil else {
        fields.fault("environment", "expected a name of letters, digits and '_' that does not begin with a digit")
        continue
      }
      guard let value = values.text(name) else { continue }
      if value.utf8.contains(0) { values.fault(name, "expected text without NUL") }
      environment[name] = value
    }
    return environment
  }

  private func tags() -> Set<String> {
    var tags: Set<String> = []
    for (text, line) in fields.list("tags") ?? [] {
      if !Self.word.accepts(text) {
        scope.faults.add("tags: expected \(Self.word.expected)", line: line, server: scope.server)
      }
      tags.insert(text)
    }
    return tags
  }
}
