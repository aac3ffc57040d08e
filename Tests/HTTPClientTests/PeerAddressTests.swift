import HTTPClient
import Testing

@Suite("The address of the other end")
struct PeerAddressTests {
  @Test(
    "It is written as usual, and IPv4 within IPv6 is IPv4",
    arguments: [
      ([192, 0, 2, 1], "192.0.2.1"), ([0x20, 1, 0x0d, 0xb8] + [UInt8](repeating: 0, count: 11) + [1], "2001:db8::1"),
      ([UInt8](repeating: 0, count: 10) + [0xff, 0xff, 127, 0, 0, 1], "127.0.0.1"),
    ] as [([UInt8], String)])
  func text(bytes: [UInt8], text: String) throws {
    #expect(try #require(PeerAddress(bytes: bytes)).description == text)
  }

  @Test("Other lengths are no address", arguments: [0, 3, 5, 15, 17])
  func lengths(count: Int) { #expect(PeerAddress(bytes: [UInt8](repeating: 1, count: count)) == nil) }
}
