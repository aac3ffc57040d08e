import CZlib
import Foundation

@testable import Archives

/// A tar made by hand, for what no real program makes.
struct Tar {
  var bytes: [UInt8] = []

  /// Adds a header and what follows it.
  /// - Parameters:
  ///   - size: when it is another than that of `data`.
  ///   - change: of the header's bytes, before its sum is taken.
  ///   - spoil: of the whole header, after that.
  mutating func add(
    _ name: String, type: Character = "0", link: String = "", data: [UInt8] = [], size: Int? = nil,
    magic: String = "ustar\u{0}00", change: (inout [UInt8]) -> Void = { _ in },
    spoil: (inout [UInt8]) -> Void = { _ in }
  ) {
    var header = [UInt8](repeating: 0, count: 512)
    func put(_ text: String, at offset: Int) {
      for (index, byte) in text.utf8.enumerated() { header[offset + index] = byte }
    }
    put(name, at: 0)
    put("0000644\0", at: 100)
    put("0001750\0", at: 108)
    put("0001750\0", at: 116)
    put(octal(size ?? data.count, 11), at: 124)
    put(octal(1_700_000_000, 11), at: 136)
    put(String(type), at: 156)
    put(link, at: 157)
    put(magic, at: 257)
    change(&header)
    for index in 148..<156 { header[index] = 0x20 }
    put(octal(header.reduce(0) { $0 + Int($1) }, 6) + "\0 ", at: 148)
    spoil(&header)
    bytes += header + data + [UInt8](repeating: 0, count: (512 - data.count % 512) % 512)
  }

  /// Adds an extended header.
  mutating func addPax(_ records: (String, String)..., type: Character = "x") {
    addPax(raw: records.map { Self.record($0, $1) }.joined(), type: type)
  }

  mutating func addPax(raw: String, type: Character = "x") {
    add("PaxHeaders/x", type: type, data: Array(raw.utf8))
  }

  /// A record with its own length before it.
  static func record(_ key: String, _ value: String) -> String {
    let rest = " \(key)=\(value)\n"
    var length = rest.utf8.count
    while String(length).utf8.count + rest.utf8.count != length { length += 1 }
    return "\(length)\(rest)"
  }

  private func octal(_ number: Int, _ digits: Int) -> String {
    let text = String(number, radix: 8)
    return String(repeating: "0", count: digits - text.count) + text
  }

  /// With the two blocks of zeros at its end.
  var ended: [UInt8] { bytes + [UInt8](repeating: 0, count: 1024) }
  var archive: [UInt8] { gzip(ended) }
}

func gzip(_ bytes: [UInt8]) -> [UInt8] {
  var stream = z_stream()
  deflateInit2_(
    &stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
  defer { deflateEnd(&stream) }
  var input = bytes
  return input.withUnsafeMutableBufferPointer { input in
    let bound = Int(deflateBound(&stream, UInt(input.count)))
    return [UInt8](unsafeUninitializedCapacity: bound) { output, count in
      stream.next_in = input.baseAddress
      stream.avail_in = UInt32(input.count)
      stream.next_out = output.baseAddress
      stream.avail_out = UInt32(bound)
      precondition(deflate(&stream, Z_FINISH) == Z_STREAM_END)
      count = bound - Int(stream.avail_out)
    }
  }
}

/// Checks an archive in pieces of so many bytes.
@discardableResult
func check(
  _ archive: [UInt8], limits: ArchiveLimits = .init(), pieces: Int = 1 << 20, entryPoint: String? = nil
) throws(ArchiveFault) -> ArchiveSummary {
  let checker = try ArchiveChecker(limits: limits)
  var start = 0
  while start < archive.count {
    try checker.read(Array(archive[start..<min(archive.count, start + pieces)]))
    start += pieces
  }
  return try checker.finish(entryPoint: entryPoint)
}

func entries(of archive: [UInt8]) throws(ArchiveFault) -> [ArchiveEntry] {
  let reader = try ArchiveReader()
  var entries: [ArchiveEntry] = []
  try reader.read(archive) { entry in entries.append(entry) }
  try reader.finish()
  return entries
}

/// What a program prints; its exit status must be 0.
func output(of arguments: [String], in directory: URL, input: [UInt8]? = nil) throws -> [UInt8] {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
  process.arguments = arguments
  process.currentDirectoryURL = directory
  let pipe = Pipe()
  process.standardOutput = pipe
  process.standardError = FileHandle.nullDevice
  if let input {
    let file = directory.appendingPathComponent(".input")
    try Data(input).write(to: file)
    process.standardInput = try FileHandle(forReadingFrom: file)
  }
  try process.run()
  let bytes = Array(pipe.fileHandleForReading.readDataToEndOfFile())
  process.waitUntilExit()
  guard process.terminationStatus == 0 else { throw Failed(status: process.terminationStatus, arguments: arguments) }
  return bytes
}

struct Failed: Error {
  let status: Int32
  let arguments: [String]
}

/// A directory that is there while the closure runs.
func inDirectory<T>(_ body: (URL) throws -> T) throws -> T {
  let directory = FileManager.default.temporaryDirectory.appendingPathComponent("archives-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: directory) }
  return try body(directory)
}
