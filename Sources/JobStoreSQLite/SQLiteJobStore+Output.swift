import Foundation
import GRDB
import JobModel
import JobStore
import Support

extension SQLiteJobStore {
  /// Where the kept output of a job is.
  func outputFile(_ id: JobID) -> String { directory.output + "/" + id.rawValue }

  package func keptOutput(of id: JobID) -> [UInt8]? { try? Files.read(outputFile(id), limit: .max) }

  package func keptOutputFile(of id: JobID) -> StoredFile? { (try? StoredFile(outputFile(id))) ?? nil }

  package func keep(output: [UInt8], of id: JobID) throws -> [UInt8] {
    if let kept = keptOutput(of: id) { return kept }
    try Files.write(output, to: outputFile(id))
    Checkpoint.reach("output.kept")
    let count = keptBytes.withLock { bytes in
      bytes = bytes.map { $0 + output.count }
      return bytes
    }
    if count.map({ $0 > outputLimit }) ?? true { try makeRoom() }
    return output
  }

  /// Counts what is kept, and if that is too much, removes a tenth of it and more, the oldest first: it is read from the
  /// backend again when somebody asks for it.
  private func makeRoom() throws {
    let output = URL(fileURLWithPath: directory.output)
    let known: [URLResourceKey] = [.fileSizeKey, .contentModificationDateKey]
    let files = try FileManager.default.contentsOfDirectory(at: output, includingPropertiesForKeys: known).map { file in
      let values = try? file.resourceValues(forKeys: Set(known))
      return (file: file, size: values?.fileSize ?? 0, date: values?.contentModificationDate ?? .distantPast)
    }
    var total = files.reduce(0) { $0 + $1.size }
    var removed: [String] = []
    if total > outputLimit {
      for (file, size, _) in files.sorted(by: { $0.date < $1.date }) where total > outputLimit / 10 * 9 {
        unlink(file.path)
        total -= size
        removed.append(file.lastPathComponent)
      }
    }
    keptBytes.withLock { $0 = total }
    guard !removed.isEmpty else { return }
    try write { [removed] db in
      for id in removed { try db.execute(sql: "UPDATE kept SET output = 0 WHERE job = ?", arguments: [id]) }
    }
  }
}
