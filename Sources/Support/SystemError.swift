import Glibc

/// Errors of system calls (errno(3)).
public enum SystemError {
  /// The words of an error number, to go on a sentence with: `permission denied`.
  public static func text(_ number: Int32 = errno) -> String {
    // strerror(3) may be called by one thread at a time.
    var buffer = [CChar](repeating: 0, count: 256)
    guard strerror_r(number, &buffer, buffer.count) == 0 else { return "error \(number)" }
    let words = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return words.prefix(1).lowercased() + words.dropFirst()
  }
}
