import HTTP

/// Keeps web pages out where nobody is asked for credentials. A browser on this machine reaches what listens on loopback,
/// and sends it what any page says.
enum ForeignPage {
  /// - Throws: 403 for a request that may come from a page that is not this service's own.
  static func refuse(_ request: Request) throws(HTTPError) {
    let host = request.headers["Host"]?.lowercased()
    // A page whose own name suddenly stands for this machine's address still sends that name (DNS rebinding).
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
      "without authentication web pages are not served, and the field \(field) is that of one",
      hint: "call it by localhost or 127.0.0.1, and not from a web page; or set WEIR_AUTH=required")
  }
}
