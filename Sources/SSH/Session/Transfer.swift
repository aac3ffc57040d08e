/// One transfer on its own SFTP channel: requests that are under way, and replies, which are taken in the order of the
/// requests whatever order they come in.
struct Transfer {
  /// The length of a data packet that every server takes.
  static let chunk = 32 << 10
  /// Packets in flight at once.
  static let window = 64

  let channel: Session.Channel
  let path: String
  let deadline: ContinuousClock.Instant

  /// What is yet to be sent.
  private(set) var outbound: [UInt8] = []
  private var inbound: [UInt8] = []
  private var replies: [UInt32: SFTP.Reply] = [:]
  /// Of the request whose reply is taken next, and of the next request; the greeting counts as number 0.
  private var oldest: UInt32 = 0
  private var next: UInt32 = 0
  private var last: SFTP.Reply = .unknown

  init(channel: Session.Channel, path: String, deadline: ContinuousClock.Instant) {
    self.channel = channel
    self.path = path
    self.deadline = deadline
  }

  /// Requests whose reply was not taken.
  var pending: Int { Int(next &- oldest) }

  /// What to say when the last reply was not the one hoped for.
  var failure: Interruption { .file(path: path, reason: last.reason) }

  func expectSuccess(_ reply: SFTP.Reply) throws(Interruption) {
    guard case .status(SFTP.Reply.ok, _) = reply else { throw .file(path: path, reason: reply.reason) }
  }

  // MARK: Requests

  mutating func greet() {
    outbound += SFTP.hello
    next &+= 1
  }

  mutating func send(_ request: SFTP.Request) {
    request.append(to: &outbound, id: next)
    next &+= 1
  }

  mutating func sent(_ count: Int) { outbound.removeFirst(count) }

  /// Lets go of all requests; their replies will be ignored.
  mutating func forget() {
    oldest = next
    replies = [:]
  }

  // MARK: Replies

  mutating func nextReply() -> SFTP.Reply? {
    guard let reply = replies.removeValue(forKey: oldest) else { return nil }
    oldest &+= 1
    last = reply
    return reply
  }

  /// The data of all read requests whose turn it is, and whether the end of the file was met.
  mutating func nextOutput() throws(Interruption) -> (output: [UInt8], isAtEnd: Bool) {
    var output: [UInt8] = []
    while let reply = nextReply() {
      switch reply {
      case .data(let data):
        output += data
        // After a short piece the following ones are not where they should be.
        if data.count != Self.chunk {
          forget()
          return (output, false)
        }
      case .status(SFTP.Reply.endOfFile, _):
        return (output, true)
      case .version, .handle, .status, .unknown:
        throw failure
      }
    }
    return (output, false)
  }

  /// Received bytes of an incomplete packet; to be given back with those that have arrived since.
  mutating func takeInbound() -> [UInt8] {
    defer { inbound = [] }
    return inbound
  }

  mutating func receive(_ bytes: [UInt8]) throws(Interruption) {
    var rest = bytes[...]
    while rest.count >= 4 {
      var reader = WireReader(rest.prefix(4))
      let length = Int(reader.uint32() ?? 0)
      guard length <= SFTP.longestPacket else {
        throw .file(
          path: path, reason: "the server's answer is not SFTP; the usual cause is a login file that prints something")
      }
      guard rest.count >= 4 + length else { break }
      let (id, reply) = SFTP.Reply.decode(rest.dropFirst(4).prefix(length))
      if id &- oldest < next &- oldest { replies[id] = reply }
      rest = rest.dropFirst(4 + length)
    }
    inbound = Array(rest)
  }
}
