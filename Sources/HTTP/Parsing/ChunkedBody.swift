/// The chunked transfer coding (RFC 9112 section 7.1), undone.
struct ChunkedBody {
  private enum State {
    case size
    case data(remaining: Int)
    case dataEnd
    case trailers(count: Int, room: Int)
  }

  private let limit: Int
  private let limits: Limits
  private var state = State.size
  /// Bytes of chunk sizes and extensions beyond what the data justifies: a body of tiny chunks with long extensions
  /// would have a server read without end for nothing.
  private var overhead = 0

  /// The longest line of a chunk size with its extensions.
  private static let lineLimit = 1024
  private static let overheadLimit = 16_384

  /// - Parameter limit: the most bytes the body may have.
  init(limit: Int, limits: Limits) {
    self.limit = limit
    self.limits = limits
  }

  /// Consumes what it can of `window`, appending the data to `body`.
  /// - Returns: whether the body is complete.
  mutating func advance(
    _ window: UnsafeRawBufferPointer, _ offset: inout Int, scanned: inout Int, into body: inout [UInt8]
  ) throws(HTTPError) -> Bool {
    while true {
      switch state {
      case .size:
        guard
          let line = try Line.next(
            in: window, from: &offset, scanned: &scanned, limit: Self.lineLimit,
            tooLong: .badRequest("a chunk's size line is too long"))
        else { return false }
        let size = try Self.size(line)
        guard size <= limit - body.count else { throw .contentTooLarge }
        overhead = max(0, overhead + line.count - 16 - size)
        guard overhead <= Self.overheadLimit else { throw .badRequest("more chunk extensions than data") }
        state = size == 0 ? .trailers(count: 0, room: limits.headerBytes) : .data(remaining: size)
      case .data(let remaining):
        let taken = min(remaining, window.count - offset)
        body.append(contentsOf: window.slice(offset..<(offset + taken)))
        offset += taken
        guard taken == remaining else {
          state = .data(remaining: remaining - taken)
          return false
        }
        state = .dataEnd
      case .dataEnd:
        if offset < window.count, window[offset] != Byte.carriageReturn { throw Self.badEnd }
        guard window.count - offset >= 2 else { return false }
        guard window[offset + 1] == Byte.lineFeed else { throw Self.badEnd }
        offset += 2
        state = .size
      case .trailers(let count, let room):
        guard
          let line = try Line.next(
            in: window, from: &offset, scanned: &scanned, limit: max(0, room - 2), tooLong: .headersTooLarge)
        else { return false }
        if line.isEmpty { return true }
        guard count < limits.headerCount else { throw .headersTooLarge }
        // Checked and dropped: no trailer has a meaning here (RFC 9110 section 6.5.1).
        _ = try HeadBuilder.field(line)
        state = .trailers(count: count + 1, room: room - line.count - 2)
      }
    }
  }

  private static let badEnd = HTTPError.badRequest("a chunk is longer than its size says")

  /// `1a;name=value`: hexadecimal digits, then extensions, which nobody uses and which are ignored.
  private static func size(_ line: UnsafeRawBufferPointer) throws(HTTPError) -> Int {
    let digits = line.prefix { $0.hexValue != nil }
    // 15 digits cannot overflow.
    guard (1...15).contains(digits.count) else { throw .badRequest("a chunk's size is not a hexadecimal number") }
    guard ChunkExtensions.areValid(line.slice(digits.count..<line.count)) else {
      throw .badRequest("a chunk's extensions are malformed")
    }
    return digits.reduce(0) { $0 << 4 | Int($1.hexValue ?? 0) }
  }
}

/// `;name=value;name="value"`, with blanks where RFC 9112 section 7.1.1 has them.
private struct ChunkExtensions {
  private let bytes: UnsafeRawBufferPointer
  private var index = 0

  static func areValid(_ bytes: UnsafeRawBufferPointer) -> Bool {
    var extensions = ChunkExtensions(bytes: bytes)
    while extensions.index < bytes.count {
      guard extensions.skipOne() else { return false }
    }
    return true
  }

  private init(bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  private mutating func skipOne() -> Bool {
    guard skip(Byte.semicolon), skipToken() else { return false }
    guard skip(Byte.equals) else { return true }
    return skip(Byte.quote) ? skipQuoted() : skipToken()
  }

  /// Skips `byte` and the blanks around it, or nothing.
  private mutating func skip(_ byte: UInt8) -> Bool {
    var next = index
    while next < bytes.count, bytes[next].isBlank { next += 1 }
    guard next < bytes.count, bytes[next] == byte else { return false }
    next += 1
    // What follows a quote belongs to the text.
    while byte != Byte.quote, next < bytes.count, bytes[next].isBlank { next += 1 }
    index = next
    return true
  }

  private mutating func skipToken() -> Bool {
    let start = index
    while index < bytes.count, bytes[index].isTokenByte { index += 1 }
    return index > start
  }

  /// The rest of a quoted text; that it has no control byte was not looked at before.
  private mutating func skipQuoted() -> Bool {
    while index < bytes.count, bytes[index].isFieldByte {
      if bytes[index] == Byte.quote {
        index += 1
        return true
      }
      if bytes[index] == Byte.backslash { index += 1 }
      guard index < bytes.count, bytes[index].isFieldByte else { return false }
      index += 1
    }
    return false
  }
}
