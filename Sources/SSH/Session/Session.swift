import CLibSSH2
import Support

/// A libssh2 session. Every call tries once and returns nil where it would have to wait for the network;
/// it is then repeated, unchanged, when bytes have moved.
///
/// Not thread-safe, like libssh2's sessions. libssh2's own SFTP is not used: where a server has none it waits in a
/// busy loop, and it cannot replace a file in one step before version 1.11.
final class Session {
  /// An error of libssh2's.
  struct Failure: Error {
    let code: Int32
    let message: String

    /// There was an answer to a login, which libssh2 cannot read: one of its packets is too long, for example.
    var isUnread: Bool { code == LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED && message.hasPrefix("Waiting for") }
  }

  /// A channel of this session; nothing but a name that the session's calls take.
  struct Channel: @unchecked Sendable {
    fileprivate let raw: OpaquePointer
  }

  private let raw: OpaquePointer
  private let wire: Wire?
  private let buffer = UnsafeMutableBufferPointer<CChar>.allocate(capacity: 64 << 10)

  /// What the server may send before some of it was read, and at once (libssh2's own defaults).
  private static let window: UInt32 = 2 << 20
  private static let packet: UInt32 = 32 << 10

  /// Whether libssh2 signs with RSA the ways that servers still take (RFC 8332), or checks such signatures. It is the
  /// library that was found when the program started which counts, not the one it was built against.
  static var hasRSA: Bool { libssh2_version(0x010b00) != nil }

  /// libssh2's version, such as `1.10.0`.
  static var libssh2Version: String { libssh2_version(0).map { String(cString: $0) } ?? "?" }

  private static let initStatus: Int32 = libssh2_init(0)

  init?(wire: Wire?) {
    guard Self.initStatus == 0 else { return nil }
    let context = wire.map { Unmanaged.passUnretained($0).toOpaque() }
    guard let raw = libssh2_session_init_ex(nil, nil, nil, context) else { return nil }
    self.raw = raw
    self.wire = wire
    libssh2_session_set_blocking(raw, 0)
    _ = libssh2_session_callback_set(
      raw, LIBSSH2_CALLBACK_RECV, unsafeBitCast(Wire.receive, to: UnsafeMutableRawPointer.self))
    _ = libssh2_session_callback_set(
      raw, LIBSSH2_CALLBACK_SEND, unsafeBitCast(Wire.send, to: UnsafeMutableRawPointer.self))
  }

  deinit {
    // With the wire closed nothing is waited for, and each call comes nearer to the end.
    wire?.close()
    defer { buffer.deallocate() }
    for _ in 0..<100 where libssh2_session_free(raw) != LIBSSH2_ERROR_EAGAIN { return }
  }

  // MARK: Connecting

  func prefer(hostKeyAlgorithms: [String]) throws(Failure) {
    // Unsupported names are left out by libssh2; only if none remains it fails.
    try check(
      libssh2_session_method_pref(raw, LIBSSH2_METHOD_HOSTKEY, hostKeyAlgorithms.joined(separator: ",")))
  }

  func handshake() throws(Failure) -> Void? {
    // libssh2 wants a descriptor, which it uses for nothing but fcntl(2): the wire's functions are called instead.
    try attempt(libssh2_session_handshake(raw, wire?.descriptor ?? -1))
  }

  /// The host's public key, after the handshake.
  var hostKey: [UInt8] {
    var length = 0
    var kind: Int32 = 0
    guard let bytes = libssh2_session_hostkey(raw, &length, &kind) else { return [] }
    return UnsafeRawBufferPointer(start: bytes, count: length).map { $0 }
  }

  func logIn(_ user: String, _ key: PrivateKey) throws(Failure) -> Void? {
    try attempt(
      key.pem.withUnsafeBufferPointer { pem in
        pem.withMemoryRebound(to: CChar.self) { pem in
          libssh2_userauth_publickey_frommemory(
            raw, user, user.utf8.count, nil, 0, pem.baseAddress, pem.count, key.passphrase)
        }
      })
  }

  /// The ways to log in that the server still takes, separated by commas. The account must have tried one before.
  func loginMethods(_ user: String) throws(Failure) -> String? {
    if let methods = libssh2_userauth_list(raw, user, UInt32(user.utf8.count)) { return String(cString: methods) }
    let code = libssh2_session_last_errno(raw)
    guard code != LIBSSH2_ERROR_EAGAIN else { return nil }
    try check(code)
    return ""
  }

  /// Whether libssh2 can read a key. It reads it before it sends anything, and here there is nowhere to send to.
  static func canLoad(_ key: PrivateKey) -> Bool {
    guard let session = Session(wire: nil) else { return false }
    do {
      _ = try session.logIn("nobody", key)
      return false
    } catch {
      return error.code == LIBSSH2_ERROR_SOCKET_SEND
    }
  }

  /// Says goodbye, as far as that is possible without waiting.
  func disconnect() {
    _ = libssh2_session_disconnect_ex(raw, SSH_DISCONNECT_BY_APPLICATION, "", "")
  }

  // MARK: Channels

