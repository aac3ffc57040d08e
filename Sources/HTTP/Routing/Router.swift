import Glibc

/// Finds the handler of a request.
///
///     var router = Router()
///     router.on("GET", "/live") { _ in .now(.json(Array("{}\n".utf8))) }
///     router.on("POST", "/request/{name}/{method}", bodyLimit: 65_536) { request in
///       .later { try await answer(request.parameters["name"], request.form()) }
///     }
///
/// HEAD is served wherever GET is, and OPTIONS everywhere. A path nobody serves is 404, another method than those of
/// its routes 405 with Allow, a method that is nowhere in use 501.
public struct Router: Sendable {
  /// A handler with what its pattern says.
  final class Route: Sendable {
    let method: String
    let pattern: String
    let parameterNames: [String]
    let bodyLimit: Int?
    let isQuiet: Bool
    let handler: Handler

    init(
      method: String, pattern: String, parameterNames: [String], bodyLimit: Int?, isQuiet: Bool,
      handler: @escaping Handler
    ) {
      self.method = method
      self.pattern = pattern
      self.parameterNames = parameterNames
      self.bodyLimit = bodyLimit
      self.isQuiet = isQuiet
      self.handler = handler
    }
  }

  /// What becomes of a request.
  enum Resolution: Sendable {
    case route(Route, parameters: [String: String])
    indirect case refused(HTTPError)
    /// OPTIONS; the methods that may be used instead.
    case options(allow: String)

    var bodyLimit: Int? {
      if case .route(let route, _) = self { return route.bodyLimit }
      return nil
    }
  }

  /// A place in the tree of path segments; children are named by their index.
  fileprivate struct Node: Sendable {
    var literals: [String: Int] = [:]
    var parameter: Int?
    /// A few at most, looked through in turn.
    var routes: [Route] = []
  }

  /// Behind one reference, since every connection asks it.
  fileprivate final class Table: @unchecked Sendable {
    var nodes = [Node()]
    /// The paths of the patterns without parameters, one behind the other, and the nodes they lead to: most requests
    /// are for one of these, and comparing bytes is all they need.
    var literalPaths: [UInt8] = []
    var literals: [(path: Range<Int>, node: Int)] = []
    var methods: Set<String> = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

    func copy() -> Table {
      let copy = Table()
      copy.nodes = nodes
      copy.literalPaths = literalPaths
      copy.literals = literals
      copy.methods = methods
      return copy
    }
  }

  /// Changed only while nobody else refers to it.
  private var table = Table()

  /// Makes the answer to an error: a handler's, or a request's that cannot be understood, for which there may be no
  /// ``Request``. An ``HTTPError`` becomes its JSON form, any other error a 500 that says nothing of the inside.
  public var renderError: @Sendable (any Error, Request?) -> Response = { error, _ in
    let known = error as? HTTPError
    return
      (known ?? HTTPError(.internalServerError, code: "internal_error", "internal error; the service's log says why"))
      .response
  }

  public init() {}

  /// Adds a route.
  /// - Parameters:
  ///   - pattern: a path; a segment `{name}` takes any one segment that is not empty. Literal segments win over these.
  ///   - bodyLimit: the most bytes of body, where it differs from ``Limits/body``.
  ///   - isQuiet: it is called again and again by those who watch the service, so that its requests are recorded only
  ///     with ``ServerConfiguration/logsQuietRoutes``.
  public mutating func on(
    _ method: String, _ pattern: String, bodyLimit: Int? = nil, isQuiet: Bool = false, _ handler: @escaping Handler
  ) {
    precondition(pattern.first == "/", "a route's pattern begins with a slash: \(pattern)")
    if !isKnownUniquelyReferenced(&table) { table = table.copy() }
    table.add(method, pattern, bodyLimit: bodyLimit, isQuiet: isQuiet, handler)
  }

  /// What becomes of a request with that method and path.
  /// - Parameter rawPath: not decoded yet, since an encoded slash parts no segments.
  /// - Throws: 400 when the path is not UTF-8.
  func resolve(method: String, rawPath: String) throws(HTTPError) -> Resolution {
    try table.resolve(method: method, rawPath: rawPath)
  }
}

