import HTTPClient
import Testing

@Suite("Addresses of other servers")
struct OutboundAddressTests {
  @Test("The name for logs holds neither the query nor the fragment")
  func name() throws {
    let address = try OutboundAddress("https://login.example.org:8443/keys?token=secret#fragment")
    #expect(address.name == "https://login.example.org:8443/keys")
    #expect(address.text.contains("secret") && address.isEncrypted)
    #expect(try !OutboundAddress("http://a").isEncrypted)
  }

  @Test(
    "Other texts are refused",
    arguments: [
      ("ftp://a/", .scheme), ("file:///etc/passwd", .scheme), ("https://user:pw@a/", .credentials),
      ("http://user@a/", .credentials), ("http://a/\0", .syntax("it has a NUL byte")),
    ] as [(String, OutboundAddress.Fault)])
  func refused(text: String, fault: OutboundAddress.Fault) {
    #expect(throws: fault) { try OutboundAddress(text) }
  }

  @Test(
    "What is no URL is refused with a reason", arguments: ["", "a/b", "https://", "https://a b/", "https://a:99999/"])
  func malformed(text: String) {
    let fault = #expect(throws: OutboundAddress.Fault.self) { try OutboundAddress(text) }
    guard case .syntax(let reason) = fault else { return }
    #expect(!reason.isEmpty)
  }
}
