/// A block of 512 bytes that says what follows (POSIX.1-2017, pax, "ustar Interchange Format"; GNU tar's manual,
/// "Basic Tar Format").
struct TarHeader {
  static let size = 512

  let name: [UInt8]
  let link: [UInt8]
  let mode: Int
  let size: Int
  let modified: Int
  let type: UInt8

  /// - Parameter before: the name of the entry before it, for errors.
  init(_ block: [UInt8], after before: [UInt8]) throws(ArchiveFault) {
    // The sum is that of the block with blanks in its own place.
    let sum = block.reduce(0) { $0 + Int($1) } - block[148..<156].reduce(0) { $0 + Int($1) } + 8 * 0x20
    guard Self.number(block[148..<156]) == sum else { throw .checksum(after: ArchiveFault.shown(before)) }
    func text(_ range: Range<Int>, of entry: [UInt8]) throws(ArchiveFault) -> [UInt8] {
      let field = block[range]
      let text = field.prefix { $0 != 0 }
      guard field.dropFirst(text.count).allSatisfy({ $0 == 0 }) else {
        throw .holdsNUL(entry: ArchiveFault.shown(entry.isEmpty ? Array(text) : entry))
      }
      return Array(text)
    }
    var name = try text(0..<100, of: [])
    // Only ustar's magic has the NUL; in GNU's own format other things are where the prefix would be.
    if block[257..<263].elementsEqual([UInt8]("ustar\0".utf8)) {
      let prefix = try text(345..<500, of: name)
      if !prefix.isEmpty { name = prefix + [UInt8(ascii: "/")] + name }
    }
    func number(_ range: Range<Int>, _ what: String) throws(ArchiveFault) -> Int {
      guard let number = Self.number(block[range]) else {
        throw .malformed("its \(what) is not a number", entry: ArchiveFault.shown(name))
      }
      return number
    }
    self.name = name
    link = try text(157..<257, of: name)
    mode = try number(100..<108, "mode") & 0o7777
    size = try number(124..<136, "size")
    modified = try number(136..<148, "time")
    type = block[156] == 0 ? UInt8(ascii: "0") : block[156]
    guard size >= 0 else { throw .malformed("its size is negative", entry: ArchiveFault.shown(name)) }
  }

  /// Octal digits between blanks and NULs, or with the highest bit set a binary number (GNU and star).
  static func number(_ field: ArraySlice<UInt8>) -> Int? {
    guard let first = field.first else { return nil }
    if first & 0x80 != 0 {
      let isNegative = first & 0x40 != 0
      var value = isNegative ? -1 : 0
      for (index, byte) in field.enumerated() {
        let byte = index == 0 && !isNegative ? byte & 0x7f : byte
        guard value == (value << 8) >> 8 else { return nil }
        value = value << 8 | Int(byte)
      }
      return (value < 0) == isNegative ? value : nil
    }
    let digits = field.drop { $0 == 0x20 }.prefix { $0 != 0x20 && $0 != 0 }
    let rest = field[digits.endIndex...]
    guard rest.allSatisfy({ $0 == 0x20 || $0 == 0 }) else { return nil }
    var value = 0
    for digit in digits {
      guard (0x30...0x37).contains(digit) else { return nil }
      value = value << 3 | Int(digit & 7)
    }
    return value
  }
}
