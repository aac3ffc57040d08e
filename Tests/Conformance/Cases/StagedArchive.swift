import Foundation
import JobModel

/// The archive that the suite stages: a tar.gz with the directory `data` and in it the file `in put`, which holds `staged`.
enum StagedArchive {
  static let bytes = Array(Data(base64Encoded: text) ?? Data())

  static let input = JobInput(
    sha256: "03d657bcd50a22e45548d37290771fce92ac4cb4fc7ad6d93c1b150c13fd6dd4", size: bytes.count, contents: 7,
    entries: 2,
    needsPax: false)

  private static let text =
    "H4sIAAAAAAACA+3RMQrDMAyFYc05hW9QK7Gt8xhcQpZSWuf+cdOlZOhUFwL/t0ho0uOVXPNF+vKNxbjP5jj3XScbLej7rl6DiYvy"
    + "B+uz5kd75RchP8OdRHn1v9zcfa1d+08hfOnfDv3rmJI4T//dtfTztQwCAAAAAAAAAAAAAAAA4Hw2+l5LcAAoAAA="
}