  /// What a channel is for.
  enum Service {
    case command(String)
    case subsystem(String)
    /// A TCP connection from there to somewhere else.
    case connection(host: String, port: Int)

    /// Whether it counts as a session; see sshd's MaxSessions.
    var isSession: Bool { if case .connection = self { false } else { true } }
  }

  func openChannel(for service: Service) throws(Failure) -> Channel? {
    guard case .connection(let host, let port) = service else { return try openChannel(type: "session") }
    // RFC 4254, section 7.2. Nobody asks where it comes from.
    var target = WireWriter()
    target.string(host)
    target.uint32(UInt32(clamping: port))
    target.string("127.0.0.1")
    target.uint32(0)
    return try openChannel(type: "direct-tcpip", target.bytes)
  }

  func openChannel(type: String, _ message: [UInt8] = []) throws(Failure) -> Channel? {
    let channel = message.withUnsafeBytes { message in
      libssh2_channel_open_ex(
        raw, type, UInt32(type.utf8.count), Self.window, Self.packet,
        message.bindMemory(to: CChar.self).baseAddress, UInt32(message.count))
    }
    if let channel { return Channel(raw: channel) }
    try check(libssh2_session_last_errno(raw))
    return nil
  }

  /// Asks for what a session's channel shall be connected to (RFC 4254, section 6.5).
  func request(_ service: Service, on channel: Channel) throws(Failure) -> Void? {
    let (type, argument): (String, String)
    switch service {
    case .command(let command): (type, argument) = ("exec", command)
    case .subsystem(let name): (type, argument) = ("subsystem", name)
    case .connection: return ()  // It is connected when it is open.
    }
    return try attempt(
      libssh2_channel_process_startup(
        channel.raw, type, UInt32(type.utf8.count), argument, UInt32(truncatingIfNeeded: argument.utf8.count)))
  }

  enum Stream: Int32 {
    case stdout = 0
    case stderr = 1
  }

  /// What was read, valid until the next read; empty at the end.
  func read(_ stream: Stream, of channel: Channel) throws(Failure) -> UnsafeRawBufferPointer? {
    let result = libssh2_channel_read_ex(channel.raw, stream.rawValue, buffer.baseAddress, buffer.count)
    return try count(result).map { UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[..<$0]) }
  }

  /// Takes in what has come for any channel, and reads none of it; answers what the server has asked.
  func listen(on channel: Channel) throws(Failure) {
    _ = try count(libssh2_channel_read_ex(channel.raw, 0, buffer.baseAddress, 0))
  }

  /// The number of bytes taken.
  func write(_ bytes: UnsafeRawBufferPointer, to channel: Channel) throws(Failure) -> Int? {
    let bytes = bytes.bindMemory(to: CChar.self)
    return try count(libssh2_channel_write_ex(channel.raw, 0, bytes.baseAddress, bytes.count))
  }

  func sendEnd(to channel: Channel) throws(Failure) -> Void? { try attempt(libssh2_channel_send_eof(channel.raw)) }

  /// Whether the other side has sent all it will, and all of it was read.
  func isAtEnd(_ channel: Channel) -> Bool { libssh2_channel_eof(channel.raw) == 1 }

  /// To be called at the end: waits for the other side's close, before which its exit status has come.
  func waitClosed(_ channel: Channel) throws(Failure) -> Void? { try attempt(libssh2_channel_wait_closed(channel.raw)) }

  func exitStatus(of channel: Channel) -> Int32 { libssh2_channel_get_exit_status(channel.raw) }

  func exitSignal(of channel: Channel) -> String? {
    var name: UnsafeMutablePointer<CChar>?
    var length = 0
    guard libssh2_channel_get_exit_signal(channel.raw, &name, &length, nil, nil, nil, nil) == 0, let name else {
      return nil
    }
    defer { libssh2_free(raw, name) }
    return String(decoding: UnsafeRawBufferPointer(start: name, count: length), as: UTF8.self)
  }

  /// Closes a channel and forgets it, once the other side has closed it too.
  func free(_ channel: Channel) throws(Failure) -> Void? { try attempt(libssh2_channel_free(channel.raw)) }

  // MARK: Results

  private func attempt(_ code: Int32) throws(Failure) -> Void? {
    if code == LIBSSH2_ERROR_EAGAIN { return nil }
    try check(code)
    return ()
  }

  private func count(_ result: Int) throws(Failure) -> Int? {
    if result == Int(LIBSSH2_ERROR_EAGAIN) { return nil }
    if result < 0 { try check(Int32(truncatingIfNeeded: result)) }
    return result
  }

  private func check(_ code: Int32) throws(Failure) {
    guard code < 0, code != LIBSSH2_ERROR_EAGAIN else { return }
    var text: UnsafeMutablePointer<CChar>?
    var length: Int32 = 0
    _ = libssh2_session_last_error(raw, &text, &length, 0)
    let message = text.map { String(decoding: UnsafeRawBufferPointer(start: $0, count: Int(length)), as: UTF8.self) }
    throw Failure(code: code, message: message ?? "error \(code)")
  }
}
