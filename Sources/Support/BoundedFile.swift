import Glibc

/// The contents of a file that a setting names. Only a regular file is read, and only so many bytes of it: nothing is
/// waited for, and a wrong file does not fill the memory.
public enum BoundedFile {
  /// Why a file cannot be read, as the end of a sentence about it.
  public struct Unreadable: Error, Equatable, CustomStringConvertible {
    public let description: String
  }

  /// - Parameter most: the most bytes that the file may have.
  public static func read(_ path: String, most: Int) throws(Unreadable) -> [UInt8] {
    let file: OpenFile
    do throws(OpenFile.Failure) { file = try OpenFile(path) } catch {
      throw Unreadable(description: "cannot be read: \(error.reason)")
    }
    guard file.isRegular else { throw Unreadable(description: "is not a regular file") }
    guard file.size <= most else { throw tooLarge(most) }
    // The size that is shown may be wrong: files of some file systems have none.
    var bytes: [UInt8] = []
    while bytes.count <= most {
      let chunk = try next(of: file.descriptor, most: most + 1 - bytes.count)
      if chunk.isEmpty { return bytes }
      bytes += chunk
    }
    throw tooLarge(most)
  }

  private static func next(of file: Int32, most: Int) throws(Unreadable) -> [UInt8] {
    var count = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: min(most, 256 << 10)) { buffer, initialized in
      repeat { count = Glibc.read(file, buffer.baseAddress, buffer.count) } while count < 0 && errno == EINTR
      initialized = max(0, count)
    }
    guard count >= 0 else { throw Unreadable(description: "cannot be read: \(SystemError.text())") }
    return bytes
  }

  private static func tooLarge(_ most: Int) -> Unreadable { Unreadable(description: "has more than \(most) bytes") }
}

/// The files that settings name, and the most bytes that each may have.
public enum NamedFile {
  /// One secret: a password, a passphrase, a private key, the key of tokens.
  public static let secret = 64 << 10
  /// The users file: 8 000 users with keys of 500 bytes.
  public static let users = 8 << 20
  /// The servers file.
  public static let servers = 4 << 20
}
