import Foundation
import GRDB
import JobModel

extension JobStore {
  /// Where the archive of a job is, from before its row is written until its output is removed.
  func inputFile(_ id: JobID) -> String { directory.inputs + "/" + id.rawValue }

  /// The temporary name of an archive that is coming in.
  func newInputFile() -> String { directory.inputs + "/" + ULID.make(at: clock.date) + ".part" }

  /// Removes archives that came in part, or whose job was never written. Only before the first submit.
  func removeStrayInputs() throws {
    let names = try FileManager.default.contentsOfDirectory(atPath: directory.inputs)
    guard !names.isEmpty else { return }
    let stray = try database.read { db in try names.filter { try !Job.exists(db, key: $0) } }
    for name in stray { unlink(directory.inputs + "/" + name) }
  }
}
