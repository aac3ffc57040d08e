/// What libcurl receives of an answer with a key set, within bounds.
final class KeySetAnswer {
  /// What lets a server say that nothing changed (RFC 9110, section 13.1).
  struct Validators: Sendable, Equatable {
    var etag: String?
    var lastModified: String?

    /// The fields of a request that asks for what has changed since.
    var fields: [String] {
      [etag.map { "If-None-Match: \($0)" }, lastModified.map { "If-Modified-Since: \($0)" }].compactMap { $0 }
    }
  }

  private static let maximumHead = 65_536

  private(set) var body: [UInt8] = []
  private(set) var validators = Validators()
  private var headLength = 0

  /// - Returns: whether to go on.
  func take(headerLine bytes: UnsafeRawBufferPointer) -> Bool {
    headLength += bytes.count
    guard headLength <= Self.maximumHead else { return false }
    let line = String(decoding: bytes, as: UTF8.self)
    // Of several answers, redirections and the like, the last counts.
    if line.hasPrefix("HTTP/") { validators = Validators() }
    guard let colon = line.firstIndex(of: ":"), bytes.count <= 1024 else { return true }
    let value = String(line[line.index(after: colon)...].split(whereSeparator: \.isWhitespace).joined(separator: " "))
    switch line[..<colon].lowercased() {
    case "etag": validators.etag = value
    case "last-modified": validators.lastModified = value
    default: break
    }
    return true
  }

  /// - Returns: whether to go on.
  func take(body bytes: UnsafeRawBufferPointer) -> Bool {
    guard body.count + bytes.count <= KeySet.maximumLength else { return false }
    body += bytes
    return true
  }

  /// What libcurl calls, with the answer as its context.
  /// - Returns: how many bytes were taken; anything but all ends the transfer.
  static func pass(
    _ start: UnsafeMutablePointer<CChar>?, _ count: Int, to context: UnsafeMutableRawPointer?,
    by taking: (KeySetAnswer, UnsafeRawBufferPointer) -> Bool
  ) -> Int {
    guard let context else { return 0 }
    let answer = Unmanaged<KeySetAnswer>.fromOpaque(context).takeUnretainedValue()
    return taking(answer, UnsafeRawBufferPointer(start: start, count: count)) ? count : 0
  }
}
