/// Words for shells.
public enum ShellQuoting {
  /// The word such that a shell takes it literally.
  ///
  /// Single quotes as POSIX has them (XCU 2.2.2), and a backslash before what some shell would read inside them all
  /// the same: `'` ends them everywhere, `\` escapes in fish, `!` recalls history in csh. A newline stays as it is
  /// inside the quotes, which only csh cannot read. A word of harmless characters stays plain.
  public static func quote(_ word: String) -> String {
    if !word.isEmpty && !word.utf8.starts(with: "=".utf8) && word.utf8.allSatisfy(isHarmless) { return word }
    var quoted = ""
    var inside = false
    for scalar in word.unicodeScalars {
      let special = scalar == "'" || scalar == "\\" || scalar == "!"
      if special == inside {
        quoted += "'"
        inside.toggle()
      }
      if special { quoted += "\\" }
      quoted.unicodeScalars.append(scalar)
    }
    if inside { quoted += "'" }
    return quoted.isEmpty ? "''" : quoted
  }

  /// Letters, digits and marks that no shell reads as anything else. `=` at the start of a word is for zsh to expand.
  private static func isHarmless(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    case UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "/"), UInt8(ascii: ","),
      UInt8(ascii: ":"), UInt8(ascii: "+"), UInt8(ascii: "@"), UInt8(ascii: "="):
      true
    default: false
    }
  }
}
