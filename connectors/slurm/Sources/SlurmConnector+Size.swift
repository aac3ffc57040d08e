import ConnectorAPI
import ConnectorSupport
import JobModel
import Shell

extension SlurmConnector {
  /// How many bytes the output file of a job has; nil when there is none.
  public func outputSize(_ job: Job) async throws(BackendError) -> Int? {
    guard let path = job.outputPath else { return nil }
    let script = try Command.checkedScript(
      """
      cd -- "$HOME" && cd -- "${1%/*}" || exit
      file=./${1##*/}
      [ -f "$file" ] || exit 0
      wc -c < "$file"
      """, [path])
    let result = try await run(script, as: job.account, stdoutLimit: 1024)
    guard result.succeeded else { throw .unavailable("the output of job \(job.key) cannot be read: \(result.message)") }
    let words = String(decoding: result.stdout, as: UTF8.self).split(whereSeparator: \.isWhitespace)
    return words.first.flatMap { MachineNumber.count($0, upTo: 1 << 62) }
  }
}
