extension Unicode.Scalar {
  /// Whether a reader sees it, and it does nothing but be seen.
  ///
  /// False for control characters (DEL and C1 among them), for characters that change how others are shown (bidirectional
  /// overrides, joiners, variation selectors), for those without a shape (zero width spaces, fillers), for line and
  /// paragraph separators, and for code points that are not characters. Texts from outside that hold one are shown
  /// with an escape in its place: in error texts, in logs, wherever a person or a terminal reads them.
  public var isVisible: Bool {
    if value < 0x7F { return value >= 0x20 }
    if properties.isDefaultIgnorableCodePoint { return false }
    switch properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .unassigned, .surrogate: return false
    default: return true
    }
  }
}

extension StringProtocol {
  /// The text with an escape (`\u{7F}`, `\n`) in place of each scalar that is not visible.
  public func visible() -> String {
    var shown = ""
    for scalar in unicodeScalars { shown += scalar.isVisible ? String(scalar) : scalar.escaped(asASCII: true) }
    return shown
  }

  /// The beginning of the text, at most so many bytes of it. One character may have any number of scalars, so that a
  /// count of characters bounds nothing.
  public func beginning(atMost bytes: Int) -> String {
    var kept = ""
    for scalar in unicodeScalars {
      guard kept.utf8.count + UTF8.width(scalar) <= bytes else { return kept + "…" }
      kept.unicodeScalars.append(scalar)
    }
    return kept
  }
}
