import ConnectorAPI
import ConnectorSupport
import Foundation
import JobModel
import ScriptTemplates
import Shell

/// Every command that asks Slurm or tells it something is made here, so that none is without the clean beginning: no
/// variable, function or program of the account's login files changes what it asks or does.
enum SlurmCommand {
  /// A command whose times are seconds since 1970, whatever the cluster's zone and the account's own settings.
  static func asking(_ arguments: [String]) throws(BackendError) -> Command {
    try script(#"export TZ=UTC SLURM_TIME_FORMAT=%s; exec "$@""#, arguments)
  }

  /// Like ``asking(_:)``, with an empty line before what the command prints: what a login shell prints before that is then
  /// no part of its first field.
  static func askingBehindLineEnd(_ arguments: [String]) throws(BackendError) -> Command {
    try script(#"export TZ=UTC SLURM_TIME_FORMAT=%s; echo; exec "$@""#, arguments)
  }

  /// A command whose output is for people, with the cluster's times.
  static func describing(_ arguments: [String]) throws(BackendError) -> Command {
    try script(#"exec "$@""#, arguments)
  }

  /// A script that finds its arguments as `$1`, `$2`, ...
  static func script(_ body: StaticString, _ arguments: [String]) throws(BackendError) -> Command {
    try .checkedScript(SlurmCommandScript.question(body, name: "ask"), arguments)
  }

  /// Does something to a job by its id.
  static func acting(_ words: [String], id: String, on job: Job) throws(BackendError) -> Command {
    let times = job.submitTimes
    let seconds = [times.lowerBound, times.upperBound].map { String(Int($0.timeIntervalSince1970)) }
    return try .checkedScript(
      SlurmCommandScript.act,
      [id, "weir:" + job.submissionToken, JobName.slurm(job.name), job.account] + seconds + words)
  }

  /// Exit status of an action that the command reported as done and that Slurm does not show.
  static let withoutEffect: Int32 = 97

  /// Submits; see `templates/slurm/slurm-submit.sh`.
  static func submitting(_ arguments: [String]) throws(BackendError) -> Command {
    try .checkedScript(SlurmCommandScript.submit, arguments, startsJob: true)
  }

  /// Exit status of a submit that was refused before sbatch was called.
  static let notTried: Int32 = 96
}
