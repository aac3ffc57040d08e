/// What may stand in a value that came from outside. A value fits as a whole or not at all.
///
/// Words and paths end up in command lines, file names and Slurm's records: so they are made of characters that mean
/// nothing there, and never begin with `-`, which would make them options. What is opaque travels as bytes, by standard
/// input or in a file, and has a length only.
public enum ValueRule: Sendable, Equatable {
  /// ASCII letters, digits and these marks. The first is neither `-` nor `.`, which hides a file. The length is in bytes.
  case word(marks: String, length: ClosedRange<Int>)
  /// A whole number in decimal digits.
  case whole(ClosedRange<Int>)
  /// Slurm's forms of a time limit, sbatch(1): minutes, minutes:seconds, hours:minutes:seconds,
  /// days-hours[:minutes[:seconds]]; at most ``longestTimeLimit``.
  case timeLimit
  /// `true` or `false`, in any case, or what stands for them.
  case flag
  /// One of these words.
  case oneOf([String])
  /// A path of a directory: UTF-8 without control characters and without a part `..`. The length is in bytes.
  case path(length: ClosedRange<Int>)
  /// Bytes that nothing here interprets; `what` says what they are to the one who does.
  case opaque(what: String, length: ClosedRange<Int>)

  /// Whether a value fits.
  public func accepts(_ text: String) -> Bool {
    let bytes = text.utf8
    switch self {
    case .word(let marks, let length):
      guard length.contains(bytes.count), bytes.first != UInt8(ascii: "-"), bytes.first != UInt8(ascii: ".") else {
        return false
      }
      return bytes.allSatisfy { Self.isLetterOrDigit($0) || marks.utf8.contains($0) }
    case .whole(let range): return Self.whole(text).map(range.contains) ?? false
    case .timeLimit: return Self.total(ofTimeLimit: text).map { $0 <= Self.longestTimeLimit } ?? false
    case .flag: return Self.flag(text) != nil
    case .oneOf(let words): return words.contains(text)
    case .path(let length):
      return length.contains(bytes.count) && !bytes.contains { $0 < 0x20 || $0 == 0x7f }
        && !bytes.split(separator: UInt8(ascii: "/")).contains { $0.elementsEqual("..".utf8) }
    case .opaque(_, let length): return length.contains(bytes.count)
    }
  }

  /// What is expected, as a phrase for messages and tables.
  public var expected: String {
    switch self {
    case .word(let marks, let length):
      "a word of \(length.lowerBound) to \(length.upperBound) letters, digits and `\(marks)`, not beginning with '-' or '.'"
    case .whole(let range): "a whole number from \(range.lowerBound) to \(range.upperBound)"
    case .timeLimit:
      "a time limit of at most \(Self.longestTimeLimit / 86_400) days (minutes, minutes:seconds, hours:minutes:seconds or days-hours[:minutes[:seconds]])"
    case .flag: "true or false (or 1, 0, yes, no)"
    case .oneOf(let words): "one of " + words.joined(separator: ", ")
    case .path(let length): "a path of at most \(length.upperBound) bytes, without control characters and '..'"
    case .opaque(let what, let length): "\(what) of \(length.lowerBound) to \(length.upperBound) bytes"
    }
  }

  /// A number in decimal digits, with or without a minus sign, and nothing else.
  public static func whole(_ text: String) -> Int? { text.utf8.first == UInt8(ascii: "+") ? nil : Int(text) }

  /// A truth value as people write it.
  public static func flag(_ text: String) -> Bool? {
    switch text.lowercased() {
    case "true", "1", "yes": true
    case "false", "0", "no": false
    default: nil
    }
  }

  /// Of ASCII.
  public static func isLetterOrDigit(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: false
    }
  }

  private static func isTimeLimit(_ text: String) -> Bool {
    guard (1...20).contains(text.utf8.count) else { return false }
    let parts = text.split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count <= 2, let clock = parts.last else { return false }
    let fields = clock.split(separator: ":", omittingEmptySubsequences: false)
    let digits = parts.dropLast() + fields
    return fields.count <= 3 && fields.dropFirst().allSatisfy { $0.utf8.count <= 2 }
      && digits.allSatisfy { !$0.isEmpty && $0.utf8.allSatisfy { (48...57).contains($0) } }
  }

  /// Seconds: those whole days that a signed number of 32 bits can count.
  public static let longestTimeLimit = 24_855 * 86_400

  /// The seconds of a time limit that fits ``timeLimit``; nil for another text, and for 0, which is no limit.
  public static func seconds(ofTimeLimit text: String) -> Int? {
    total(ofTimeLimit: text).flatMap { $0 > 0 && $0 <= longestTimeLimit ? $0 : nil }
  }

  /// The seconds of a time limit of any length; nil for another text, and for more than an Int of seconds.
  private static func total(ofTimeLimit text: String) -> Int? {
    guard isTimeLimit(text) else { return nil }
    let parts = text.split(separator: "-")
    let fields = (parts.last ?? "").split(separator: ":").map { Int($0) ?? .max }
    let scales: [Int]
    if parts.count == 2 {
      scales = [3600, 60, 1]
    } else {
      switch fields.count {
      case 1: scales = [60]
      case 2: scales = [60, 1]
      default: scales = [3600, 60, 1]
      }
    }
    var total = 0
    let days = parts.count == 2 ? [(Int(parts[0]) ?? .max, 86_400)] : []
    for (count, scale) in days + Array(zip(fields, scales)) {
      let (product, tooLarge) = count.multipliedReportingOverflow(by: scale)
      let (sum, overflow) = total.addingReportingOverflow(product)
      if tooLarge || overflow { return nil }
      total = sum
    }
    return total
  }
}

extension ValueRule {
  /// The name of a job: part of its output file's name.
  public static let jobName = word(marks: "._-+@", length: 1...128)
  public static let jobNumber = whole(0...2_147_483_647)
  /// A backend's id of a job, or ours.
  public static let jobID = word(marks: "._-+@", length: 1...128)
  public static let nodes = whole(1...65_536)
  public static let coresPerNode = whole(1...65_536)
  public static let gpusPerNode = whole(0...1024)
  /// Gigabytes.
  public static let memoryPerNode = whole(0...1_048_576)
  public static let licenses = word(marks: "_-.:@,|/=", length: 1...1024)
  public static let partition = word(marks: "_-.,+", length: 1...1024)
  /// The name of a connector's own option; which there are is the connector's to say.
  public static let optionName = word(marks: "-", length: 1...64)
  public static let optionValue = word(marks: " _.,:=+*/@%&|!?()[]-", length: 0...1024)
}
