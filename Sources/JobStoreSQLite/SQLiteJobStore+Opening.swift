import Foundation
import GRDB
import JobStore

extension SQLiteJobStore {
  /// Brings the database of a directory to its present form, so that it can be opened: makes it where there is none,
  /// and refuses one that is damaged or newer than the program.
  static func prepare(_ directory: StateDirectory) throws {
    let path = directory.database
    if !FileManager.default.fileExists(atPath: path) {
      let log = try? FileManager.default.attributesOfItem(atPath: path + "-wal")[.size] as? UInt64
      guard log ?? 0 == 0 else {
        throw StoreError.damaged("the file is missing, and its log weir.sqlite-wal exists")
      }
      try make(path)
    }
    let size = try checkHead(of: path)
    let queue = try DatabaseQueue(path: path, configuration: configuration)
    defer { try? queue.close() }
    if size <= quickSize, let fault = try queue.read({ try faults($0, quick: true) }).first {
      throw StoreError.damaged(fault)
    }
    let missing = try queue.read { try Schema.missing($0) }
    if let next = missing.first {
      let copy = path + ".before-" + next
      // A copy that is there was made before an earlier try at the same change.
      if !FileManager.default.fileExists(atPath: copy) { try self.copy(queue, to: copy) }
      try Schema.migrator.migrate(queue)
      if missing.contains("limits") { try countOutputs(in: directory, queue) }
    }
  }

  /// Makes a new database beside its place and moves it there once it is whole: so a file that is not whole was damaged.
  private static func make(_ path: String) throws {
    let new = path + ".new"
    for file in [new, new + "-wal", new + "-shm", new + "-journal"] { unlink(file) }
    let fd = open(new, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard fd >= 0 else {
      throw StoreError.unwritable("\(new) cannot be created: \(String(cString: strerror(errno)))")
    }
    close(fd)
    let queue = try DatabaseQueue(path: new, configuration: configuration)
    try Schema.migrator.migrate(queue)
    try queue.close()
    try Files.rename(new, to: path)
  }

  /// Databases up to this many bytes are looked through before they are used; larger ones while they are in use, since
  /// that takes seconds.
  static let quickSize: UInt64 = 16 << 20

  /// Refuses a file that SQLite would take for something else: an empty one it would make a new database of.
  /// - Returns: its size in bytes.
  private static func checkHead(of path: String) throws -> UInt64 {
    guard let file = FileHandle(forReadingAtPath: path) else { throw StoreError.unusable("\(path) cannot be read") }
    defer { try? file.close() }
    let head = try file.read(upToCount: 16) ?? Data()
    guard head == Data("SQLite format 3\0".utf8) else {
      throw StoreError.damaged(head.isEmpty ? "the file is empty" : "the file is not a SQLite database")
    }
    return try file.seekToEnd()
  }

  /// What SQLite finds wrong with the form of a database; none when it is whole.
  /// - Parameter quick: without comparing the indexes with their tables.
  static func faults(_ db: Database, quick: Bool) throws -> [String] {
    let pragma = quick ? "PRAGMA quick_check(10)" : "PRAGMA integrity_check(100)"
    return try String.fetchAll(db, sql: pragma).filter { $0 != "ok" }
  }

  package var isLarge: Bool {
    let size = try? FileManager.default.attributesOfItem(atPath: directory.database)[.size] as? UInt64
    return size ?? 0 > Self.quickSize
  }

  package func quickCheck() async throws -> [String] {
    try await read { db in try Self.faults(db, quick: true) }
  }

  /// Writes a whole copy of a database, as it is at one moment, to a file that is not there yet; readable by us alone.
  static func copy(_ reader: some DatabaseReader, to path: String) throws {
    let partial = path + ".partial"
    unlink(partial)
    defer { unlink(partial) }
    let fd = open(partial, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard fd >= 0 else {
      throw StoreError.unwritable("\(partial) cannot be created: \(String(cString: strerror(errno)))")
    }
    defer { close(fd) }
    // Into an empty file VACUUM INTO writes, into any other it does not.
    try reader.unsafeRead { db in try db.execute(sql: "VACUUM INTO ?", arguments: [partial]) }
    guard fsync(fd) == 0 else { throw StoreError.unwritable(String(cString: strerror(errno))) }
    guard link(partial, path) == 0 else {
      throw errno == EEXIST
        ? StoreError.unusable("\(path) already exists, and is not overwritten")
        : StoreError.unwritable("\(path) cannot be created: \(String(cString: strerror(errno)))")
    }
    try Files.syncDirectory(of: path)
  }
}
