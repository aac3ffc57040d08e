/// Bytes of requests that have not come whole or are not answered, over all loops, and whose they are.
final class RequestBytes: Sendable {
  enum Sender: Hashable, Sendable {
    /// Somebody who is not bounded by himself.
    case anybody
    case known(String)
    case strangers(ClientNetwork)
  }

  struct Use {
    var all = 0
    var strangers = 0
    var own = 0
  }

  private struct State {
    var all = 0
    var strangers = 0
    var each: [Sender: Int] = [:]
  }

  private let state = Locked(State())

  func add(_ bytes: Int, of sender: Sender) {
    state.access { state in
      state.all += bytes
      if case .strangers = sender { state.strangers += bytes }
      if sender == .anybody { return }
      let own = state.each[sender, default: 0] + bytes
      state.each[sender] = own > 0 ? own : nil
    }
  }

  /// How much there is; nil for nobody.
  func use(by sender: Sender?) -> Use? {
    guard let sender else { return nil }
    return state.access { state in
      Use(all: state.all, strangers: state.strangers, own: state.each[sender] ?? 0)
    }
  }
}

/// What clients are counted by before it is known who they are: the /24 of an IPv4 address, the /64 of an IPv6 address.
struct ClientNetwork: Hashable, Sendable {
  private let bits: UInt64

  /// - Parameter ipv4: in the order of the network's bytes.
  init(ipv4: UInt32) { bits = UInt64(UInt32(bigEndian: ipv4) >> 8) }

  /// - Parameter ipv6: its first eight bytes, the first of them the highest. No such network is an IPv4 one: ::/40 is nobody's.
  init(ipv6: UInt64) { bits = ipv6 }

  static let unknown = ClientNetwork(ipv6: .max)
}

/// How many connections each network has on which nobody was admitted yet, over all loops.
final class NetworkCounts: Sendable {
  private let counts = Locked<[ClientNetwork: Int]>([:])

  func add(_ network: ClientNetwork) { counts.access { $0[network, default: 0] += 1 } }

  func remove(_ network: ClientNetwork) {
    counts.access { counts in
      let left = (counts[network] ?? 0) - 1
      counts[network] = left > 0 ? left : nil
    }
  }

  func count(of network: ClientNetwork) -> Int { counts.access { $0[network] ?? 0 } }
}
