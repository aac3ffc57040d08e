import Glibc

/// Why a server could not start.
public enum ServerError: Error, Sendable, CustomStringConvertible {
  /// The address is none of this machine's, or no address at all.
  case addressNotUsable(String, reason: String)
  case addressInUse(String)
  /// Ports below 1024 need a privilege.
  case permissionDenied(String)
  /// A call of the system failed.
  case system(operation: String, errno: Int32)
  /// The server was started before.
  case alreadyStarted

  public var description: String {
    switch self {
    case .addressNotUsable(let address, let reason): "cannot listen on \(address): \(reason)"
    case .addressInUse(let address): "cannot listen on \(address): another process already uses this address"
    case .permissionDenied(let address):
      "cannot listen on \(address): permission denied; ports below 1024 need CAP_NET_BIND_SERVICE"
    case .system(let operation, let number): "\(operation): \(Self.text(number))"
    case .alreadyStarted: "the server was started before"
    }
  }

  static func text(_ number: Int32) -> String {
    var buffer = [CChar](repeating: 0, count: 256)
    guard strerror_r(number, &buffer, buffer.count) == 0 else { return "error \(number)" }
    return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
