import HTTPClient
import Testing

@Suite("Whose certificates are trusted")
struct AuthoritiesTests {
  @Test("The authorities are those that curl's command would take")
  func environment() {
    func named(_ environment: [String: String]) -> [String?] {
      let authorities = Authorities.named { environment[$0] }
      return [authorities.file, authorities.folder]
    }
    #expect(named([:]) == [nil, nil])
    #expect(named(["SSL_CERT_FILE": "", "CURL_CA_BUNDLE": ""]) == [nil, nil])
    #expect(named(["SSL_CERT_FILE": "/f", "SSL_CERT_DIR": "/d"]) == ["/f", "/d"])
    #expect(named(["SSL_CERT_FILE": "/f", "CURL_CA_BUNDLE": "/b"]) == ["/b", nil])
  }
}
