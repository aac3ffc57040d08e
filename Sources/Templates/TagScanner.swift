/// Checks that a template uses only the tags a ``ShellTemplate`` promises, before Mustache, which is laxer, reads it.
enum TagScanner {
  /// The names in a template, each with the place of its first tag.
  static func names(in text: String) throws(TemplateError) -> [String: TextPosition] {
    var text = text
    let scanned = text.withUTF8 { bytes in
      Result { () throws(TemplateError) in try names(in: bytes) }
    }
    return try scanned.get()
  }

  private static func names(in bytes: UnsafeBufferPointer<UInt8>) throws(TemplateError) -> [String: TextPosition] {
    var places: [String: TextPosition] = [:]
    var position = 0
    while let start = offset(of: "{{", in: bytes, from: position) {
      let place = TextPosition(ofByte: start, in: bytes)
      func fail(_ message: String) -> TemplateError {
        TemplateError(line: place.line, column: place.column, message: message)
      }
      var inside = start + 2
      let sigil = inside < bytes.count ? bytes[inside] : 0
      let closing = sigil == UInt8(ascii: "{") ? "}}}" : "}}"
      guard let end = offset(of: closing, in: bytes, from: inside) else { throw fail("a tag is not closed") }
      position = end + closing.utf8.count
      if sigil == UInt8(ascii: "!") { continue }
      if "{&#^/".utf8.contains(sigil) { inside += 1 }
      let name = String(decoding: bytes[inside..<end].trimmingBlanks(), as: UTF8.self)
      guard isName(name) else {
        throw fail("'{{' begins a tag that script templates do not have")
      }
      if places[name] == nil { places[name] = place }
    }
    return places
  }

  private static func isName(_ name: String) -> Bool {
    if name == "." { return true }
    return !name.isEmpty
      && name.utf8.allSatisfy {
        switch $0 {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
          true
        default: false
        }
      }
  }

  private static func offset(of mark: String, in bytes: UnsafeBufferPointer<UInt8>, from: Int) -> Int? {
    var position = from
    while let next = bytes[position...].firstIndex(of: mark.utf8[mark.utf8.startIndex]) {
      if bytes[next...].starts(with: mark.utf8) { return next }
      position = next + 1
    }
    return nil
  }
}

extension Slice<UnsafeBufferPointer<UInt8>> {
  fileprivate func trimmingBlanks() -> Self {
    let isBlank: (UInt8) -> Bool = { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
    guard let first = firstIndex(where: { !isBlank($0) }), let last = lastIndex(where: { !isBlank($0) }) else {
      return self[startIndex..<startIndex]
    }
    return self[first...last]
  }
}
