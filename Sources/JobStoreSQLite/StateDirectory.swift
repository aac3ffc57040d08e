import Foundation
import JobStore
import Support

/// The directory that holds everything Weir must not lose: the database, kept output, archives that jobs were submitted with, learnt host keys.
///
/// It belongs to the account that Weir runs as, and nobody else may look into it. It has to be on a local file system:
/// SQLite's log and the lock need shared memory and file locks that hold between all who use them.
public struct StateDirectory: Sendable {
  public let path: String

  var database: String { path + "/weir.sqlite" }
  var output: String { path + "/output" }
  var inputs: String { path + "/inputs" }
  var sealKey: String { path + "/seal.key" }
  fileprivate var lock: String { path + "/lock" }

  /// Makes the directory, or checks the one there is; what of it others may read is narrowed to 0700 and 0600.
  /// - Throws: ``StoreError`` when it, or something in it, belongs to somebody else, or cannot be made.
  public init(_ path: String) throws(StoreError) {
    self.path = path
    try Self.makeDirectory(path)
    try Self.makeDirectory(output, isInside: true)
    try Self.makeDirectory(inputs, isInside: true)
    for name in ["weir.sqlite", "weir.sqlite-wal", "weir.sqlite-shm", "lock", "known_hosts", "seal.key"] {
      let file = path + "/" + name
      guard let status = try Self.status(file) else { continue }
      guard status.st_mode & S_IFMT == S_IFREG else {
        throw .notOurs("\(file) is not a regular file: put the file itself there")
      }
      guard status.st_uid == geteuid() else { throw .notOurs(Self.foreign(file, status.st_uid, isInside: true)) }
      try Self.narrow(file, status, mode: 0o600)
    }
  }

  /// What is wrong with a directory, or with a file in one of Weir's own, that belongs to another account; with the command
  /// that mends it and takes nothing from a service that uses it.
  static func foreign(
    _ path: String, _ owner: uid_t, isInside: Bool, holdsStore: Bool = true, user: uid_t = geteuid(),
    name: (uid_t) -> String = Accounts.name
  ) -> String {
    let (file, us, them) = (quoted(path), quoted(name(user)), quoted(name(owner)))
    let fact = "\(path) belongs to \(name(owner)), and this process runs as \(name(user))"
    if isInside { return "\(fact); run `chown \(us) \(file)`" }
    // What root put there is a copy, or a directory made for Weir: Weir does not run as root where others can run it.
    if owner == 0 { return "\(fact); run `chown -R \(us) \(file)`" }
    if holdsStore { return "\(fact); run this command as \(name(owner)): `sudo -u \(them) weir ...`" }
    return "\(fact); run it as \(name(owner)), or name a directory inside it, which Weir makes"
  }

  private static func quoted(_ word: String) -> String {
    word.wholeMatch(of: /[A-Za-z0-9_.,:@%+=\/-]+/) != nil ? word : "'" + word.replacing("'", with: "'\\''") + "'"
  }

  /// Why the store in a directory cannot be read by this process, and what to do; nil when it can.
  public static func obstacle(toReading path: String) -> String? {
    let file = path + "/weir.sqlite"
    guard let reason = UnreadableFile.reason(file) else { return nil }
    var directory = stat()
    var store = stat()
    guard stat(path, &directory) == 0, stat(file, &store) == 0 || errno == EACCES else {
      return "there is no job store in \(path); name its directory with --state-dir"
    }
    let owner = Accounts.name(directory.st_uid)
    let way = directory.st_uid == geteuid() ? "" : "; run this command as \(owner): `sudo -u \(quoted(owner)) weir ...`"
    return "\(file) cannot be read: \(reason)\(way)"
  }

  /// What is wrong with the file system that the directory is on; nil for a local one.
  public var fileSystemWarning: String? {
    var status = stat()
    guard stat(path, &status) == 0, let mounts = FileManager.default.contents(atPath: "/proc/self/mountinfo") else {
      return nil
    }
    let device = "\((status.st_dev >> 8) & 0xfff):\((status.st_dev & 0xff) | ((status.st_dev >> 12) & 0xfff00))"
    return FileSystemKind(ofDevice: device, in: String(decoding: mounts, as: UTF8.self))?.warning(for: path)
  }

