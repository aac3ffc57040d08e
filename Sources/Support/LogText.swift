/// Text of somebody else's making, for the log.
public enum LogText {
  /// The text in one line of at most `limit` characters. What could end the line, or hide a part of it from who reads
  /// it on a terminal, is shown as `\u{...}`; what was cut, as `…`.
  public static func line(_ text: String, limit: Int = 2000) -> String {
    if text.utf8.count <= limit, text.utf8.allSatisfy({ (0x20..<0x7f).contains($0) }) { return text }
    var line = ""
    var room = limit
    for scalar in text.unicodeScalars {
      let shown = isHidden(scalar) ? "\\u{\(String(scalar.value, radix: 16))}" : String(scalar)
      guard room > shown.unicodeScalars.count else { return line + "…" }
      line += shown
      room -= shown.unicodeScalars.count
    }
    return line
  }

  private static func isHidden(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator: true
    default: false
    }
  }
}
