import ConnectorAPI
import ConnectorSupport
import Foundation
import JobModel
import ScriptTemplates
import Shell

/// sbatch(1): the options of a job, each checked against its allowed values, and the meaning of its answer.
struct Sbatch {
  let submission: JobSpec
  let scratchDirectory: String

  /// Options of sbatch that a user may set; those that Weir sets itself, and those that name files or act as somebody
  /// else, are not among them.
  static let allowedOptions: Set<String> = [
    "account", "acctg-freq", "batch", "begin", "cluster-constraint", "constraint", "container", "core-spec",
    "cores-per-socket", "cpu-freq", "cpus-per-gpu", "cpus-per-task", "deadline", "delay-boot", "dependency",
    "distribution", "exclude", "extra-node-info", "gpu-bind", "gpu-freq", "gres", "gres-flags", "hint", "mail-type",
    "mail-user", "mcs-label", "mem-bind", "mem-per-cpu", "mem-per-gpu", "mincpus", "network", "nice", "nodelist",
    "ntasks-per-core", "ntasks-per-gpu", "ntasks-per-socket", "power", "prefer", "priority", "profile", "qos",
    "reservation", "signal", "sockets-per-node", "switches", "thread-spec", "threads-per-core", "time-min", "tmp",
    "wckey",
  ]

  /// The job's directory and output file, as seen from the home directory when no scratch directory is set.
  var directory: String { scratchDirectory.isEmpty ? ".jarvice" : scratchDirectory + "/.jarvice" }
  var outputPath: String { directory + "/" + submission.name + ".out" }

  /// - Throws: ``BackendError/refused(_:)`` naming the value that cannot be.
  func validate() throws(BackendError) {
    if let fault = submission.fault { throw .refused(fault) }
    for option in submission.options where !Self.allowedOptions.contains(option.name) {
      throw .refused(
        "sbatch_\(option.name) is not allowed; the README of the Slurm connector lists the allowed options")
    }
  }

  func arguments(_ mark: Mark) -> [String] {
    var arguments = [
      "sbatch", "--parsable", "--job-name=" + JobName.slurm(submission.name), "--output=" + outputPath,
      "--comment=" + Comment.text(mark), "--nodes=\(submission.nodes)",
      "--ntasks=\(submission.coresPerNode * submission.nodes)",
    ]
    if let memory = submission.memoryPerNode { arguments.append("--mem=\(memory)G") }
    if submission.gpusPerNode > 0 { arguments.append("--gpus-per-node=\(submission.gpusPerNode)") }
    if let limit = submission.timeLimit { arguments.append("--time=" + limit) }
    if let licenses = submission.licenses { arguments.append("--licenses=" + licenses) }
    if let partition = submission.partition { arguments.append("--partition=" + partition) }
    if submission.exclusive { arguments.append("--exclusive") }
    if submission.held { arguments.append("--hold") }
    return arguments + submission.options.map { "--\($0.name)=\($0.value)" }
  }

  /// The command that submits.
  /// - Parameters:
  ///   - limit: seconds after which it is ended on the cluster.
  ///   - isVetted: whether a submit of the same account has just gone well.
  func command(_ mark: Mark, limit: Int, isVetted: Bool) throws(BackendError) -> Command {
    try SlurmCommand.submitting(
      [isVetted ? "vetted" : "", scratchDirectory, submission.name + ".out", String(limit)] + arguments(mark))
  }

  /// The batch script, with the job's own script inside it.
  static func script(around body: String) throws(BackendError) -> String {
    do { return try SlurmScript.batch(body: body) } catch {
      throw .unavailable("the template of the batch script is wrong: \(error)")
    }
  }

  /// The job id that sbatch answered: its only line. Where a login shell or a plugin printed something beside it, it is
  /// not known which number is the id.
  static func jobID(in output: [UInt8]) -> String? {
    let lines = String(decoding: output, as: UTF8.self).split(whereSeparator: \.isNewline)
    guard lines.count == 1, let id = lines[0].split(separator: ";", omittingEmptySubsequences: false).first else {
      return nil
    }
    return !id.isEmpty && id.utf8.count <= 10 && id.utf8.allSatisfy { (48...57).contains($0) } ? String(id) : nil
  }

  /// Whether it certainly submitted nothing: it could not be started, or says itself that it reached no controller. The
  /// same words from anything else may be those of a wrapper that failed after slurmctld took the job.
  static func didNothing(_ result: CommandResult) -> Bool {
    guard result.signal == nil, result.stdout.isEmpty else { return false }
    if result.exitStatus == SlurmCommand.notTried { return true }
    let lines = result.message.split(separator: "\n")
    guard lines.count == 1, let line = lines.first else { return false }
    return result.exitStatus == 127 && line.contains("timeout: ") && line.contains("sbatch")
      || line.contains("Batch job submission failed: Unable to contact slurm controller (connect failure)")
  }

  /// What it means that sbatch failed with these words.
  static func failure(_ result: CommandResult) -> BackendError {
    let words = result.message
    if result.exitStatus == SlurmCommand.notTried { return .refused(words) }
    if result.exitStatus == 127 { return .unavailable("sbatch was not found on the cluster: \(words)") }
    // The request had been sent, and no answer came: slurmctld may have taken the job.
    // Ended by `timeout` (124), by a signal (128 and its number), or nobody knows how. Of itself sbatch ends with 1 or 255.
    let ended =
      result.signal != nil || result.exitStatus == 124 || (129...159).contains(result.exitStatus)
      || result.exitStatus < 0
    if ended || SlurmWords.lost.contains(where: words.contains) {
      return .interrupted("sbatch: " + (words.isEmpty ? "it was killed by a signal" : words))
    }
    return SlurmWords.failure(of: "sbatch", words)
  }
}

/// What Slurm's commands say when they fail.
enum SlurmWords {
  /// The request had been sent, and no answer came: slurmctld may have acted.
  static let lost = ["Socket timed out", "Zero Bytes were transmitted", "Insane message length", "Transport endpoint"]

  static func failure(of command: String, _ words: String) -> BackendError {
    let unreachable = [
      "Unable to contact slurm controller", "Connection refused", "standby mode", "Unable to establish",
      "temporarily unable", "Protocol authentication error", "Munge", "munge", "command not found",
      "controller is shutting down", "Connection timed out",
    ]
    let sentence = words.isEmpty ? "\(command) failed without a message" : "\(command): \(words)"
    if unreachable.contains(where: words.contains) { return .unavailable(sentence) }
    if lost.contains(where: words.contains) { return .interrupted(sentence) }
    if words.contains("Invalid job id") { return .notFound(sentence) }
    return .refused(sentence)
  }
}
