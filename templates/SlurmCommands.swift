import Shell

/// The scripts that call Slurm's commands, from `slurm/`. Each begins by undoing what the account's login files change in
/// the meaning of these commands.
public enum SlurmCommandScript {
  /// A question, or an action on one job, that finds its arguments as `$1`, `$2`, ...
  /// - Parameter name: what the log calls it.
  public static func question(_ body: StaticString, name: String) -> ScriptText {
    script([PackageResources.slurm_ask_sh, Array(body.description.utf8)], name)
  }

  /// Acts on one job; its head lists its arguments.
  public static let act = script([PackageResources.slurm_ask_sh, PackageResources.slurm_act_sh], "act")

  /// Submits a job; its head lists its arguments.
  public static let submit = script([PackageResources.slurm_submit_sh], "submit")

  private static func script(_ parts: [[UInt8]], _ name: String) -> ScriptText {
    let bytes = ([PackageResources.slurm_begin_sh] + parts).joined(separator: [UInt8(ascii: "\n")])
    return ScriptText(trusted: String(decoding: Array(bytes), as: UTF8.self), name: "slurm-" + name)
  }
}
