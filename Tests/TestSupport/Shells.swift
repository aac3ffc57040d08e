import Foundation

/// Words that must reach a program unchanged, whatever is between.
public enum HostileWords {
  /// Words that some shell or other reads as something else.
  public static let all = [
    "plain", "", " ", "two words", "it's", "'", "''", "a'b'c", "\"", "\"double\"", "\\", "\\\\", "back\\slash\\", "\\n",
    "\\'", "$HOME", "${HOME}", "$(id)", "`id`", "!", "!!", "hist!ory", "!-1", "'!'", "a\nb", "\n", "\n\n", "trailing\n",
    "a\\\nb", "tab\there", "-leading", "--", "*", "?", "[a-z]", "{a,b}", "~", "~root", "#comment", "a;b", "a&b", "a|b",
    "<in", ">out", "(sub)", "=ls", "a=b", "%1", "^a^b", "@", ":", "ümlaut", "日本語", "🐢", "\u{7f}", "\u{1b}[31m", "\r\n",
    "%s%d", "\\0101", "\\c", "end\\",
  ]
}

/// What `printf '%s\0'` prints of the words.
public func printed(_ words: [String]) -> [UInt8] { words.flatMap { Array($0.utf8) + [0] } }

/// The shells that an account may have.
public enum LoginShells {
  /// Their paths, as far as they are installed here.
  public static let installed = [
    "/bin/sh", "/bin/bash", "/bin/dash", "/bin/ksh", "/bin/zsh", "/usr/bin/fish", "/bin/tcsh",
  ].filter { FileManager.default.isExecutableFile(atPath: $0) }
}
