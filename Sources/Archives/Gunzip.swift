import CZlib

/// Decompresses a gzip file (RFC 1952) while it is received, in constant memory.
final class Gunzip {
  /// zlib keeps its address.
  private let stream: UnsafeMutablePointer<z_stream>
  private let output = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)
  private var members = 0
  private var isInside = false

  init() throws(ArchiveFault) {
    stream = .allocate(capacity: 1)
    stream.initialize(to: z_stream())
    // 15 bits of window, and 16 more for gzip's header in place of zlib's.
    let size = Int32(MemoryLayout<z_stream>.size)
    guard inflateInit2_(stream, 15 + 16, ZLIB_VERSION, size) == Z_OK else { throw .damaged("zlib is out of memory") }
  }

  deinit {
    inflateEnd(stream)
    stream.deallocate()
    output.deallocate()
  }

  /// Hands on what comes out of the next bytes. A file may have several members, as those that were made in parallel.
  func take(
    _ input: UnsafeRawBufferPointer, _ onOutput: (UnsafeRawBufferPointer) throws(ArchiveFault) -> Void
  ) throws(ArchiveFault) {
    guard let start = input.bindMemory(to: UInt8.self).baseAddress else { return }
    // zlib only reads there.
    stream.pointee.next_in = UnsafeMutablePointer(mutating: start)
    stream.pointee.avail_in = UInt32(input.count)
    repeat {
      stream.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
      stream.pointee.avail_out = UInt32(output.count)
      if !isInside {
        guard stream.pointee.avail_in > 0 else { return }
        isInside = true
      }
      let result = inflate(stream, Z_NO_FLUSH)
      let count = output.count - Int(stream.pointee.avail_out)
      if count > 0 { try onOutput(UnsafeRawBufferPointer(rebasing: output[..<count])) }
      switch result {
      case Z_STREAM_END:
        members += 1
        isInside = false
        inflateReset(stream)
      case Z_OK, Z_BUF_ERROR: break
      default: throw fault
      }
    } while stream.pointee.avail_in > 0 || stream.pointee.avail_out == 0
  }

  private var fault: ArchiveFault {
    let words = stream.pointee.msg.map { String(cString: $0) } ?? "not gzip data"
    guard stream.pointee.total_out == 0, words.contains("header") else { return .damaged(words) }
    return members > 0 ? .trailingBytes : .notGzip
  }

  /// Whether it ended where a file may end.
  var isComplete: Bool { members > 0 && !isInside }
}
