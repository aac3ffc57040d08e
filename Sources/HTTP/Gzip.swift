import CZlib

/// The gzip content coding (RFC 9110 section 8.4.1.3), for answers that are worth it.
enum Gzip {
  /// Below this many bytes the answer fits a packet or two either way.
  static let smallest = 1024
  /// Above this many bytes compressing would hold up a loop's other connections for a millisecond or more.
  static let largestOnLoop = 65_536

  /// Whether the Accept-Encoding field takes gzip (RFC 9110 section 12.5.3).
  static func isAccepted(by acceptEncoding: String?) -> Bool {
    guard let acceptEncoding else { return false }
    var gzip: Bool?
    var any: Bool?
    for element in acceptEncoding.split(separator: ",") {
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

extension Response {
  /// Whether the body would be compressed for a client that takes gzip.
  var isCompressible: Bool {
    guard case .bytes(let bytes) = body, bytes.count >= Gzip.smallest, headers["Content-Encoding"] == nil else {
      return false
    }
    return Gzip.isWorthwhile(contentType: headers["Content-Type"])
  }

  /// The response with a compressed body. A strong ETag becomes a weak one: it names other bytes (RFC 9110 8.8.3).
  func compressed() -> Response {
    guard case .bytes(let bytes) = body, let zipped = Gzip.compress(bytes), zipped.count < bytes.count else {
      return self
    }
    var response = self
    response.body = .bytes(zipped)
    response.headers.set("Content-Encoding", "gzip")
    if let tag = headers["ETag"], !tag.hasPrefix("W/") { response.headers.set("ETag", "W/" + tag) }
    return response
  }
}
