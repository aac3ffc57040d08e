import Archives
import Foundation
import JobModel
import Support

/// An archive while it comes in: written to a file under a temporary name, checked and hashed on the way, in constant
/// memory. An actor on a queue of its own, since it waits for the disk.
actor InputWriter {
  private let path: String
  private let limit: Int
  private let limits: ArchiveLimits
  private let excess: JobError
  private let queue = QueueExecutor(label: "weir.input", mayBlock: true)
  private let digest = RunningDigest()
  private var checker: ArchiveChecker?
  private var fd: Int32 = -1
  private var size = 0

  nonisolated var unownedExecutor: UnownedSerialExecutor { queue.asUnownedSerialExecutor() }

  /// - Parameters:
  ///   - path: of a file that is not there.
  ///   - limit: bytes of the archive.
  ///   - limits: of what is in it.
  ///   - excess: what is thrown for more bytes, when that is not a refusal of the archive.
  init(to path: String, limit: Int, limits: ArchiveLimits, excess: JobError? = nil) {
    self.path = path
    self.limit = limit
    self.limits = limits
    self.excess = excess ?? .refused("the archive has more than \(limit) bytes")
  }

  deinit {
    if fd >= 0 {
      close(fd)
      unlink(path)
    }
  }

  /// Takes the next bytes.
  /// - Throws: ``JobError/refused(_:)`` as soon as it is known that the archive cannot be taken.
  func write(_ bytes: [UInt8]) throws(JobError) {
    if fd < 0 { try open() }
    size += bytes.count
    guard size <= limit else { throw excess }
    do throws(ArchiveFault) { try checker?.read(bytes) } catch { throw .refused(error.description) }
    digest.add(bytes)
    do throws(StoreError) { try Files.write(bytes, to: fd, path) } catch { throw .storage(error.summary) }
  }

  /// The archive is all there: it is on the disk when this returns, still under its temporary name.
  /// - Parameter entryPoint: a file that must be in it.
  func finish(entryPoint: String?) throws(JobError) -> JobInput {
    if fd < 0 { try open() }
    guard let checker else { throw .refused(ArchiveFault.notGzip.description) }
    let summary: ArchiveSummary
    do throws(ArchiveFault) { summary = try checker.finish(entryPoint: entryPoint) } catch {
      throw .refused(error.description)
    }
    self.checker = nil
    guard fsync(fd) == 0 else {
      throw .storage(StoreError.unwritable("\(path): \(String(cString: strerror(errno)))").summary)
    }
    return JobInput(
      sha256: digest.value, size: size, contents: summary.contents, entries: summary.entries,
      needsPax: summary.needsPax)
  }

  /// Gives the file its own name, by which it stays.
  func keep(as name: String) throws(StoreError) {
    try Files.rename(path, to: name)
    close(fd)
    fd = -1
  }

  private func open() throws(JobError) {
    do throws(ArchiveFault) { checker = try ArchiveChecker(limits: limits) } catch {
      throw .storage(error.description)
    }
    fd = Glibc.open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard fd >= 0 else {
      throw .storage(StoreError.unwritable("\(path): \(String(cString: strerror(errno)))").summary)
    }
  }
}
