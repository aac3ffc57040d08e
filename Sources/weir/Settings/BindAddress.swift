import Foundation
import HTTP

/// The address that Weir listens on.
enum BindAddress {
  /// Why a setting cannot be an address, by its form alone: no name is resolved.
  static func fault(_ address: String) -> String? {
    guard !address.isEmpty, !isIP(address) else { return nil }
    let labels = address.split(separator: ".", omittingEmptySubsequences: false)
    let isName = labels.allSatisfy { $0.wholeMatch(of: /[A-Za-z0-9_-]{1,63}/) != nil }
    guard !isName || labels.last?.allSatisfy(\.isNumber) == true else { return nil }
    return "'\(address.prefix(100))' is wrong: expected an IP address of this machine, or its name"
  }

  /// Why a name is none of this machine's; nil for one that is, and for IP addresses: those may be given to it later. Looks
  /// the name up, which may take seconds.
  static func lookUp(_ address: String) -> String? {
    guard !isIP(address), let reason = Server.fault(ofAddress: address) else { return nil }
    return "'\(address.prefix(100))' is wrong: \(reason); expected an IP address of this machine, or its name"
  }

  static func isIP(_ address: String) -> Bool {
    var bytes = in6_addr()
    let number = String(address.prefix { $0 != "%" })  // An interface follows it.
    return inet_pton(AF_INET, address, &bytes) == 1 || inet_pton(AF_INET6, number, &bytes) == 1
  }
}

extension StartError {
  /// Why the server does not listen, by the setting that is wrong.
  init(listening error: any Error, on address: String) {
    switch error as? ServerError {
    case .addressNotUsable:
      // An IP address may be given to this machine later: then another start helps.
      self.init(description: "WEIR_BIND_ADDRESS: \(error)", status: BindAddress.isIP(address) ? 1 : 78)
    case .addressInUse: self.init(description: "WEIR_PORT: \(error); stop it, or set another port")
    case .permissionDenied: self.init(description: "WEIR_PORT: \(error)")
    case .system, .alreadyStarted, nil: self.init(description: "\(error)")
    }
  }
}
