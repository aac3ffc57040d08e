/// The packets of SFTP version 3, as OpenSSH speaks it (draft-ietf-secsh-filexfer-02, and OpenSSH's PROTOCOL,
/// section 4).
enum SFTP {
  enum Request {
    case open(path: String, flags: UInt32, mode: UInt32?)
    case close(handle: [UInt8])
    case read(handle: [UInt8], offset: UInt64, length: UInt32)
    case write(handle: [UInt8], offset: UInt64, data: ArraySlice<UInt8>)
    case setMode(handle: [UInt8], mode: UInt32)
    case remove(path: String)
    /// Fails if the new name exists.
    case rename(from: String, to: String)
    /// Replaces the new name in one step; an extension.
    case replace(from: String, to: String)

    static let readOnly: UInt32 = 0x01
    /// Write, create, fail if it exists.
    static let createNew: UInt32 = 0x02 | 0x08 | 0x20

    /// Adds the packet to those that are to be sent.
    func append(to packets: inout [UInt8], id: UInt32) {
      let start = packets.count
      var body = WireWriter(after: packets)
      packets = []  // Or it would be copied.
      body.uint32(0)
      switch self {
      case .open(let path, let flags, let mode):
        body.header(3, id)
        body.string(path)
        body.uint32(flags)
        body.attributes(mode: mode)
      case .close(let handle):
        body.header(4, id)
        body.string(handle)
      case .read(let handle, let offset, let length):
        body.header(5, id)
        body.string(handle)
        body.uint64(offset)
        body.uint32(length)
      case .write(let handle, let offset, let data):
        body.header(6, id)
        body.string(handle)
        body.uint64(offset)
        body.string(data)
      case .setMode(let handle, let mode):
        body.header(10, id)
        body.string(handle)
        body.attributes(mode: mode)
      case .remove(let path):
        body.header(13, id)
        body.string(path)
      case .rename(let old, let new):
        body.header(18, id)
        body.string(old)
        body.string(new)
      case .replace(let old, let new):
        body.header(200, id)
        body.string("posix-rename@openssh.com")
        body.string(old)
        body.string(new)
      }
      packets = body.bytes
      let length = UInt32(clamping: packets.count - start - 4)
      withUnsafeBytes(of: length.bigEndian) { packets.replaceSubrange(start..<start + 4, with: $0) }
    }
  }

  enum Reply {
    case version
    case status(code: UInt32, message: String)
    case handle([UInt8])
    case data([UInt8])
    case unknown

    static let ok: UInt32 = 0
    static let endOfFile: UInt32 = 1
    static let unsupported: UInt32 = 8

    /// The reply in a packet, and the id of the request that it answers; the server's hello has none and counts as 0.
    static func decode(_ packet: ArraySlice<UInt8>) -> (id: UInt32, reply: Reply) {
      var reader = WireReader(packet)
      guard let type = reader.byte(), type != 2 else { return (0, .version) }
      guard let id = reader.uint32() else { return (0, .unknown) }
      switch type {
      case 101:
        guard let code = reader.uint32() else { break }
        return (id, .status(code: code, message: String(decoding: reader.string() ?? [], as: UTF8.self)))
      case 102: if let handle = reader.string() { return (id, .handle(handle)) }
      case 103: if let data = reader.string() { return (id, .data(data)) }
      default: break
      }
      return (id, .unknown)
    }

    /// Why this is not the reply that was hoped for.
    var reason: String {
      switch self {
      case .status(2, _): "no such file or directory"
      case .status(3, _): "permission denied"
      case .status(8, _): "the server does not support this"
      case .status(let code, let message): "the server says \"\(message)\" (status \(code))"
      case .version, .handle, .data, .unknown: "the server sent an unexpected answer"
      }
    }
  }

  /// Asks for version 3 of the protocol.
  static let hello: [UInt8] = framed([1, 0, 0, 0, 3])

  /// OpenSSH refuses longer packets, and sends none.
  static let longestPacket = 256 << 10

  static func framed(_ body: [UInt8]) -> [UInt8] {
    var frame = WireWriter()
    frame.string(body)
    return frame.bytes
  }
}

extension WireWriter {
  fileprivate mutating func header(_ type: UInt8, _ id: UInt32) {
    byte(type)
    uint32(id)
  }

  fileprivate mutating func attributes(mode: UInt32?) {
    uint32(mode == nil ? 0 : 0x04)
    if let mode { uint32(mode) }
  }
}
