/// Words for shells.
public enum ShellQuoting {
  /// The word such that a shell takes it literally.
  ///
  /// Single quotes as POSIX has them (XCU 2.2.2), and a backslash before what some shell would read inside them all
  /// the same: `'` ends them everywhere, `\` escapes in fish, `!` recalls history in csh. A newline stays as it is
  /// inside the quotes, which only csh cannot read. A word of harmless characters stays plain.
  public static func quote(_ word: String) -> String {
    if !word.isEmpty && !word.utf8.starts(with: "=".utf8) && word.utf8.allSatisfy(isHarmless) { return word }
    var quoted: [UInt8] = []
    quoted.reserveCapacity(word.utf8.count + word.utf8.count / 4 + 2)
    var inside = false
    for byte in word.utf8 {
      let special = byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\\") || byte == UInt8(ascii: "!")
      if special == inside {
        quoted.append(UInt8(ascii: "'"))
        inside.toggle()
      }
      if special { quoted.append(UInt8(ascii: "\\")) }
      quoted.append(byte)
    }
    if inside { quoted.append(UInt8(ascii: "'")) }
    return quoted.isEmpty ? "''" : String(decoding: quoted, as: UTF8.self)
  }

  /// Letters, digits and punctuation that no shell reads as anything else. `=` at the start of a word is for zsh to expand.
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
