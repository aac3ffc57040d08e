import ConnectorAPI
import Foundation
import JobEngine
import JobModel
import Shell
import Testing

@testable import SlurmConnector

/// What the login files of an account can export.
enum LoginEnvironment {
  /// The input variables of Slurm's commands, of 20.11 to 26.05.
  static let asking = """
    SQUEUE_ACCOUNT SQUEUE_ALL SQUEUE_ARRAY SQUEUE_FEDERATION SQUEUE_FORMAT SQUEUE_FORMAT2 SQUEUE_LICENSES SQUEUE_LOCAL
    SQUEUE_NAMES SQUEUE_PARTITION SQUEUE_PRIORITY SQUEUE_QOS SQUEUE_SIB SQUEUE_SIBLING SQUEUE_SORT SQUEUE_STATES
    SQUEUE_USERS SQUEUE_OF_2030 SACCT_FEDERATION SACCT_FORMAT SACCT_LOCAL SCANCEL_ACCOUNT SCANCEL_BATCH SCANCEL_CRON
    SCANCEL_CTLD SCANCEL_FULL SCANCEL_HURRY SCANCEL_INTERACTIVE SCANCEL_NAME SCANCEL_PARTITION SCANCEL_QOS
    SCANCEL_STATE SCANCEL_USER SCANCEL_VERBOSE SCANCEL_WCKEY SCONTROL_ALL SCONTROL_FEDERATION SCONTROL_FUTURE
    SCONTROL_LOCAL SCONTROL_SIB SCONTROL_SIBLING SINFO_PARTITION SLURM_CLUSTERS SLURM_BITSTR_LEN SLURM_JOB_ID
    SLURM_JOBID SLURM_ARRAY_JOB_ID SLURM_ARRAY_TASK_ID SLURM_DEBUG_FLAGS SLURM_WORKING_CLUSTER SLURM_NODELIST
    SLURM_CONF_OUT SLURM_TOPO_LEN SLURM_JSON SLURM_OF_2030
    """.split { " \n".contains($0) }.map(String.init)

  /// Those of sbatch, and of srun in its jobs, that must not reach either.
  static let submitting = """
    SBATCH_ACCTG_FREQ SBATCH_ARRAY_INX SBATCH_BATCH SBATCH_BURST_BUFFER SBATCH_CLUSTERS SBATCH_CONTAINER
    SBATCH_CORE_SPEC SBATCH_CPUS_PER_GPU SBATCH_DEBUG SBATCH_DELAY_BOOT SBATCH_DISTRIBUTION SBATCH_ERROR
    SBATCH_EXCLUSIVE SBATCH_EXPORT SBATCH_GET_USER_ENV SBATCH_GPUS SBATCH_GPUS_PER_NODE SBATCH_GRES SBATCH_HINT
    SBATCH_IGNORE_PBS SBATCH_INPUT SBATCH_JOB_NAME SBATCH_MEM_BIND SBATCH_MEM_PER_CPU SBATCH_MEM_PER_GPU
    SBATCH_MEM_PER_NODE SBATCH_NETWORK SBATCH_NO_KILL SBATCH_OPEN_MODE SBATCH_OUTPUT SBATCH_OVERCOMMIT SBATCH_POWER
    SBATCH_PROFILE SBATCH_REQ_SWITCH SBATCH_SIGNAL SBATCH_SPREAD_JOB SBATCH_THREADS_PER_CORE SBATCH_TIMELIMIT
    SBATCH_TRES_PER_TASK SBATCH_USE_MIN_NODES SBATCH_WAIT SBATCH_WAIT4SWITCH SBATCH_WAIT_ALL_NODES SBATCH_OF_2030
    SLURM_CLUSTERS SLURM_EXIT_ERROR SLURM_HINT SLURM_UMASK SLURM_JOB_ID SLURM_ARRAY_TASK_ID SLURM_HOSTFILE
    SLURM_MEM_PER_CPU SLURM_MEM_PER_GPU SLURM_MEM_PER_NODE SLURM_MEM_BIND SLURM_STDINMODE SLURM_STDOUTMODE
    SLURM_STDERRMODE SLURM_LABELIO SLURM_EXCLUSIVE SLURM_EXACT SLURM_IMMEDIATE SLURM_TEST_EXEC SLURM_SRUN_MULTI
    SLURM_PROLOG SLURM_EPILOG SLURM_TASK_PROLOG SLURM_TASK_EPILOG SLURM_BCAST SLURM_COMPRESS SLURM_WORKING_DIR
    SLURM_REMOTE_CWD SLURM_TIMELIMIT SLURM_WAIT SLURM_THREADS SLURM_OPEN_MODE SLURM_CONSTRAINT SLURM_DEPENDENCY
    SLURM_DEBUG SLURMD_DEBUG SLURM_UNBUFFEREDIO SLURM_RESV_PORTS SLURM_NTASKS SLURM_NPROCS SLURM_NNODES
    SLURM_NTASKS_PER_NODE SLURM_CPUS_PER_TASK SLURM_CPU_BIND SLURM_GPUS SLURM_GPUS_PER_TASK SLURM_STEP_GRES SLURM_GRES
    SLURM_DISTRIBUTION SLURM_EXPORT_ENV SLURM_NO_KILL SLURM_OVERCOMMIT SLURM_SIGNAL SLURM_THREADS_PER_CORE
    SRUN_CONTAINER SRUN_CPUS_PER_TASK SRUN_ERROR SRUN_EXPORT_ENV SRUN_INPUT SRUN_OUTPUT SRUN_OF_2030 SALLOC_WAIT
    """.split { " \n".contains($0) }.map(String.init)

