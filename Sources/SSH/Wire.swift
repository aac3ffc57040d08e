import Dispatch
import Glibc

/// One TCP connection as libssh2 sees it, confined to the queue it was made on.
///
/// libssh2 must repeat a call whose packet went out only in part before it may make any other, which several
/// channels on one session cannot keep to. So whatever it sends is taken in full, kept here, and written when the
/// socket has room; who has much to send asks ``isCongested`` first.
final class Wire {
  /// Bytes received so far. When this has grown, something has arrived for somebody.
  private(set) var received: UInt64 = 0
  /// Set after the connection was closed or given up: reads find the end, writes vanish.
  private(set) var isClosed = false

  let descriptor: Int32
  private let reader: DispatchSourceRead
  private let writer: DispatchSourceWrite
  private var readerIsSuspended = true
  private var writerIsSuspended = true
  /// The socket was found empty since it was last reported readable; spares libssh2's many calls a system call each.
  private var isDrained = false
  private var outgoing: [UInt8] = []
  private var sent = 0

  /// Takes over a connected, non-blocking socket.
  init(descriptor: Int32, queue: DispatchQueue) {
    self.descriptor = descriptor
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
    reader.setEventHandler(handler: onReadable)
    writer.setEventHandler(handler: onWritable)
    watchReadable()
  }

  /// To be called when the socket was reported readable.
  func becameReadable() {
    isDrained = false
    // Acknowledge at once: a server that sends small packets waits for it (Nagle against delayed acknowledgement).
    // The kernel forgets this setting again and again.
    var on: Int32 = 1
    _ = setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_QUICKACK, &on, socklen_t(MemoryLayout<Int32>.size))
  }

  /// So much is waiting to be sent that nobody should add to it.
  var isCongested: Bool { outgoing.count - sent > 1 << 20 }

  /// Writes what the socket takes now; the rest follows when it has room.
  func flush() {
    guard !isClosed else { return }
    while sent < outgoing.count {
      let count = outgoing.withUnsafeBytes { bytes in
        Glibc.send(descriptor, bytes.baseAddress?.advanced(by: sent), bytes.count - sent, Int32(MSG_NOSIGNAL))
      }
      if count > 0 {
        sent += count
      } else if errno != EINTR {
        break  // Full, or broken: of the latter reading will tell.
      }
    }
    if sent == outgoing.count || sent > 1 << 20 {
      outgoing.removeFirst(sent)
      sent = 0
    }
    watchWritable(sent < outgoing.count)
  }

  func close() {
    guard !isClosed else { return }
    flush()
    isClosed = true
    outgoing = []
    // A source must not be released suspended, and a suspended one never runs its cancel handler.
    watchReadable()
    watchWritable(true)
    reader.cancel()
    writer.cancel()
  }

  private func watchReadable() {
    guard readerIsSuspended else { return }
    reader.resume()
    readerIsSuspended = false
  }

  private func watchWritable(_ wanted: Bool) {
    guard wanted == writerIsSuspended else { return }
    if wanted { writer.resume() } else { writer.suspend() }
    writerIsSuspended = !wanted
  }
}

// What libssh2 calls instead of recv(2) and send(2), with the wire as the session's `abstract`.
extension Wire {
  typealias Receive = @convention(c) (
    Int32, UnsafeMutableRawPointer?, Int, Int32, UnsafeMutablePointer<UnsafeMutableRawPointer?>?
  ) -> Int
  typealias Send = @convention(c) (
    Int32, UnsafeRawPointer?, Int, Int32, UnsafeMutablePointer<UnsafeMutableRawPointer?>?
  ) -> Int

  static let receive: Receive = { _, buffer, length, _, abstract in
    guard let wire = Wire.behind(abstract) else { return -Int(ECONNRESET) }
    return wire.receive(into: buffer, length)
  }

  static let send: Send = { _, buffer, length, _, abstract in
    guard let wire = Wire.behind(abstract) else { return -Int(ECONNRESET) }
    if !wire.isClosed { wire.outgoing.append(contentsOf: UnsafeRawBufferPointer(start: buffer, count: length)) }
    return length
  }

  private static func behind(_ abstract: UnsafeMutablePointer<UnsafeMutableRawPointer?>?) -> Wire? {
    guard let pointer = abstract?.pointee else { return nil }
    return Unmanaged<Wire>.fromOpaque(pointer).takeUnretainedValue()
  }

  private func receive(into buffer: UnsafeMutableRawPointer?, _ length: Int) -> Int {
    if isClosed { return 0 }
    if isDrained { return -Int(EAGAIN) }
    let count = Glibc.recv(descriptor, buffer, length, 0)
    if count > 0 { received += UInt64(count) }
    guard count < 0 else { return count }
    if errno == EAGAIN { isDrained = true }
    return -Int(errno)
  }
}
