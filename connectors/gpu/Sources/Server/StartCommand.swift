import ConnectorAPI
import Foundation
import JobModel
import ScriptTemplates
import Shell

/// What a server is sent to start an attempt.
struct StartCommand {
  let job: Job
  let payload: JobPayload
  let spec: ServerSpec
  let root: String
  let machine: String
  /// Where its unpacked archive is, below `inputs`; empty without one.
  let input: String
  /// Who starts it; see ``RootOwner``.
  let owner: String

  private var submission: JobSpec { payload.submission }

  /// - Parameter grace: from TERM to KILL.
  func command(grace: Duration) throws(RunError) -> Command {
    let hasSecrets = submission.entryPoint == nil && submission.script != submission.shownScript
    let arguments = [
      root, GPUScript.wrapperHash, job.submissionToken, String(job.attempt), hasSecrets ? "1" : "0",
      String(submission.timeLimitSeconds ?? 0), String(max(1, grace.components.seconds)),
      submission.isJudgedByOutput ? "1" : "0", submission.joinsOutput ? "1" : "0", machine, owner,
      GPUScript.wrapperSum,
    ]
    do { return try Command.script(GPUScript.start, arguments, startsJob: true) } catch {
      throw .unavailable("\(error)")
    }
  }

  /// What start.sh reads from its standard input.
  var texts: [UInt8] {
    let texts = [
      ("job", about), ("environment", environment), ("preamble", spec.preamble), ("epilogue", spec.epilogue),
      ("place", place), ("script", submission.entryPoint == nil ? submission.script : GPUScript.entryPoint),
      ("shown", submission.shownScript), ("input", input),
    ]
    var bytes: [UInt8] = []
    for (name, text) in texts { bytes += "\(name)=\(ShellQuoting.quote(text))\n".utf8 }
    return bytes + "complete=1\n".utf8
  }

  /// What the job is, for a Weir whose store was lost.
  private var about: String {
    let lines = [
      "mark \(payload.mark)", "name \(job.name)", "account \(job.account)",
      "submitted \(Int(job.submittedAt.timeIntervalSince1970))",
    ]
    return lines.joined(separator: "\n") + "\n"
  }

  /// What it holds there.
  private var place: String {
    var lines = ["gpus \(indices)"]
    if job.devices.contains(where: { $0.uuid != nil }) {
      lines.append("uuids \(job.devices.map { $0.uuid ?? "" }.joined(separator: ","))")
    }
    if let needs = job.resources {
      lines.append("cores \(needs.cores)")
      if let memory = needs.memory { lines.append("memory \(memory)") }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private var indices: String { job.devices.map { String($0.index) }.joined(separator: ",") }

  private var environment: String {
    var variables = spec.environment.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    variables += submission.environment.map { ($0.name, $0.value) }
    variables += [
      // With this order CUDA's indices are nvidia-smi's.
      ("CUDA_DEVICE_ORDER", "PCI_BUS_ID"), ("CUDA_VISIBLE_DEVICES", indices), ("ROCR_VISIBLE_DEVICES", indices),
      ("HIP_VISIBLE_DEVICES", indices), ("BARE_GPU", indices), ("WEIR_GPUS", indices),
      ("WEIR_GPU_UUIDS", job.devices.compactMap(\.uuid).joined(separator: ",")), ("WEIR_JOB_NAME", job.name),
      ("WEIR_ATTEMPT", String(job.attempt)), ("PROCESS_PROCID", "0"), ("PROCESS_NODENAME", spec.name),
      ("JOB_JOBID", job.submissionToken), ("JOB_JOB_NODELIST", spec.name), ("JOB_JOB_FORMATED_NODELIST", spec.name),
      ("JOB_NNODES", "1"), ("JOB_NTASKS", "1"), ("JOB_GPUS_PER_NODE", String(submission.gpusPerNode)),
    ]
    if let entryPoint = submission.entryPoint { variables.append(("WEIR_ENTRYPOINT", entryPoint)) }
    return variables.map { "export \($0)=\(ShellQuoting.quote($1))\n" }.joined()
  }
}