  /// A site's or a user's defaults for where a job runs and who pays, and what is none of Slurm's.
  static let kept = [
    "SBATCH_ACCOUNT", "SBATCH_PARTITION", "SBATCH_QOS", "SBATCH_RESERVATION", "SBATCH_WCKEY", "SBATCH_CONSTRAINT",
    "SBATCH_REQUEUE", "SBATCH_NO_REQUEUE", "SLURM_CONF", "SLURM_JWT", "SLURM_MPI_TYPE", "SLURM_OVERLAP",
    "OMP_NUM_THREADS", "name", "line", "SQUEUELESS", "LANG",
  ]

  static let path = "@HOME@/bin:.:@HOME@:@SITE@:/usr/bin:/bin:"

  static var everything: [String: String] {
    var variables: [String: String] = [:]
    for name in asking + submitting + kept { variables[name] = "hostile" }
    // Lines inside a value that look like variables, a value of nothing, and functions as bash exports them.
    variables["SQUEUE_SORT"] = ""
    variables["MULTILINE"] = "one\nexport SQUEUE_USERS=x\nexport SQUEUE-no name\nexport 'quoted'\n"
    for name in ["squeue", "sacct", "scancel", "scontrol", "sbatch", "timeout"] {
      variables["BASH_FUNC_\(name)%%"] = "() { echo function \(name) >> \"$HOME/hijacked\"; }"
    }
    variables["PATH"] = path
    return variables
  }
}

@Suite("What login files export changes neither what Slurm is asked nor what it does", .serialized)
struct LoginEnvironmentTests {
  static let programs = ["squeue", "sacct", "scancel", "scontrol", "sbatch"]
  static let shells = ["/bin/dash", "/bin/bash", "/bin/busybox", "/usr/bin/zsh"].filter {
    FileManager.default.isExecutableFile(atPath: $0)
  }

