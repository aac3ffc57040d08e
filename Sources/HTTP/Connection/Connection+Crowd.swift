/// What of a connection is counted among the bytes of all, and as whose.
struct CountedBytes {
  var body = 0
  /// The beginning of a request, and short answers that the client does not take.
  var buffers = 0
  var sender: RequestBytes.Sender?
}

/// What one connection may take from the others, and when it has to go for them.
extension Connection {
  func evict(_ waiting: Waiting) -> Bool {
    switch waiting {
    case .lingering:
      close()
      return true
    case .idle, .idleStranger, .unfinishedHead:
      // What it waits for may have come, unseen so far.
      receive()
      guard self.waiting == waiting else { return false }
      close()
      return true
    case .stalled:
      guard !isOfKnownSender else { return false }
      abort()
      return true
    }
  }

  func isOf(_ network: ClientNetwork) -> Bool { self.network == network }

  /// What is waited for, if it is the client; nil otherwise.
  var waiting: Waiting? {
    switch phase {
    case .lingering: .lingering
    case .receiving where isQuiet: isKnown ? .idle : .idleStranger
    case .receiving where output.isEmpty && !isHeld: parser.isInBody ? .stalled : .unfinishedHead
    case .closed: nil
    default: output.isEmpty ? nil : .stalled
    }
  }

  /// Buffers below this many bytes are not counted.
  private static let smallBuffer = 4096

  /// Counts what there is of a request among those of all connections, and refuses it when that is too much.
  func countBytes() {
    let body = parser.bodyCount + heldBody
    let buffers = input.count > Self.smallBuffer || output.count > Self.smallBuffer ? bufferedBytes : 0
    guard body != counted.body || buffers != counted.buffers else { return }
    // After an early answer nobody will read it.
    if case .receiving = phase {} else { discardBody() }
    let grows = count(body: parser.bodyCount + heldBody, buffers: buffers)
    guard grows, let use = context.requestBytes.use(by: counted.sender), let refusal = refusal(of: use) else { return }
    guard case .receiving = phase, output.isEmpty else { return buffers > 0 ? abort() : () }
    discardBody()
    _ = count(body: heldBody, buffers: 0)
    refuse(refusal)
  }

  /// A long answer is counted by whoever gave it a lease.
  private var bufferedBytes: Int { lease == nil ? input.count + min(output.count, Self.highWater) : input.count }

  /// - Returns: whether it is more than before.
  private func count(body: Int, buffers: Int) -> Bool {
    let now = body + buffers
    let before = counted.body + counted.buffers
    let sender = now == 0 ? nil : senderOfBytes
    if let old = counted.sender { context.requestBytes.add(-before, of: old) }
    if let sender { context.requestBytes.add(now, of: sender) }
    counted = CountedBytes(body: body, buffers: buffers, sender: sender)
    return now > before
  }

  /// Who sends what is counted; of a request that is being answered it is known already.
  private var senderOfBytes: RequestBytes.Sender {
    guard let sender = context.sender else { return .anybody }
    guard let request = pending?.exchange.request else { return counted.sender ?? .strangers(network) }
    if counted.body > 0, let known = counted.sender { return known }
    return switch sender(request) {
    case .stranger: .strangers(network)
    case .known(let name): .known(name)
    case .trusted: .anybody
    }
  }

  /// What is answered when more is held than may be. Strangers may have half of what all may have, and those of one
  /// network, like one known sender, an eighth: nobody without credentials keeps out those who have them, and nobody all
  /// the others.
  private func refusal(of use: RequestBytes.Use) -> HTTPError? {
    let limits = context.limits
    let isTooMuch = counted.body > Self.highWater && use.all > limits.unfinishedBodies
    switch counted.sender {
    case .known where use.own > limits.unfinishedBodiesOfOne:
      return HTTPError(
        .tooManyRequests, code: "too_many_bodies",
        "the requests of this caller that are being sent or answered hold more than \(limits.unfinishedBodiesOfOne) bytes",
        hint: "send the same request again in a moment", headers: ["Retry-After": "2"])
    case .strangers where use.own > limits.unfinishedBodiesOfOne || use.strangers > limits.unfinishedBodies / 2:
      return Self.tooManyBodies
    default: return isTooMuch ? Self.tooManyBodies : nil
    }
  }

  private static let tooManyBodies = HTTPError(
    .serviceUnavailable, code: "too_many_bodies", "too many large bodies are being sent to this service",
    hint: "send the same request again in a moment", headers: ["Retry-After": "2"])

  /// Whether the request under way, or one before it, comes from somebody who is known.
  var isOfKnownSender: Bool {
    if isKnown { return true }
    guard let request = pending?.exchange.request else { return false }
    return context.sender.map { $0(request) != .stranger } ?? false
  }

  /// Notes that a request was admitted, if it was.
  func noteAdmission(of request: Request.Storage) {
    guard !isKnown, request.notes.caller != nil else { return }
    isKnown = true
    context.networks.remove(network)
  }

  /// Lets go of what was held for the answer, once it is sent.
  func endLease() {
    if case .streaming = phase { return }
    lease = nil
  }
}
