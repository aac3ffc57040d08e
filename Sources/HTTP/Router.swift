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
  struct Route: Sendable {
    let parameterNames: [String]
    let bodyLimit: Int?
    let handler: Handler
  }

  /// What becomes of a request.
  enum Resolution: Sendable {
    case route(Route, parameters: [String: String])
    case refused(HTTPError)
    /// OPTIONS; the methods that may be used instead.
    case options(allow: String)

    var bodyLimit: Int? {
      if case .route(let route, _) = self { return route.bodyLimit }
      return nil
    }
  }

  /// A place in the tree of path segments; children are named by their index.
  private struct Node: Sendable {
    var literals: [String: Int] = [:]
    var parameter: Int?
    var routes: [String: Route] = [:]
  }

  private var nodes = [Node()]
  private var methods: Set<String> = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

  /// Makes the answer to an error: a handler's, or a request's that cannot be understood, for which there may be no
  /// ``Request``. An ``HTTPError`` becomes its JSON form, any other error a 500 that says nothing of the inside.
  public var renderError: @Sendable (any Error, Request?) -> Response = { error, _ in
    let known = error as? HTTPError
    return
      (known ?? HTTPError(.internalServerError, code: "internal_error", "the service failed; its log says why"))
      .response
  }

  public init() {}

  /// Adds a route.
  /// - Parameters:
  ///   - pattern: a path; a segment `{name}` takes any one segment that is not empty. Literal segments win over these.
  ///   - bodyLimit: the most bytes of body, where it differs from ``Limits/body``.
  public mutating func on(_ method: String, _ pattern: String, bodyLimit: Int? = nil, _ handler: @escaping Handler) {
    precondition(pattern.first == "/", "a route's pattern begins with a slash: \(pattern)")
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
    nodes[node].routes[method] = Route(parameterNames: names, bodyLimit: bodyLimit, handler: handler)
    methods.insert(method)
  }

  private mutating func child(of node: Int, at place: WritableKeyPath<Node, Int?>) -> Int {
    if let known = nodes[node][keyPath: place] { return known }
    nodes.append(Node())
    nodes[node][keyPath: place] = nodes.count - 1
    return nodes.count - 1
  }

  /// What becomes of a request with that method and path.
  /// - Parameter rawPath: not decoded yet, since an encoded slash parts no segments.
  /// - Throws: 400 when the path is not UTF-8.
  func resolve(method: String, rawPath: String) throws(HTTPError) -> Resolution {
    if rawPath == "*", method == "OPTIONS" { return .options(allow: methods.sorted().joined(separator: ", ")) }
    var values: [String] = []
    let found = try rawPath.withBytes { bytes throws(HTTPError) in
      bytes.first == Byte.slash ? try find(bytes, from: 1, in: 0, values: &values) : nil
    }
    let routes = found.map { nodes[$0].routes }
    guard let route = routes?[method] ?? (method == "HEAD" ? routes?["GET"] : nil) else {
      return refusal(of: method, routes: routes)
    }
    var parameters: [String: String] = [:]
    for (name, value) in zip(route.parameterNames, values) { parameters[name] = value }
    return .route(route, parameters: parameters)
  }

  /// - Parameter routes: what is served at the path; nil when it is nothing.
  private func refusal(of method: String, routes: [String: Route]?) -> Resolution {
    guard methods.contains(method) else {
      return .refused(HTTPError(.notImplemented, code: "not_implemented", "this service has no use for that method"))
    }
    guard let routes else {
      return .refused(HTTPError(.notFound, code: "not_found", "nothing is served at this path"))
    }
    var allowed = Set(routes.keys)
    if allowed.contains("GET") { allowed.insert("HEAD") }
    allowed.insert("OPTIONS")
    let allow = allowed.sorted().joined(separator: ", ")
    if method == "OPTIONS" { return .options(allow: allow) }
    return .refused(
      HTTPError(
        .methodNotAllowed, code: "method_not_allowed", "this path does not take that method",
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
