import Foundation
import GRDB
import JobModel
import JobStore

extension SQLiteJobStore {
  /// Where the archive of a job is, from before its row is written until its output is removed.
  func inputFile(_ id: JobID) -> String { directory.inputs + "/" + id.rawValue }

  package func newInput() throws(StoreError) -> NewFile {
    try NewFile(directory.inputs + "/" + ULID.make(at: clock.date) + ".part")
  }

  package func keep(_ input: NewFile, of id: JobID) throws(StoreError) { try input.keep(as: inputFile(id)) }

  package func removeInput(of id: JobID) { unlink(inputFile(id)) }

  package func input(of id: JobID) throws(StoreError) -> StoredFile {
    do {
      if let file = try StoredFile(inputFile(id)) { return file }
    } catch {
      guard case .missing = error else { throw error }
      throw .missing("its archive in inputs/ of the state directory is not a regular file")
    }
    throw .missing("its archive is missing from inputs/ in the state directory")
  }

  package func removeStrayInputs() throws {
    let names = try FileManager.default.contentsOfDirectory(atPath: directory.inputs)
    guard !names.isEmpty else { return }
    let stray = try read { db in try names.filter { try !Job.exists(db, key: $0) } }
    for name in stray { unlink(directory.inputs + "/" + name) }
  }
}
