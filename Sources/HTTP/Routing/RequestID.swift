/// What a request is found again by: in its answer's X-Request-ID field, in the access log, in every line that is logged
/// for it.
struct RequestID: Sendable {
  /// So many bytes fit into a string that has no memory of its own.
  private static let length = 15

  private var made = SIMD16<UInt8>(repeating: 0)
  /// The client's own, or that of a proxy before us.
  private var given: String?

  /// Of a request that did not come over a connection: none.
  init() { given = "" }
  fileprivate init(made: SIMD16<UInt8>) { self.made = made }
  init(given: String) { self.given = given }

  /// Whether a client's id may be taken over: 1 to 64 letters, digits, dots, dashes and underscores, so that it can do
  /// no harm wherever it is written.
  static func isAcceptable(_ value: UnsafeRawBufferPointer) -> Bool {
    (1...64).contains(value.count)
      && value.allSatisfy { byte in
        byte.isDigit || byte.lowercased &- 0x61 < 26 || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".")
          || byte == UInt8(ascii: "_")
      }
  }

  var text: String {
    if let given { return given }
    return String(unsafeUninitializedCapacity: Self.length) { room in
      for index in 0..<Self.length { room[index] = made[index] }
      return Self.length
    }
  }

  /// Calls `body` with the id's bytes.
  func withBytes(_ body: (UnsafeRawBufferPointer) -> Void) {
    if var given {
      given.withUTF8 { body(UnsafeRawBufferPointer($0)) }
    } else {
      withUnsafeBytes(of: made) { body($0.slice(0..<Self.length)) }
    }
  }
}

/// Makes ids: seven characters that were drawn at random, and eight that count. Confined to a loop.
struct RequestIDs {
  private static let firstCounting = 7
  private static let end = 15

  private var next = SIMD16<UInt8>(repeating: 0)

  init() { begin() }

  mutating func make() -> RequestID {
    defer { advance() }
    return RequestID(made: next)
  }

  /// Counts on in the digits themselves: nearly always only the last one changes.
  private mutating func advance() {
    for index in (Self.firstCounting..<Self.end).reversed() {
      switch next[index] {
      case UInt8(ascii: "9"): next[index] = UInt8(ascii: "a")
      case UInt8(ascii: "z"):
        next[index] = UInt8(ascii: "0")
        continue
      default: next[index] += 1
      }
      return
    }
    begin()
  }

  private mutating func begin() {
    let digits = Array("0123456789abcdefghijklmnopqrstuvwxyz".utf8)
    for index in 0..<Self.end {
      next[index] = index < Self.firstCounting ? digits.randomElement() ?? digits[0] : digits[0]
    }
  }
}

/// What is known of the request that a task works for.
public enum RequestContext {
  /// Its ``Request/id``, in a task that answers later, streams a body or speaks through a tunnel, and in the tasks it
  /// makes; nil elsewhere.
  @TaskLocal public static var requestID: String?
}
