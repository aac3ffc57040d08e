import CZlib

/// The gzip content coding (RFC 9110 section 8.4.1.3), for answers that are worth it.
enum Gzip {
  /// Below this many bytes the answer fits a packet or two either way.
  static let smallest = 1024
  /// Above this many bytes compressing would hold up a loop's other connections for a millisecond or more.
  static let largestOnLoop = 65_536

  /// Whether the list that the Accept-Encoding fields make takes gzip (RFC 9110 section 12.5.3).
  static func isAccepted(by fields: [String]) -> Bool {
    var gzip: Bool?
    var any: Bool?
    // A list of codings is short; of a longer one the rest says nothing.
    for element in fields.flatMap({ $0.split(separator: ",", maxSplits: 32) }).prefix(32) {
      let coding = MediaType(String(element))
      let isWanted = (coding.parameters["q"].map { Double($0) ?? 0 } ?? 1) > 0
      if coding.name == "gzip" || coding.name == "x-gzip" { gzip = isWanted }
      if coding.name == "*" { any = isWanted }
    }
    return gzip ?? any ?? false
  }

  /// Whether a body of that type shrinks.
  static func isWorthwhile(contentType: String?) -> Bool {
    guard let contentType else { return false }
    let name = MediaType(contentType).name
    return name.hasPrefix("text/") || name.hasSuffix("+json")
      || ["application/json", "application/javascript", "application/yaml", "image/svg+xml"].contains(name)
  }

  /// `bytes` as a gzip file; nil when zlib has no memory.
  static func compress(_ bytes: [UInt8]) -> [UInt8]? {
    guard bytes.count < Int(UInt32.max) / 2 else { return nil }
    var stream = z_stream()
    // 15 bits of window, and 16 more for gzip's header in place of zlib's; memory level 8 is zlib's own default.
    let version = ZLIB_VERSION
    let size = Int32(MemoryLayout<z_stream>.size)
    guard deflateInit2_(&stream, 5, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, version, size) == Z_OK else {
      return nil
    }
    defer { deflateEnd(&stream) }
    var input = bytes
    return input.withUnsafeMutableBufferPointer { input in
      let bound = Int(deflateBound(&stream, UInt(input.count)))
      var isComplete = false
      let output = [UInt8](unsafeUninitializedCapacity: bound) { output, count in
        stream.next_in = input.baseAddress
        stream.avail_in = UInt32(input.count)
        stream.next_out = output.baseAddress
        stream.avail_out = UInt32(bound)
        isComplete = deflate(&stream, Z_FINISH) == Z_STREAM_END
        count = bound - Int(stream.avail_out)
      }
      return isComplete ? output : nil
    }
  }
}

/// A gzip file that is made as its contents come. Used by one task, one call after the other.
final class GzipStream: @unchecked Sendable {
  /// zlib keeps its address.
  private let stream: UnsafeMutablePointer<z_stream>

  /// Nil when zlib has no memory.
  init?() {
    stream = .allocate(capacity: 1)
    stream.initialize(to: z_stream())
    let size = Int32(MemoryLayout<z_stream>.size)
    guard deflateInit2_(stream, 5, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, size) == Z_OK else {
      stream.deallocate()
      return nil
    }
  }

  deinit {
    deflateEnd(stream)
    stream.deallocate()
  }

  /// What comes out for the next bytes; it may be nothing yet.
  func take(_ bytes: [UInt8], isLast: Bool = false) -> [UInt8] {
    var input = bytes
    var output: [UInt8] = []
    input.withUnsafeMutableBufferPointer { input in
      stream.pointee.next_in = input.baseAddress
      stream.pointee.avail_in = UInt32(input.count)
      repeat {
        let room = 32_768
        output += [UInt8](unsafeUninitializedCapacity: room) { piece, count in
          stream.pointee.next_out = piece.baseAddress
          stream.pointee.avail_out = UInt32(room)
          _ = deflate(stream, isLast ? Z_FINISH : Z_NO_FLUSH)
          count = room - Int(stream.pointee.avail_out)
        }
      } while stream.pointee.avail_out == 0
      stream.pointee.next_in = nil
    }
    return output
  }
}

extension Response {
  /// Whether the body would be compressed for a client that takes gzip.
  var isCompressible: Bool {
    let length =
      switch body {
      case .bytes(let bytes): bytes.count
      case .stream(let length, _): length ?? 0
      }
    guard length >= Gzip.smallest, headers["Content-Encoding"] == nil else { return false }
    return Gzip.isWorthwhile(contentType: headers["Content-Type"])
  }

  /// The response with a compressed body. One that is streamed has no length then.
  func compressed() -> Response {
    switch body {
    case .bytes(let bytes): return replacingBody(zipped: Gzip.compress(bytes))
    case .stream(_, let produce):
      guard let gzip = GzipStream() else { return self }
      var response = encoded
      response.body = .stream(length: nil) { writer in
        let compressing = BodyWriter(
          send: { bytes in
            let zipped = gzip.take(bytes)
            if !zipped.isEmpty { try await writer.write(zipped) }
          }, notify: writer.notify)
        try await produce(compressing)
        try await writer.write(gzip.take([], isLast: true))
      }
      return response
    }
  }

  /// With the fields that go with a compressed body. A strong ETag becomes a weak one: it names other bytes (RFC 9110
  /// section 8.8.3).
  private var encoded: Response {
    var response = self
    response.headers.set("Content-Encoding", "gzip")
    if let tag = headers["ETag"], !tag.hasPrefix("W/") { response.headers.set("ETag", "W/" + tag) }
    return response
  }

  /// The response with this for its body, if it is shorter.
  func replacingBody(zipped: [UInt8]?) -> Response {
    guard let zipped, case .bytes(let bytes) = body, zipped.count < bytes.count else { return self }
    var response = encoded
    response.body = .bytes(zipped)
    return response
  }
}

/// The compressed forms of the bodies that were asked for last, so that an answer that is sent again and again is
/// compressed once. Confined to a loop.
///
/// A body is known again by where it lies: nobody can change an array in its place while this holds it too.
final class ZippedBodies {
  private var kept: [(plain: [UInt8], zipped: [UInt8])] = []

  private static let limit = 4
  /// Bytes of a body that are kept at most.
  private static let longest = 1_048_576

  subscript(plain: [UInt8]) -> [UInt8]? {
    get {
      guard let index = kept.firstIndex(where: { Self.isSame($0.plain, plain) }) else { return nil }
      // The ones used last are at the end.
      if index < kept.count - 1 { kept.append(kept.remove(at: index)) }
      return kept.last?.zipped
    }
    set {
      guard let newValue, plain.count <= Self.longest else { return }
      if kept.count >= Self.limit { kept.removeFirst() }
      kept.append((plain, newValue))
    }
  }

  private static func isSame(_ one: [UInt8], _ other: [UInt8]) -> Bool {
    one.withUnsafeBytes { one in
      other.withUnsafeBytes { other in one.baseAddress == other.baseAddress && one.count == other.count }
    }
  }
}
