import HTTPClient
import Synchronization

/// A key set that is fetched over HTTP, through the proxies that the environment names (`https_proxy`, `no_proxy`, ...).
final class KeySetAddress: KeySetReader {
  /// What lets a server say that nothing changed (RFC 9110, section 13.1).
  private struct Validators: Sendable, Equatable {
    var etag: String?
    var lastModified: String?

    init() {}

    init(_ response: OutboundResponse) {
      etag = Self.usable(response["ETag"])
      lastModified = Self.usable(response["Last-Modified"])
    }

    /// What can be sent back.
    private static func usable(_ value: String?) -> String? {
      value.flatMap { $0.utf8.count <= 1000 && $0.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f } ? $0 : nil }
    }

    /// The fields of a request that asks for what has changed since.
    var fields: [(name: String, value: String)] {
      [etag.map { ("If-None-Match", $0) }, lastModified.map { ("If-Modified-Since", $0) }].compactMap { $0 }
    }
  }

  let isLocal = false
  private let address: OutboundAddress
  private let authorities: Authorities?
  private let validators = Mutex(Validators())

  /// - Parameters:
  ///   - text: the address.
  ///   - authorities: whose certificates are trusted; nil for those that the environment names.
  /// - Throws: ``KeyError/url(_:)``
  init(_ text: String, authorities: Authorities? = nil) throws(KeyError) {
    do { address = try OutboundAddress(text) } catch {
      switch error {
      case .syntax(let reason): throw .url(reason)
      case .scheme: throw .url("its scheme is neither https nor http")
      case .credentials: throw .url("it holds a name or a password; a key set is public")
      }
    }
    self.authorities = authorities
  }

  var name: String { address.name }

  func read() throws(KeyError) -> KeySet? {
    let known = validators.withLock { $0 }
    var request = OutboundRequest(address)
    request.headers = [("Accept", "application/jwk-set+json, application/json")] + known.fields
    request.redirects = 3
    request.bodyLimit = KeySet.maximumLength
    if let authorities { request.authorities = authorities }
    let response: OutboundResponse
    // Each time the source reads, it gives this a thread of its own.
    do { response = try OutboundClient.sendBlocking(request) } catch { throw .keySet("\(error)") }
    switch response.status {
    case 200:
      let set = try KeySet(response.body, allowsSecrets: isLocal)
      validators.withLock { $0 = Validators(response) }
      return set
    case 304 where known != Validators(): return nil
    case let status: throw .keySet("its server answers with status \(status)")
    }
  }
}
