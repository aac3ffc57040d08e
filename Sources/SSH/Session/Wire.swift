import Dispatch
import Glibc

/// One TCP connection as libssh2 sees it, confined to the queue it was made on: bytes come in here and are kept until
/// libssh2 asks for them, and what libssh2 sends is kept here until the socket has room.
///
/// libssh2 must repeat a call whose packet went out only in part before it may make any other, which several channels
/// on one session cannot keep to; so what it sends is taken in full, and who has much to send asks ``isCongested``
/// first. And libssh2 looks for bytes in every call; so they are fetched once per event, not by each of its many calls.
final class Wire {
  /// Bytes received so far: the sign that the server lives.
  private(set) var received: UInt64 = 0
  /// Set after the connection was closed or given up: reads find the end, writes vanish.
  private(set) var isClosed = false

  /// Nothing more will come from the server.
  private(set) var isAtEnd = false

  let descriptor: Int32
  private let reader: any DispatchSourceRead
  private let writer: any DispatchSourceWrite
  private let queue: DispatchQueue
  private var onReadable: (@Sendable () -> Void)?
  private var readerIsSuspended = true
  private var writerIsSuspended = true
  private var incoming = Backlog()
  private var outgoing = Backlog()

  /// Takes over a connected, non-blocking socket.
  init(descriptor: Int32, queue: DispatchQueue) {
    self.descriptor = descriptor
    self.queue = queue
    reader = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: queue)
    writer = DispatchSource.makeWriteSource(fileDescriptor: descriptor, queue: queue)
    // The descriptor's number must not be used again before both sources have let go of it.
    let sources = DispatchGroup()
    for source in [reader, writer] as [any DispatchSourceProtocol] {
      sources.enter()
      source.setCancelHandler { @Sendable in sources.leave() }
    }
    sources.notify(queue: queue) { @Sendable in _ = Glibc.close(descriptor) }
  }

  deinit { close() }

  /// Begins to call the handlers, on the queue.
  func activate(onReadable: @escaping @Sendable () -> Void, onWritable: @escaping @Sendable () -> Void) {
    self.onReadable = onReadable
    reader.setEventHandler(handler: onReadable)
    writer.setEventHandler(handler: onWritable)
    watchReadable(true)
  }

  /// To be called when the socket was reported readable: takes in what has come.
  func becameReadable() {
    guard !isClosed else { return }
    // Acknowledge at once: a server that sends small packets waits for it (Nagle against delayed acknowledgement).
    // The kernel forgets this setting again and again.
    guard !isClosed, !isAtEnd else { return }
    var on: Int32 = 1
    _ = setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_QUICKACK, &on, socklen_t(MemoryLayout<Int32>.size))
    defer { watchReadable(incoming.count < 1 << 20) }
    // Until nothing is left: a socket that was reset Dispatch reports once and never again, whatever is left to be read.
    var next: UInt8 = 0
    repeat {
      let count = incoming.fill(upTo: 256 << 10) { room in receive(room.baseAddress, room.count, 0) }
      received += UInt64(max(0, count))
      if !isAtEnd, incoming.count >= 1 << 20 { break }
    } while !isAtEnd && receive(&next, 1, Int32(MSG_PEEK)) > 0
    if isAtEnd { reader.cancel() }
  }

  /// - Returns: how many bytes there were; 0 at the end, and while there are none.
  private func receive(_ buffer: UnsafeMutableRawPointer?, _ room: Int, _ flags: Int32) -> Int {
    while true {
      let count = Glibc.recv(descriptor, buffer, room, flags)
      if count < 0, errno == EINTR { continue }
      if count == 0 || count < 0 && errno != EAGAIN { isAtEnd = true }
      return max(0, count)
    }
  }

  /// Everything that was received and not asked for yet.
  func takeReceived() -> [UInt8] {
    defer { watchReadable(true) }
    return incoming.takeAll()
  }

  /// Adds to what is to be sent.
  func append(_ bytes: UnsafeRawBufferPointer) { if !isClosed { outgoing.append(bytes) } }

  /// So much is waiting to be sent that nobody should add to it.
  var isCongested: Bool { outgoing.count > 1 << 20 }

  /// Nothing is waiting to be sent.
  var isFlushed: Bool { outgoing.count == 0 }

  /// Sends what the socket takes now; the rest follows when it has room. Also to be called when the socket was
  /// reported writable.
  func flush() {
    guard !isClosed else { return }
    while outgoing.count > 0 {
      let count = outgoing.drain { bytes in
        let count = Glibc.send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
        return count < 0 ? -Int(errno) : count
      }
      // Full, or broken: of the latter reading will tell.
      if count < 0 && count != -Int(EINTR) { break }
    }
    watchWritable(outgoing.count > 0)
  }

  func close() {
    guard !isClosed else { return }
    flush()  // The goodbye, if it fits.
    isClosed = true
    outgoing = Backlog()
    incoming = Backlog()
    // A source must not be released suspended, and a suspended one never runs its cancel handler.
    watchReadable(true)
    watchWritable(true)
    reader.cancel()
    writer.cancel()
  }

  // Noted before it is done: the first time this is not on the queue, where the event of a connection that is over at
  // once may come before the call returns, and close the wire. Resuming twice ends the program.
  private func watchReadable(_ wanted: Bool) {
    guard wanted == readerIsSuspended else { return }
    readerIsSuspended = !wanted
    guard wanted else { return reader.suspend() }
    reader.resume()
    // What was reported meanwhile may be reported no more.
    if let onReadable, !isClosed { queue.async(execute: onReadable) }
  }

  private func watchWritable(_ wanted: Bool) {
    guard wanted == writerIsSuspended else { return }
    writerIsSuspended = !wanted
    if wanted { writer.resume() } else { writer.suspend() }
  }
}

