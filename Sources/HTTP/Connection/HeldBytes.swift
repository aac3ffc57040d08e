/// The bytes that a connection holds for its client, counted in ``RequestBytes`` among those of all connections.
struct HeldBytes {
  private let all: RequestBytes
  /// Of bodies, those in handlers included.
  private var body = 0
  /// The beginning of a request, and short answers that the client does not take.
  private var buffers = 0
  /// As whose they are counted; nil while there are none.
  private var sender: RequestBytes.Sender?
  /// How large a body a ``Answer/later(_:)`` has that runs; it keeps it when the client has gone.
  private var inHandler = 0

  /// Buffers of a connection of up to this many bytes are not counted.
  private static let smallBuffer = 4096
  /// A body of up to so many bytes is refused only to those who hold too much themselves.
  private static let shortBody = 65_536

  init(_ all: RequestBytes) { self.all = all }

  /// Notes that a handler has a body of that many bytes.
  mutating func handOver(_ count: Int) { inHandler = count }

  mutating func handlerEnded() { inHandler = 0 }

  /// What is to be counted of a connection's buffers.
  static func buffers(_ reader: borrowing RequestReader, _ output: borrowing ConnectionOutput) -> Int {
    if reader.inputCount <= smallBuffer, output.count <= smallBuffer { return 0 }
    return reader.inputCount + output.countedBytes
  }

  /// Whether that is counted already.
  func isCounted(body: Int, buffers: Int) -> Bool { self.body == body + inHandler && self.buffers == buffers }

  /// Counts these in place of what was counted before.
  /// - Parameters:
  ///   - body: of the body being read.
  ///   - request: the one being read, if its head is there.
  ///   - judge: says who sends it; nil when nobody asks.
  /// - Returns: whether it is more than before.
  mutating func count(
    body: Int, buffers: Int, of request: Request?, from network: ClientNetwork, by judge: ClientStanding.Judge?
  ) -> Bool {
    let before = self.body + self.buffers
    let now = body + inHandler + buffers
    let new = now == 0 ? nil : sender(of: request, from: network, by: judge)
    if let sender { all.add(-before, of: sender) }
    if let new { all.add(now, of: new) }
    (self.body, self.buffers, sender) = (body + inHandler, buffers, new)
    return now > before
  }

  /// Whose the bytes are; of a request that is being answered it is known already.
  private func sender(
    of request: Request?, from network: ClientNetwork, by judge: ClientStanding.Judge?
  ) -> RequestBytes.Sender {
    guard let judge else { return .anybody }
    guard let request else { return sender ?? .strangers(network) }
    if body > 0, let sender { return sender }
    return switch judge(request) {
    case .stranger: .strangers(network)
    case .known(let name): .known(name)
    case .trusted: .anybody
    }
  }

  /// What is answered when more is held than may be; nil when it may. Strangers may have half of what all may have, and
  /// those of one network, like one known sender, an eighth: nobody without credentials keeps out those who have them,
  /// and nobody all the others.
  func refusal(by limits: Limits) -> HTTPError? {
    guard let use = all.use(by: sender) else { return nil }
    switch sender {
    case .known where use.own > limits.unfinishedBodiesOfOne:
      return HTTPError(
        .tooManyRequests, code: "too_many_bodies",
        "the open requests of this caller hold more than \(limits.unfinishedBodiesOfOne) bytes",
        hint: "send the same request again in a moment", headers: ["Retry-After": "2"])
    case .strangers where use.own > limits.unfinishedBodiesOfOne || use.strangers > limits.unfinishedBodies / 2:
      return Self.tooManyBodies
    default: return body > Self.shortBody && use.all > limits.unfinishedBodies ? Self.tooManyBodies : nil
    }
  }

  private static let tooManyBodies = HTTPError(
    .serviceUnavailable, code: "too_many_bodies", "too many large bodies are being sent to this service",
    hint: "send the same request again in a moment", headers: ["Retry-After": "2"])
}
