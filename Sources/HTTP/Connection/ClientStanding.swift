/// Who is at the other end of a connection, as far as its requests have shown. Until one of them is admitted the
/// connection counts among its network's strangers.
struct ClientStanding {
  /// ``ServerConfiguration/sender``.
  typealias Judge = @Sendable (Request) -> RequestSender

  let network: ClientNetwork
  /// Whether a request of this connection was admitted.
  private(set) var isKnown = false
  private let strangers: NetworkCounts

  init(network: ClientNetwork, strangers: NetworkCounts) {
    self.network = network
    self.strangers = strangers
  }

  func enter() { strangers.add(network) }

  /// To be called once, at the end.
  func leave() { if !isKnown { strangers.remove(network) } }

  /// Notes that a request was admitted, if it was.
  mutating func noteAdmission(of request: Request.Storage) {
    guard !isKnown, request.notes.caller != nil else { return }
    isKnown = true
    strangers.remove(network)
  }

  /// Whether the present request, or one before it, comes from somebody who is known.
  func isOfKnownSender(_ request: Request?, by judge: Judge?) -> Bool {
    if isKnown { return true }
    guard let request, let judge else { return false }
    return judge(request) != .stranger
  }
}