  private static func makeDirectory(_ path: String, isInside: Bool = false) throws(StoreError) {
    if try status(path) == nil {
      // What keeps it from making the directories above shows when the last is made.
      try? FileManager.default.createDirectory(
        atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
      guard mkdir(path, 0o700) == 0 else { throw failure("\(path) cannot be created", Int(errno)) }
    }
    // A symbolic link to a directory is fine: what it leads to counts.
    var status = stat()
    guard stat(path, &status) == 0 else { throw failure("\(path) cannot be used", Int(errno)) }
    guard status.st_mode & S_IFMT == S_IFDIR else { throw .notOurs("\(path) is not a directory") }
    guard status.st_uid == geteuid() else {
      // Without the right to look it may hold a store.
      var store = stat()
      let holdsStore = stat(path + "/weir.sqlite", &store) == 0 || errno == EACCES
      throw .notOurs(foreign(path, status.st_uid, isInside: isInside, holdsStore: holdsStore))
    }
    try narrow(path, status, mode: 0o700)
  }

  private static func status(_ path: String) throws(StoreError) -> stat? {
    var status = stat()
    if lstat(path, &status) == 0 { return status }
    guard errno == ENOENT else { throw failure("\(path) cannot be examined", Int(errno)) }
    return nil
  }

  private static func narrow(_ path: String, _ status: stat, mode: mode_t) throws(StoreError) {
    guard status.st_mode & 0o777 & ~mode != 0 else { return }
    guard chmod(path, mode) == 0 else {
      throw failure("other accounts can read \(path), and its mode cannot be changed", Int(errno))
    }
  }

  private static func failure(_ what: String, _ number: Int) -> StoreError {
    let words = number == 0 ? "" : ": " + String(cString: strerror(Int32(truncatingIfNeeded: number)))
    return [ENOSPC, EDQUOT, EROFS, EIO].contains(Int32(truncatingIfNeeded: number))
      ? .unwritable(what + words) : .unusable(what + words)
  }

  // MARK: The lock

  /// Takes the lock that lets one process at a time use the directory.
  /// - Returns: the lock, held until the process ends, however it ends; or who holds it.
  /// - Throws: ``StoreError`` when locking itself fails.
  public func takeLock() throws(StoreError) -> Claim {
    let fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard fd >= 0 else { throw Self.failure("\(lock) cannot be opened", Int(errno)) }
    if flock(fd, LOCK_EX | LOCK_NB) == 0 {
      // For people alone: the lock is what counts.
      let text = "process \(getpid()) on \(ProcessInfo.processInfo.hostName)"
      if ftruncate(fd, 0) == 0 { _ = text.withCString { pwrite(fd, $0, strlen($0), 0) } }
      return .held(StateDirectoryLock(fd))
    }
    let number = errno
    defer { close(fd) }
    guard number == EWOULDBLOCK else { throw Self.failure("\(lock) cannot be locked", Int(number)) }
    var bytes = [UInt8](repeating: 0, count: 256)
    let count = pread(fd, &bytes, bytes.count, 0)
    let holder = String(decoding: bytes.prefix(max(0, count)).filter { $0 >= 0x20 && $0 < 0x7f }, as: UTF8.self)
    return .heldBy(holder.isEmpty ? "another process" : holder)
  }

  /// What came of asking for the lock.
  public enum Claim: Sendable {
    case held(StateDirectoryLock)
    /// Who has it, in words.
    case heldBy(String)
  }
}

/// The right to use a state directory, for as long as it lives: an flock(2) on a file in it, which the kernel takes back
/// when the process is gone. A program that we start does not inherit it.
public final class StateDirectoryLock: Sendable {
  private let fd: Int32

  fileprivate init(_ fd: Int32) { self.fd = fd }
  deinit { close(fd) }
}
