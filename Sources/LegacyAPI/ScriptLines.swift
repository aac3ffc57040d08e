import Foundation
import Support

/// The lines of a job's script, looked at one after the other: a script may have millions of them, and a list of these
/// takes many times the memory of the script.
struct ScriptLines {
  private let script: String

  init(_ script: String) { self.script = script }

  /// The values of the lines that are read, by their names.
  /// - Throws: when a name has two values: nobody knows which one is meant.
  func values() throws -> [String: String] {
    var values: [String: String] = [:]
    var doubtful: String?
    forEach { line in
      guard doubtful == nil, let (name, bytes) = Self.parts(of: line), Self.known.contains(name) else { return }
      let value = String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: CharacterSet(charactersIn: "\r"))
      if let known = values[name], !known.utf8.elementsEqual(value.utf8) { doubtful = name }
      values[name] = value
    }
    guard let doubtful else { return values }
    throw UpstreamScript.wrong(doubtful, "the line occurs twice, with different values")
  }

  /// The script without the values of the lines that hold registry passwords.
  var masked: String {
    var shown: [UInt8] = []
    shown.reserveCapacity(script.utf8.count)
    var isFirst = true
    forEach { line in
      if !isFirst { shown.append(Self.lineFeed) }
      isFirst = false
      if let (name, value) = Self.parts(of: line), !value.isEmpty, Self.secrets.contains(name) {
        shown += "\(name)=***".utf8
      } else {
        shown += line
      }
    }
    return String(decoding: shown, as: UTF8.self)
  }

  /// A sentence for each name that looks like one of those that are read, and is none of them; ten at most.
  var warnings: [String] {
    var names: [String] = []
    var (looked, isCut) = (0, false)
    forEach { line in
      guard !isCut, looked < Self.mostNames, let (name, _) = Self.parts(of: line), Self.isName(name),
        !names.contains(name),
        !Self.known.contains(name), !Self.sentOnly.contains(name)
      else { return }
      looked += 1
      guard name.hasPrefix("JOBOBJ_") || NearMiss.of(name, among: Self.sortedNames) != nil else { return }
      if names.count < 10 { names.append(name) } else { isCut = true }
    }
    let sentences = names.map { name in
      let near = NearMiss.of(name, among: Self.sortedNames).map { "; is \($0) meant?" } ?? ""
      return "warning: the script sets \(name), which Weir does not read\(near)"
    }
    return sentences + (isCut ? ["warning: the script sets more names that Weir does not read"] : [])
  }

  // MARK: Lines

  private static let lineFeed = UInt8(ascii: "\n")
  private static let known = Set(FieldRule.all.filter { $0.place == .line }.map(\.name))
  private static let sortedNames = known.sorted()
  /// What the upstream sends for itself.
  private static let sentOnly: Set = ["JOBOBJ_USER"]
  private static let secrets = [FieldRule.registryConfiguration, .registrySecret].map(\.name)

  private typealias Line = Slice<UnsafeBufferPointer<UInt8>>

  private func forEach(_ body: (Line) -> Void) {
    var script = script
    script.withUTF8 { bytes in
      var start = 0
      while true {
        let end = Self.lineEnd(in: bytes, from: start)
        body(bytes[start..<(end ?? bytes.count)])
        guard let end else { return }
        start = end + 1
      }
    }
  }

  private static func lineEnd(in bytes: UnsafeBufferPointer<UInt8>, from start: Int) -> Int? {
    guard let base = bytes.baseAddress, let found = memchr(base + start, Int32(lineFeed), bytes.count - start) else {
      return nil
    }
    return UnsafeRawPointer(found) - UnsafeRawPointer(base)
  }

  /// The name and the value of a line that may be read.
  private static func parts(of line: Line) -> (name: String, value: Line)? {
    guard line.count >= 8, line.first == UInt8(ascii: "J"),
      line.starts(with: "JOBOBJ_".utf8) || line.starts(with: "JARVICE_C".utf8),
      let sign = line.prefix(longestName + 1).firstIndex(of: UInt8(ascii: "="))
    else { return nil }
    return (String(decoding: line[..<sign], as: UTF8.self), line[(sign + 1)...])
  }

  private static let longestName = 64
  /// Lines of unknown names that are compared with the known ones.
  private static let mostNames = 1000

  private static func isName(_ text: String) -> Bool {
    text.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
        true
      default: false
      }
    }
  }
}