  /// Every call of the connector, with programs that record their environment.
  private func callEverything(_ shell: String, accounting: Bool) async throws -> FakeSlurm {
    let slurm = try FakeSlurm(environment: LoginEnvironment.everything)
    try FileManager.default.createSymbolicLink(
      atPath: slurm.programs.appendingPathComponent("sh").path, withDestinationPath: shell)
    for name in Self.programs + ["id", "timeout", "find", "mkdir", "chmod"] {
      try slurm.write("#!/bin/sh\necho $0 >> \"$HOME/hijacked\"\n", to: "bin/" + name)
      let file = slurm.home.appendingPathComponent("bin/" + name).path
      try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file)
      guard Self.programs.contains(name) else { continue }
      let real = slurm.programs.appendingPathComponent(name)
      let text = try String(contentsOf: real, encoding: .utf8).replacingOccurrences(of: "#!/bin/sh\n", with: "")
      try slurm.program(name, "env -0 >> \"$HOME/env.\(name)\"; printf '\\001\\0' >> \"$HOME/env.\(name)\"\n\(text)")
    }
    if !accounting { try slurm.program("sacct", "echo 'Slurm accounting storage is disabled' >&2; exit 1") }
    let connector = slurm.connector
    // BusyBox has an id of its own, which knows that this may be root.
    if shell.hasSuffix("busybox") { connector.dialect.vetted("kirby") }
    #expect(try await connector.submit(slurm.submission, mark: Mark(token: "01TOKEN")) == "7")
    try slurm.write("7|RUNNING|weir:01TOKEN|jarvice_a|kirby\n", to: "queue")
    #expect(try await connector.snapshot(of: [slurm.job("7"), slurm.job("8", "b", token: "01B")]).reports.count == 1)
    _ = try? await connector.find(slurm.job("9", "c", token: "01C"), timeout: .seconds(10))
    _ = try? await connector.find(slurm.job(nil, "c", token: "01C"), timeout: .seconds(10))
    _ = try await connector.recover(since: Date() - 60)
    _ = try await connector.recover(JobKey(name: "a", number: 1), backendID: "7")
    try await connector.cancel(slurm.job("7"))
    #expect(slurm.text("canceled") == "7\n")
    _ = try? await connector.release(slurm.job("7"))
    _ = try? await connector.describe(slurm.job("7"))
    return slurm
  }

  private func environments(of program: String, in slurm: FakeSlurm) -> [[String: String]] {
    let text = slurm.text("env." + program) ?? ""
    return text.components(separatedBy: "\u{1}\0").dropLast().map { call in
      var variables: [String: String] = [:]
      for variable in call.split(separator: "\0") {
        let parts = variable.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        variables[String(parts[0])] = String(parts.last ?? "")
      }
      return variables
    }
  }

  @Test("In every shell, with accounting and without", arguments: shells.map { ($0, true) } + [("/bin/sh", false)])
  func environment(shell: String, accounting: Bool) async throws {
    let slurm = try await callEverything(shell, accounting: accounting)
    #expect(slurm.text("hijacked") == nil)
    for program in Self.programs where accounting || program != "sacct" {
      let calls = environments(of: program, in: slurm)
      #expect(!calls.isEmpty, "\(program) was not called")
      for call in calls {
        let left = call.keys.filter { LoginEnvironment.asking.contains($0) && program != "sbatch" }
        #expect(left.isEmpty, "\(program)")
        #expect(call["SLURM_CONF"] == "hostile" && call["SLURM_JWT"] == "hostile", "\(program)")
        if program != "sbatch" { #expect(["C"].contains(call["LC_ALL"]), "\(program)") }
      }
    }
    let sbatch = try #require(environments(of: "sbatch", in: slurm).first)
    #expect(sbatch.keys.filter(LoginEnvironment.submitting.contains).isEmpty)
    #expect(LoginEnvironment.kept.filter { sbatch[$0] != "hostile" }.isEmpty)
    #expect(sbatch["PATH"] == slurm.environment["PATH"] && sbatch["LC_ALL"] == nil && sbatch["TZ"] == nil)
    #expect(sbatch["MULTILINE"] == LoginEnvironment.everything["MULTILINE"])
  }

  @Test("Where Slurm's programs are only below the home directory, they are found there")
  func ownSlurm() async throws {
    let slurm = try FakeSlurm(environment: ["PATH": "@HOME@/slurm/bin:/nowhere"])
    try slurm.write("#!/bin/sh\necho found\n", to: "slurm/bin/squeue")
    try FileManager.default.setAttributes(
      [.posixPermissions: 0o755], ofItemAtPath: slurm.home.appendingPathComponent("slurm/bin/squeue").path)
    let command = try SlurmCommand.describing(["squeue"])
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = Array(command.arguments.dropFirst())
    process.environment = ["HOME": slurm.home.path, "PATH": slurm.home.path + "/slurm/bin:/nowhere"]
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    process.waitUntilExit()
    #expect(String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self) == "found\n")
  }
}

@Suite("A cancel is believed by what Slurm shows afterwards")
struct CancelTests {
  @Test("A scancel that does nothing and reports success is an error")
  func withoutEffect() async throws {
    let slurm = try FakeSlurm()
    try slurm.write("5|RUNNING|weir:01TOKEN|jarvice_a|kirby\n", to: "queue")
    try slurm.program("scancel", "exit 0")
    await #expect(throws: BackendError.self) { try await slurm.connector.cancel(slurm.job("5")) }
  }

  @Test("A job that squeue hides and scontrol shows is canceled")
  func hidden() async throws {
    let slurm = try FakeSlurm()
    try slurm.program("scontrol", "echo 'JobId=5 JobName=jarvice_a UserId=kirby(1) JobState=RUNNING'")
    try await slurm.connector.cancel(slurm.job("5"))
    #expect(slurm.text("canceled") == "5\n")
    try slurm.program("scontrol", "echo 'JobId=6 JobName=jarvice_other UserId=kirby(1) JobState=RUNNING'")
    await #expect(throws: BackendError.self) { try await slurm.connector.cancel(slurm.job("6")) }
  }
}
