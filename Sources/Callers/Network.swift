import Glibc

/// What failed attempts are counted by: an IPv4 address, or the /64 of an IPv6 address, for that much is usually one
/// subscriber's (RFC 6177).
struct Network: Hashable, Sendable, CustomStringConvertible {
  private var bits: UInt64
  private var kind: Kind

  private enum Kind { case ipv4, ipv6, other }

  /// - Parameter remoteAddress: `127.0.0.1:5321` or `[::1]:5321`. All that is neither counts as one.
  init(remoteAddress: String) {
    let host = Self.host(of: remoteAddress)
    var ipv4 = in_addr()
    var ipv6 = in6_addr()
    if inet_pton(AF_INET, host, &ipv4) == 1 {
      (bits, kind) = (UInt64(UInt32(bigEndian: ipv4.s_addr)), .ipv4)
    } else if inet_pton(AF_INET6, host, &ipv6) == 1 {
      let bytes = withUnsafeBytes(of: &ipv6) { Array($0) }
      func number(_ range: Range<Int>) -> UInt64 { bytes[range].reduce(0) { $0 << 8 | UInt64($1) } }
      // An IPv4 client of an IPv6 socket (RFC 4291, section 2.5.5.2).
      let isMapped = number(0..<8) == 0 && number(8..<12) == 0xFFFF
      (bits, kind) = isMapped ? (number(12..<16), .ipv4) : (number(0..<8), .ipv6)
    } else {
      (bits, kind) = (0, .other)
    }
  }

  /// The address without the port and the brackets.
  static func host(of remoteAddress: String) -> String {
    if remoteAddress.first == "[" { return String(remoteAddress.dropFirst().prefix { $0 != "]" && $0 != "%" }) }
    return String(remoteAddress.prefix { $0 != ":" })
  }

  /// As ranges are written: `192.0.2.7`, `2001:db8:0:1::/64`.
  var description: String {
    switch kind {
    case .ipv4: [24, 16, 8, 0].map { String(bits >> $0 & 0xFF) }.joined(separator: ".")
    case .ipv6: [48, 32, 16, 0].map { String(bits >> $0 & 0xFFFF, radix: 16) }.joined(separator: ":") + "::/64"
    case .other: "unknown"
    }
  }
}
