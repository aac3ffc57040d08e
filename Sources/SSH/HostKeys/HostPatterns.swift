import Foundation

/// The names in a line of a known hosts file: patterns with commas between them, or the hash of one name.
struct HostPatterns {
  private enum Form {
    case patterns([ArraySlice<UInt8>])
    case hash(salt: [UInt8], code: [UInt8])
    case nothing
  }

  private let form: Form

  /// - Parameter field: the first field of a line, after its marker.
  init(_ field: ArraySlice<UInt8>) {
    guard field.first == UInt8(ascii: "|") else {
      form = .patterns(Self.lowercased(field).split(separator: UInt8(ascii: ",")))
      return
    }
    let parts = field.split(separator: UInt8(ascii: "|"), omittingEmptySubsequences: false)
    guard parts.count == 4, parts[1].elementsEqual("1".utf8), let salt = Data(base64Encoded: Data(parts[2])),
      let code = Data(base64Encoded: Data(parts[3])), salt.count == 20, code.count == 20
    else {
      form = .nothing
      return
    }
    form = .hash(salt: Array(salt), code: Array(code))
  }

  /// Whether a name in small letters is meant. One that a negated pattern matches is not, whatever the others say.
  func match(_ name: String) -> Bool {
    switch form {
    case .nothing: return false
    case .hash(let salt, let code): return Digest.hmacSHA1(name, salt: salt) == code
    case .patterns(let patterns):
      let name = Array(name.utf8)[...]
      var matched = false
      for pattern in patterns {
        if pattern.first == UInt8(ascii: "!") {
          if Self.matches(name, pattern.dropFirst()) { return false }
        } else if !matched {
          matched = Self.matches(name, pattern)
        }
      }
      return matched
    }
  }

  private static func lowercased(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
    bytes.map { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) ? $0 | 0x20 : $0 }
  }

  /// `*` and `?`. Goes back to the last star only, so that no pattern takes more than length times length.
  private static func matches(_ name: ArraySlice<UInt8>, _ pattern: ArraySlice<UInt8>) -> Bool {
    var (at, position) = (pattern.startIndex, name.startIndex)
    var star: (after: Int, resume: Int)?
    while position < name.endIndex {
      if at < pattern.endIndex, pattern[at] == UInt8(ascii: "*") {
        star = (at + 1, position)
        at += 1
      } else if at < pattern.endIndex, pattern[at] == name[position] || pattern[at] == UInt8(ascii: "?") {
        at += 1
        position += 1
      } else if let (after, resume) = star {
        star = (after, resume + 1)
        (at, position) = (after, resume + 1)
      } else {
        return false
      }
    }
    return pattern[at...].allSatisfy { $0 == UInt8(ascii: "*") }
  }
}
