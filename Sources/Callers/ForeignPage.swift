import HTTP

/// Keeps web pages out where no credentials are required. A browser on this machine reaches what listens on loopback,
/// and sends it what any page says.
enum ForeignPage {
  /// - Throws: 403 for a request that may come from a page that is not this service's own.
  static func refuse(_ request: Request) throws(HTTPError) {
    let host = request.headers["Host"]?.lowercased()
    // A page whose name suddenly resolves to this machine's address still sends that name (DNS rebinding).
    guard host.map(isLoopback) ?? true else { throw refusal("Host") }
    let origin = request.headers["Origin"]?.lowercased()
    guard origin == nil || origin == host.map({ "http://" + $0 }) else { throw refusal("Origin") }
    // What loads an image has no Origin (Fetch Metadata, section 2.4).
    let site = request.headers["Sec-Fetch-Site"] ?? "none"
    guard ["none", "same-origin"].contains(site) else { throw refusal("Sec-Fetch-Site") }
  }

  private static func isLoopback(_ host: String) -> Bool {
    let name = host.hasPrefix("[") ? String(host.prefix { $0 != "]" }) + "]" : String(host.prefix { $0 != ":" })
    return name == "localhost" || name == "[::1]" || name.wholeMatch(of: /127(\.[0-9]{1,3}){3}/) != nil
  }

  private static func refusal(_ field: String) -> HTTPError {
    HTTPError(
      .forbidden, code: "foreign_page",
      "without authentication Weir serves no web pages, and the header \(field) is that of a web page",
      hint: "use localhost or 127.0.0.1, and no web page; or set WEIR_AUTH=required")
  }
}
