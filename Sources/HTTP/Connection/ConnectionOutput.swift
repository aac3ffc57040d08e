import Glibc

/// What a client has still to take: the bytes that wait to be sent, and what is held until they are.
struct ConnectionOutput: ~Copyable {
  enum Progress {
    /// Everything is sent.
    case sent
    /// The client has to take some of it until then.
    case blocked(until: Nanoseconds)
    /// The connection is broken.
    case failed
  }

  private var buffer = OutputBuffer()
  /// See ``Response/lease``.
  private var lease: (any AnyObject & Sendable)?
  /// When a client that does not take its answer is cut off; `.max` when nothing waits to be written.
  private var stallDeadline = Nanoseconds.max

  /// With this much unsent no more of a streamed body is asked for.
  private static let highWater = 65_536
  /// With this much unsent no further request is answered.
  private static let answersAhead = 16_384

  init() {}

  var isEmpty: Bool { buffer.isEmpty }
  /// The bytes not sent yet.
  var count: Int { buffer.count }
  /// Whether more of a streamed body is welcome.
  var wantsMore: Bool { buffer.count < Self.highWater }
  /// Whether so much is unsent that no further request is answered.
  var isFarAhead: Bool { buffer.count > Self.answersAhead }
  /// How many of the bytes count toward the limit of all connections. A long answer counts where its lease was given.
  var countedBytes: Int { lease == nil ? min(buffer.count, Self.highWater) : 0 }

  /// Appends what `write` does.
  /// - Returns: what `write` returns, and how many bytes it has appended.
  mutating func append<Result, Failure>(
    _ write: (inout OutputBuffer) throws(Failure) -> Result
  ) throws(Failure) -> (result: Result, bytes: Int) {
    let before = buffer.count
    let result = try write(&buffer)
    return (result, buffer.count - before)
  }

  /// Appends a response's head and, unless it is a stream, its body, and holds its lease.
  /// - Parameter memory: where the memory for it comes from.
  /// - Returns: how the stream of the body ends, nil when there is nothing more to write; and how many bytes it takes so
  ///   far.
  mutating func append(
    _ response: borrowing Response, id: RequestID, framing: ResponseFraming, date: [UInt8], memory: OutputMemory
  ) -> (end: ResponseFraming.StreamEnd?, bytes: Int) {
    if buffer.capacity == 0 { memory.lend(to: &buffer) }
    if let given = response.lease { lease = given }
    let before = buffer.count
    let end = buffer.append(response, id: id, framing: framing, date: date)
    return (end, buffer.count - before)
  }

  /// Sends what the client takes. Each byte that it takes prolongs its time by what ``Timeouts`` says.
  mutating func flush(to fd: Int32, _ timeouts: Timeouts) -> Progress {
    var taken = 0
    while !buffer.isEmpty {
      let count = buffer.send(to: fd)
      guard count > 0 else {
        if errno == EINTR { continue }
        guard errno == EAGAIN else { return .failed }
        stallDeadline = timeouts.prolonged(stallDeadline, by: taken, atMost: timeouts.writeStall)
        return .blocked(until: stallDeadline)
      }
      taken += count
    }
    stallDeadline = .max
    return .sent
  }

  /// Gives the memory of an empty buffer back.
  mutating func release(to memory: OutputMemory) {
    if buffer.capacity > 0 { memory.take(from: &buffer) }
  }

  /// Lets go of what was held for the answer, once it is sent.
  mutating func endLease() {
    if lease != nil { lease = nil }
  }

  /// Forgets everything.
  mutating func clear() {
    buffer = OutputBuffer()
    lease = nil
  }
}

/// Memory for whichever connection of a loop has something to write. Confined to the loop.
final class OutputMemory {
  @exclusivity(unchecked) private var spare = OutputBuffer()

  /// Buffers with more than this are not kept, in bytes.
  private static let longest = 262_144

  /// Gives memory to a buffer that has none.
  func lend(to buffer: inout OutputBuffer) { swap(&buffer, &spare) }

  /// Takes the memory of a buffer that is empty.
  func take(from buffer: inout OutputBuffer) {
    if buffer.capacity <= Self.longest, buffer.capacity > spare.capacity { swap(&buffer, &spare) }
    if buffer.capacity > 0 { buffer = OutputBuffer() }
  }
}
