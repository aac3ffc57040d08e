import ConnectorAPI
import ConnectorSupport
import Foundation
import JobModel
import Shell

// Acting on one job, and reading what it wrote.
extension SlurmConnector: ReleasingConnector, DescribingConnector, OutputReadingConnector, OutputRemovingConnector,
  DirectoryListingConnector
{
  // MARK: Acting on a job

  public func cancel(_ job: Job) async throws(BackendError) { try await act("scancel", on: job) }
  public func release(_ job: Job) async throws(BackendError) { try await act("scontrol", "release", on: job) }

  /// Does something to the job itself, and not to another that got its id after Slurm was reset.
  private func act(_ words: String..., on job: Job) async throws(BackendError) {
    let id = try id(of: job)
    let command = try SlurmCommand.acting(words, id: id, on: job)
    let result = try await run(command, as: job.account)
    if result.exitStatus == SlurmCommand.withoutEffect { throw .interrupted(result.message) }
    guard result.succeeded else { throw SlurmWords.failure(of: words[0], result.message) }
  }

  public func describe(_ job: Job) async throws(BackendError) -> String {
    let id = try id(of: job)
    let name = JobName.slurm(job.name)
    let live = try await run(SlurmCommand.describing(["scontrol", "show", "job", id]), as: job.account)
    if live.succeeded {
      let text = live.text.trimmingSuffix(while: \.isWhitespace)
      // Not of another job that got the id after Slurm was reset.
      if text.contains("JobName=\(name)\n") || text.contains("weir:" + job.submissionToken) { return text }
      let known = try await controllers([id], as: job.account)
      if known.contains(where: { $0.report.shows(job) }) { return text }
    } else {
      let failure = SlurmWords.failure(of: "scontrol", live.message)
      guard case .notFound = failure else { throw asked(failure) }
    }
    // slurmctld has forgotten the job; accounting has not.
    let fields = "JobID,JobName,User,State,ExitCode,Submit,Start,End,Elapsed,NodeList"
    let past = try await run(
      SlurmCommand.describing(["sacct", "--jobs=" + id, "--name=" + name, "--parsable2", "--format=" + fields]),
      as: job.account)
    guard past.succeeded else { throw asked(SlurmWords.failure(of: "sacct", past.message)) }
    return past.text.trimmingSuffix(while: \.isWhitespace)
  }

  // MARK: Reading

  public func output(_ job: Job, lines: Int) async throws(BackendError) -> [UInt8] {
    guard let path = job.outputPath else { return [] }
    // A file is known not to be there only in a directory that can be entered; the submit has made that. The status is
    // that of the first tail too, which alone reads the file. CDPATH has no part in a path that begins with . or /.
    let script = try Command.checkedScript(
      """
      case $1 in /*) directory=${1%/*} ;; *) directory=./${1%/*} ;; esac
      cd -- "$HOME" && cd -- "$directory" || exit
      file=./${1##*/}
      [ -e "$file" ] || [ -L "$file" ] || exit 0
      if [ ! -f "$file" ]; then echo "$1 is not a regular file" >&2; exit 1; fi
      if [ ! -O . ] && [ ! -O "$file" ]; then echo "$1 is another user's file" >&2; exit 1; fi
      exec 4>&1
      status=$({ { tail -c "$2" < "$file"; echo "$?" >&3; } | tail -n "$3" >&4; } 3>&1) && exit "$status"
      """, [path, String(configuration.outputLimit), String(max(1, lines))])
    let result = try await run(script, as: job.account, stdoutLimit: configuration.outputLimit + 1024)
    guard result.succeeded else { throw .unavailable("the output of job \(job.key) cannot be read: \(result.message)") }
    return result.stdout
  }

  public func list(
    _ path: String, account: String?, roots: [String]
  ) async throws(BackendError) -> [DirectoryEntry] {
    let result = try await run(Listing.command(path, roots: roots), as: account ?? configuration.observer)
    return try Listing.entries(of: path, result)
  }

  /// Removes the output file as the mapped user, and only where this connector would write it: in `.jarvice` below the
  /// scratch or home directory, which is entered before it is checked, and is not a symbolic link to elsewhere.
  public func removeOutput(_ job: Job) async throws(BackendError) {
    guard let path = job.outputPath else { return }
    let file = job.name + ".out"
    let scratch = configuration.scratchDirectory
    guard ValueRule.jobName.accepts(job.name), path == (scratch.isEmpty ? "" : scratch + "/") + ".jarvice/" + file
    else {
      throw .refused("\(path) is not where Weir writes output now")
    }
    let script = try Command.checkedScript(
      """
      cd -- "${1:-$HOME}" && base=$(pwd -P) || exit
      cd -P -- ./.jarvice || exit
      if [ "$(pwd -P)" != "${base%/}/.jarvice" ]; then echo "$base/.jarvice is a symbolic link" >&2; exit 1; fi
      exec rm -f -- "./$2"
      """, [scratch, file])
    let result = try await run(script, as: job.account)
    guard result.succeeded else { throw .refused("\(path) cannot be removed: \(result.message)") }
  }
}

extension String {
  fileprivate func trimmingSuffix(while predicate: (Character) -> Bool) -> String {
    var end = endIndex
    while end > startIndex, predicate(self[index(before: end)]) { end = index(before: end) }
    return String(self[..<end])
  }
}
