import CEpoll
import Glibc

/// Bytes that wait to be sent.
///
/// Small things are copied together, so that a call of the system takes many of them; a long body is referred to where
/// it lies.
struct OutputBuffer: ~Copyable {
  /// A body that was not copied, and where in the stream it belongs: before the copied byte of that offset.
  private struct Body {
    var offset: Int
    var bytes: [UInt8]
  }

  private var memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)
  private var start = 0
  private var end = 0
  private var bodies: [Body] = []
  private var bodyBytes = 0
  /// How much of the first of the bodies is sent.
  private var bodyStart = 0

  /// From so many bytes on a body is not copied.
  private static let longBody = 8192
  private static let smallest = 4096
  private static let vectors = 8

  init() {}
  deinit { memory.deallocate() }

  var isEmpty: Bool { start == end && bodies.isEmpty }
  /// The bytes not sent yet.
  var count: Int { end - start + bodyBytes }
  /// The bytes of memory owned.
  var capacity: Int { memory.count }

  /// Calls `body` with room for at least `count` bytes; it returns how many it has written.
  @inline(__always)
  mutating func append(atMost count: Int, _ body: (UnsafeMutableRawPointer) -> Int) {
    if memory.count - end < count { makeRoom(count) }
    guard let base = memory.baseAddress else { return }
    end += body(base + end)
  }

  mutating func append(_ bytes: UnsafeRawBufferPointer) {
    guard let source = bytes.baseAddress else { return }
    append(atMost: bytes.count) { room in
      memcpy(room, source, bytes.count)
      return bytes.count
    }
  }

  mutating func append(_ text: StaticString) {
    append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  mutating func append(body bytes: [UInt8]) {
    if bytes.count < Self.longBody { return bytes.withUnsafeBytes { append($0) } }
    bodies.append(Body(offset: end, bytes: bytes))
    bodyBytes += bytes.count
  }

  private mutating func makeRoom(_ count: Int) {
    let used = end - start
    var capacity = max(memory.count, Self.smallest)
    while capacity - used < count { capacity *= 2 }
    let moved = capacity == memory.count ? memory : .allocate(byteCount: capacity, alignment: 16)
    if used > 0, let source = memory.baseAddress, let target = moved.baseAddress {
      memmove(target, source + start, used)
    }
    if moved.baseAddress != memory.baseAddress { memory.deallocate() }
    memory = moved
    for index in bodies.indices { bodies[index].offset -= start }
    end = used
    start = 0
  }

  /// Forgets everything, and keeps the memory.
  mutating func removeAll() {
    start = 0
    end = 0
    bodyStart = 0
    if !bodies.isEmpty { bodies = [] }
    bodyBytes = 0
  }

  /// Sends what the socket takes.
  /// - Returns: how many bytes it took; negative with errno set, as `send` does it.
  mutating func send(to fd: Int32) -> Int {
    guard !bodies.isEmpty else {
      guard let base = memory.baseAddress else { return 0 }
      let sent = Glibc.send(fd, base + start, end - start, Int32(MSG_NOSIGNAL))
      if sent > 0 { start += sent }
      if start == end { removeAll() }
      return sent
    }
    let sent = sendVectors(to: fd)
    if sent > 0 { drop(sent) }
    return sent
  }

  private borrowing func sendVectors(to fd: Int32) -> Int {
    withUnsafeTemporaryAllocation(of: iovec.self, capacity: Self.vectors) { vectors in
      var used = 0
      var from = start
      func add(_ base: UnsafeRawPointer?, _ count: Int) {
        guard let base, count > 0, used < vectors.count else { return }
        vectors[used] = iovec(iov_base: UnsafeMutableRawPointer(mutating: base), iov_len: count)
        used += 1
      }
      let base = UnsafeRawPointer(memory.baseAddress)
      for (index, body) in bodies.prefix(vectors.count / 2).enumerated() {
        add(base.map { $0 + from }, body.offset - from)
        from = body.offset
        let skipped = index == 0 ? bodyStart : 0
        // The array is held by `bodies` for as long as the pointer is used.
        body.bytes.withUnsafeBytes { add($0.baseAddress.map { $0 + skipped }, $0.count - skipped) }
      }
      if bodies.count <= vectors.count / 2 { add(base.map { $0 + from }, end - from) }
      var message = msghdr()
      message.msg_iov = vectors.baseAddress
      message.msg_iovlen = used
      return sendmsg(fd, &message, Int32(MSG_NOSIGNAL))
    }
  }

  /// Forgets the first `count` bytes, which are sent.
  private mutating func drop(_ count: Int) {
    var rest = count
    while rest > 0 {
      let copied = min(rest, (bodies.first?.offset ?? end) - start)
      start += copied
      rest -= copied
      guard let body = bodies.first, start == body.offset else { break }
      let taken = min(rest, body.bytes.count - bodyStart)
      bodyStart += taken
      bodyBytes -= taken
      rest -= taken
      if bodyStart < body.bytes.count { break }
      bodies.removeFirst()
      bodyStart = 0
    }
    if isEmpty { removeAll() }
  }
}