// What libssh2 calls instead of recv(2) and send(2), with the wire as the session's `abstract`.
extension Wire {
  typealias Receive =
    @convention(c) (
      Int32, UnsafeMutableRawPointer?, Int, Int32, UnsafeMutablePointer<UnsafeMutableRawPointer?>?
    ) -> Int
  typealias Send =
    @convention(c) (
      Int32, UnsafeRawPointer?, Int, Int32, UnsafeMutablePointer<UnsafeMutableRawPointer?>?
    ) -> Int

  static let receive: Receive = { _, buffer, length, _, abstract in
    guard let wire = Wire.behind(abstract), !wire.isClosed else { return 0 }
    defer { wire.watchReadable(wire.incoming.count < 1 << 20) }
    if wire.incoming.count == 0 { return wire.isAtEnd ? 0 : -Int(EAGAIN) }
    return wire.incoming.drain { bytes in
      let count = min(bytes.count, length)
      if let start = bytes.baseAddress { buffer?.copyMemory(from: start, byteCount: count) }
      return count
    }
  }

  static let send: Send = { _, buffer, length, _, abstract in
    guard let wire = Wire.behind(abstract) else { return -Int(ECONNRESET) }
    if !wire.isClosed { wire.outgoing.append(UnsafeRawBufferPointer(start: buffer, count: length)) }
    return length
  }

  private static func behind(_ abstract: UnsafeMutablePointer<UnsafeMutableRawPointer?>?) -> Wire? {
    guard let pointer = abstract?.pointee else { return nil }
    return Unmanaged<Wire>.fromOpaque(pointer).takeUnretainedValue()
  }
}

/// Bytes that come in at one end and go out at the other.
private struct Backlog {
  private var bytes: [UInt8] = []
  private var gone = 0

  var count: Int { bytes.count - gone }

  mutating func append(_ more: UnsafeRawBufferPointer) { bytes.append(contentsOf: more) }

  /// Lets `source` write into free space. It returns how many bytes that were, or a negative number for an error.
  mutating func fill(upTo room: Int, _ source: (UnsafeMutableRawBufferPointer) -> Int) -> Int {
    var result = 0
    let more = [UInt8](unsafeUninitializedCapacity: room) { buffer, initialized in
      result = source(UnsafeMutableRawBufferPointer(buffer))
      initialized = max(0, result)
    }
    if bytes.isEmpty { bytes = more } else { bytes += more }
    return result
  }

  mutating func takeAll() -> [UInt8] {
    defer { (bytes, gone) = ([], 0) }
    return gone == 0 ? bytes : Array(bytes[gone...])
  }

  /// Lets `sink` take bytes from the front. It returns how many it took, or a negative number for an error.
  mutating func drain(_ sink: (UnsafeRawBufferPointer) -> Int) -> Int {
    let count = bytes.withUnsafeBytes { sink(UnsafeRawBufferPointer(rebasing: $0[gone...])) }
    gone += max(0, count)
    // Moving what remains to the front costs no more than what has gone, all in all.
    if gone * 2 >= bytes.count {
      bytes.removeFirst(gone)
      gone = 0
    }
    return count
  }
}
