import Testing

@testable import HTTP

@Suite("Router")
struct RouterTests {
  private let router: Router = {
    var router = Router()
    for (method, pattern) in [
      ("GET", "/"), ("GET", "/live"), ("GET", "/jobs/{id}"), ("DELETE", "/jobs/{id}"), ("GET", "/jobs/all"),
      ("POST", "/jobs/all/x"), ("GET", "/jobs/{id}/y"), ("POST", "/request/{name}/{number}/{jobid}/{method}"),
    ] {
      router.on(method, pattern) { _ in .now(.text("\(method) \(pattern)")) }
    }
    return router
  }()

  /// The route's own words and parameters, or the status of the refusal and what is allowed.
  private func find(_ method: String, _ path: String) throws -> String {
    switch try router.resolve(method: method, rawPath: path) {
    case .route(let route, let parameters):
      let request = try Request(method: method, target: path)
      guard case .now(let response) = try route.handler(request), case .bytes(let bytes) = response.body else {
        return ""
      }
      let values = parameters.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
      return String(decoding: bytes, as: UTF8.self) + values
    case .refused(let error): return "\(error.status.code) \(error.headers["Allow"] ?? "")"
    case .options(let allow): return "options \(allow)"
    }
  }

  @Test(
    "a request finds its route",
    arguments: [
      ("GET", "/", "GET /"), ("GET", "/live", "GET /live"), ("HEAD", "/live", "GET /live"),
      ("GET", "/%6cive", "GET /live"), ("GET", "/jobs/7", "GET /jobs/{id} id=7"),
      ("GET", "/jobs/a%2Fb%20c", "GET /jobs/{id} id=a/b c"), ("GET", "/jobs/all", "GET /jobs/all"),
      // The literal leads nowhere, so the parameter has its turn.
      ("GET", "/jobs/all/y", "GET /jobs/{id}/y id=all"),
      (
        "POST", "/request/n/1/2/tail",
        "POST /request/{name}/{number}/{jobid}/{method} jobid=2 method=tail name=n number=1"
      ),
      ("GET", "/nothing", "404 "), ("GET", "/live/", "404 "), ("GET", "//live", "404 "), ("GET", "/jobs/", "404 "),
      ("GET", "/jobs", "404 "), ("GET", "/jobs/1/2/3", "404 "), ("POST", "/live", "405 GET, HEAD, OPTIONS"),
      ("PUT", "/jobs/7", "405 DELETE, GET, HEAD, OPTIONS"), ("BREW", "/live", "501 "), ("get", "/live", "501 "),
      ("OPTIONS", "/live", "options GET, HEAD, OPTIONS"), ("OPTIONS", "/nothing", "404 "),
      ("OPTIONS", "*", "options DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"),
    ])
  func resolves(_ method: String, _ path: String, _ expected: String) throws {
    #expect(try find(method, path) == expected)
  }
}
