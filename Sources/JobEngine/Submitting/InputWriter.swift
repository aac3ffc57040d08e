import Archives
import JobModel
import JobStore
import Support

/// An archive while it comes in: written to a file under a temporary name, checked and hashed on the way, in constant
/// memory. An actor on a queue of its own, since it waits for the disk.
actor InputWriter {
  private let store: any JobStore
  private let limit: Int
  private let limits: ArchiveLimits
  private let excess: JobError
  private let queue = QueueExecutor(label: "weir.input", mayBlock: true)
  private let digest = RunningDigest()
  private var opened: (file: NewFile, checker: ArchiveChecker)?
  private var size = 0

  nonisolated var unownedExecutor: UnownedSerialExecutor { queue.asUnownedSerialExecutor() }

  /// - Parameters:
  ///   - store: which the file goes to; it is removed with this, unless it is kept.
  ///   - limit: bytes of the archive.
  ///   - limits: of what is in it.
  ///   - excess: what is thrown for more bytes, when that is not a refusal of the archive.
  init(to store: any JobStore, limit: Int, limits: ArchiveLimits, excess: JobError? = nil) {
    self.store = store
    self.limit = limit
    self.limits = limits
    self.excess = excess ?? .refused("the archive has more than \(limit) bytes")
  }

  /// Takes the next bytes.
  /// - Throws: ``JobError/refused(_:)`` as soon as it is known that the archive cannot be taken.
  func write(_ bytes: [UInt8]) throws(JobError) {
    let (file, checker) = try open()
    size += bytes.count
    guard size <= limit else { throw excess }
    do throws(ArchiveFault) { try checker.read(bytes) } catch { throw .refused(error.description) }
    digest.add(bytes)
    do { try file.write(bytes) } catch { throw .storage(error.summary) }
  }

  /// The archive is all there: it is on the disk when this returns, still under its temporary name.
  /// - Parameter entryPoint: a file that must be in it.
  func finish(entryPoint: String?) throws(JobError) -> JobInput {
    let (file, checker) = try open()
    let summary: ArchiveSummary
    do throws(ArchiveFault) { summary = try checker.finish(entryPoint: entryPoint) } catch {
      throw .refused(error.description)
    }
    do { try file.sync() } catch { throw .storage(error.summary) }
    return JobInput(
      sha256: digest.value, size: size, contents: summary.contents, entries: summary.entries,
      needsPax: summary.needsPax)
  }

  /// Makes it the archive of a job, which keeps it.
  func keep(of id: JobID) throws(StoreError) {
    guard let opened else { return }
    try store.keep(opened.file, of: id)
  }

  private func open() throws(JobError) -> (file: NewFile, checker: ArchiveChecker) {
    if let opened { return opened }
    let checker: ArchiveChecker
    do throws(ArchiveFault) { checker = try ArchiveChecker(limits: limits) } catch { throw .storage(error.description) }
    do throws(StoreError) {
      let opened = (file: try store.newInput(), checker: checker)
      self.opened = opened
      return opened
    } catch { throw .storage(error.summary) }
  }
}