extension Router.Table {
  func add(_ method: String, _ pattern: String, bodyLimit: Int?, isQuiet: Bool, _ handler: @escaping Handler) {
    var node = 0
    var names: [String] = []
    for segment in pattern.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
      if segment.first == "{", segment.last == "}" {
        names.append(String(segment.dropFirst().dropLast()))
        node = child(of: node, at: \.parameter)
      } else {
        node = child(of: node, at: \.literals[String(segment)])
      }
    }
    nodes[node].routes.removeAll { $0.method == method }
    nodes[node].routes.append(
      Router.Route(
        method: method, pattern: pattern, parameterNames: names, bodyLimit: bodyLimit, isQuiet: isQuiet,
        handler: handler))
    methods.insert(method)
    if names.isEmpty, !literals.contains(where: { $0.node == node }) {
      literals.append((path: literalPaths.count..<(literalPaths.count + pattern.utf8.count), node: node))
      literalPaths += pattern.utf8
    }
  }

  private func child(of node: Int, at place: WritableKeyPath<Router.Node, Int?>) -> Int {
    if let known = nodes[node][keyPath: place] { return known }
    nodes.append(Router.Node())
    nodes[node][keyPath: place] = nodes.count - 1
    return nodes.count - 1
  }

  func resolve(method: String, rawPath: String) throws(HTTPError) -> Router.Resolution {
    if rawPath == "*", method == "OPTIONS" { return .options(allow: methods.sorted().joined(separator: ", ")) }
    var values: [String] = []
    let found = try rawPath.withBytes { bytes throws(HTTPError) -> Int? in
      if let node = literal(bytes) { return node }
      return bytes.first == Byte.slash ? try find(bytes, from: 1, in: 0, values: &values) : nil
    }
    guard let found, let route = route(method, at: found) else { return refusal(of: method, at: found) }
    if values.isEmpty { return .route(route, parameters: [:]) }
    var parameters: [String: String] = [:]
    for (name, value) in zip(route.parameterNames, values) { parameters[name] = value }
    return .route(route, parameters: parameters)
  }

  /// The node that a path leads to which is, byte for byte, a pattern.
  private func literal(_ path: UnsafeRawBufferPointer) -> Int? {
    guard let base = path.baseAddress else { return nil }
    return literalPaths.withUnsafeBytes { paths -> Int? in
      guard let all = paths.baseAddress else { return nil }
      for literal in literals
      where literal.path.count == path.count && memcmp(all + literal.path.lowerBound, base, path.count) == 0 {
        return literal.node
      }
      return nil
    }
  }

  private func route(_ method: String, at node: Int) -> Router.Route? {
    for route in nodes[node].routes where route.method == method { return route }
    return method == "HEAD" ? self.route("GET", at: node) : nil
  }

  /// - Parameter node: what the path leads to; nil when nothing is served there.
  private func refusal(of method: String, at node: Int?) -> Router.Resolution {
    guard methods.contains(method) else {
      return .refused(HTTPError(.notImplemented, code: "not_implemented", "this service does not support that method"))
    }
    guard let node else {
      return .refused(HTTPError(.notFound, code: "not_found", "there is nothing at this path"))
    }
    var allowed = Set(nodes[node].routes.map(\.method))
    if allowed.contains("GET") { allowed.insert("HEAD") }
    allowed.insert("OPTIONS")
    let allow = allowed.sorted().joined(separator: ", ")
    if method == "OPTIONS" { return .options(allow: allow) }
    return .refused(
      HTTPError(
        .methodNotAllowed, code: "method_not_allowed", "this path does not support that method",
        hint: "use one of: \(allow)", headers: ["Allow": allow]))
  }

  /// The node with routes that the segments from `start` on lead to from `node`. As deep as the deepest pattern.
  private func find(
    _ path: UnsafeRawBufferPointer, from start: Int, in node: Int, values: inout [String]
  ) throws(HTTPError) -> Int? {
    guard start <= path.count else { return nodes[node].routes.isEmpty ? nil : node }
    let end = path.firstOffset(of: Byte.slash, from: start) ?? path.count
    if nodes[node].literals.isEmpty, nodes[node].parameter == nil { return nil }
    let bytes = path.slice(start..<end)
    let isEncoded = bytes.firstOffset(of: Byte.percent) != nil
    let segment = isEncoded ? try Percent.decodeText(bytes, what: "the path") : bytes.string
    if let literal = nodes[node].literals[segment],
      let found = try find(path, from: end + 1, in: literal, values: &values)
    {
      return found
    }
    guard let parameter = nodes[node].parameter, !segment.isEmpty else { return nil }
    values.append(segment)
    if let found = try find(path, from: end + 1, in: parameter, values: &values) { return found }
    values.removeLast()
    return nil
  }
}
