import Glibc
import Shell

/// One stream of a kept shell: a command's output up to its mark, and the rest of the mark's line.
struct MarkedStream {
  private(set) var output: LimitedBytes
  /// The text after the mark, once the whole line has arrived. What follows the line belongs to nobody.
  private(set) var answer: String?

  /// The longest line after a mark. A longer one is not an answer of the shell.
  private static let longestAnswer = 256

  private let mark: [UInt8]
  private var hasMark = false
  /// What may be the beginning of the mark; after it, its line.
  private var pending: [UInt8] = []

  init(mark: String, limit: Int) {
    self.mark = Array(mark.utf8)
    output = LimitedBytes(limit: limit)
  }

  mutating func append(_ chunk: UnsafeRawBufferPointer) {
    guard answer == nil else { return }
    pending.append(contentsOf: chunk)
    if !hasMark { takeOutput() }
    guard hasMark else { return }
    let line = pending.prefix(Self.longestAnswer)
    let end = line.firstIndex(of: UInt8(ascii: "\n"))
    guard end != nil || line.count == Self.longestAnswer else { return }
    answer = end.map { String(decoding: line[..<$0], as: UTF8.self) } ?? ""
    pending = []
  }

  private mutating func takeOutput() {
    let position = pending.withUnsafeBytes(position(in:))
    let sure = position ?? max(0, pending.count - mark.count + 1)
    pending.withUnsafeBytes { output.append(UnsafeRawBufferPointer(rebasing: $0[..<sure])) }
    pending.removeFirst(position == nil ? sure : sure + mark.count)
    hasMark = position != nil
  }

  private func position(in bytes: UnsafeRawBufferPointer) -> Int? {
    guard let base = bytes.baseAddress else { return nil }
    var start = 0
    while let found = memchr(base + start, Int32(ShellRequest.markStart), bytes.count - start) {
      start = UnsafeRawPointer(found) - base
      if bytes[start...].starts(with: mark) { return start }
      start += 1
    }
    return nil
  }
}
