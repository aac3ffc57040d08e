import Foundation
import ScriptTemplates
import Testing

/// A machine on which batch scripts run, with the real bash.
///
/// Its srun and scontrol are stand-ins: functions that bash takes from the environment, which do what is asked of them
/// here, one node after the other on this machine. The end-to-end tests run the same scripts under the real ones.
private final class Machine {
  let directory = FileManager.default.temporaryDirectory.appendingPathComponent("weir-test-\(UUID().uuidString)")
  var temporary: URL { directory.appendingPathComponent("tmp") }

  static let srun = """
    () {
      local tasks=1 task status=0
      while :; do
        case $1 in
        -n) tasks=$2; shift 2 ;;
        -N) shift 2 ;;
        -*) shift ;;
        *) break ;;
        esac
      done
      cat >"$MACHINE/stdin"
      for ((task = 0; task < tasks; task++)); do
        SLURM_PROCID=$task SLURMD_NODENAME=node$task "$@" <"$MACHINE/stdin" || status=$?
      done
      return "$status"
    }
    """
  static let scontrol = "() { [ \"$*\" = 'show hostnames node[0-1]' ] && printf 'node0\\nnode1\\n'\n}"

  init() throws {
    try FileManager.default.createDirectory(at: temporary, withIntermediateDirectories: true)
    for (name, body) in [("srun", Self.srun), ("scontrol", Self.scontrol)] {
      let file = directory.appendingPathComponent(name)
      try Data("#!/bin/bash\nrun \(body)\nrun \"$@\"\n".utf8).write(to: file)
      try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file.path)
    }
  }

  deinit { try? FileManager.default.removeItem(at: directory) }

  struct Outcome {
    let status: Int32
    let output: [UInt8]
    var lines: [String] { String(decoding: output, as: UTF8.self).split(separator: "\n").map(String.init) }
  }

  /// Runs a script as slurmd does: from a file, stdout and stderr in one place.
  func run(_ script: String, _ variables: [String: String] = [:], nodes: Int = 1) throws -> Outcome {
    let file = directory.appendingPathComponent("script")
    try Data(script.utf8).write(to: file)
    let output = directory.appendingPathComponent("output")
    try Data().write(to: output)
    let handle = try FileHandle(forWritingTo: output)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/bash")
    process.arguments = ["-c", "BATCH=$$ exec /bin/bash \"$1\"", "bash", file.path]
    process.environment = [
      // Functions of the login files, which must not take the place of the programs.
      "BASH_FUNC_srun%%": "() { exit 9; }", "BASH_FUNC_tee%%": "() { exit 9; }", "BASH_ENV": "/nonexistent/login",
      "PATH": directory.path + ":/usr/bin:/bin", "TMPDIR": temporary.path, "MACHINE": directory.path,
      "SLURM_NNODES": String(nodes), "SLURM_JOB_ID": "58", "SLURM_JOB_NODELIST": "node[0-1]",
      "SLURM_SUBMIT_DIR": "/home/k irby",
    ].merging(variables) { $1 }
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = handle
    process.standardError = handle
    try unblockingSignals { try process.run() }
    process.waitUntilExit()
    return Outcome(status: process.terminationStatus, output: [UInt8](try Data(contentsOf: output)))
  }

  /// A program inherits the signals that are blocked where it was started, and Dispatch's threads block most.
  private func unblockingSignals(_ body: () throws -> Void) rethrows {
    var none = sigset_t()
    var before = sigset_t()
    sigemptyset(&none)
    pthread_sigmask(SIG_SETMASK, &none, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    try body()
  }

  /// Runs the batch script around a body.
  func submit(_ body: String, _ variables: [String: String] = [:], nodes: Int = 1) throws -> Outcome {
    try run(SlurmScript.batch(body: body), variables, nodes: nodes)
  }

  var leftovers: [String] { (try? FileManager.default.contentsOfDirectory(atPath: temporary.path)) ?? ["?"] }
}

@Suite("The batch script, run by bash")
struct BatchScriptTests {
  /// Copies the script that runs, as it arrived, and ends it before the rest of its text.
  static let copying = "cat \"$0\" >\"$MACHINE/copy.$PROCESS_PROCID\"; exit\n"

  /// A body, shown in the test's report by its name alone.
  struct Body: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let text: String

    init(_ name: String, _ text: String) {
      testDescription = name
      self.text = text
    }
  }

  static let bodies = [
    Body("quotes", "it's \"quoted\" '\"'\"' ''' \\' \\\" ! # ~ * ? [a] <<X\n"),
    Body("expansions", "$HOME ${x} $(z) `y` $((1+1)) $$ $'\\n' \\ \\\\ \\\\\\\n\\\n"),
    Body("templates", "{{name}} {{{name}}} {{#x}} {DOWNSTREAM_PARAMETERS} {{! }}\n"),
    Body("blank lines and blanks", "\n\n \t \n  indented\n\ttabbed  \n\n\n"),
    Body("no line end", "the last line"),
    Body("CR LF", "a\r\nb\r\n\r\n"),
    Body("a lone CR", "a\rb\n"),
    Body(
      "every scalar below U+0300 but NUL",
      String(String.UnicodeScalarView((1..<0x300).compactMap(Unicode.Scalar.init))) + "\n"
    ),
    Body(
      "every control character but NUL and CR",
      String(String.UnicodeScalarView((1..<0xa0).filter { $0 != 13 }.compactMap(Unicode.Scalar.init))) + "\n"
    ),
    Body("NUL", "a\0b\n"),
    Body("Unicode", "\u{1F600}\u{e9}\u{65}\u{301}\u{2028}\u{2029}\u{feff}\u{fffd}\u{10ffff}\u{202e}\n"),
    Body("the delimiter as a line", "a\nEND_OF_SCRIPT\nb\n"),
    Body("the delimiter at the end", "a\nEND_OF_SCRIPT"),
    Body("the delimiter in a line", " END_OF_SCRIPT\nEND_OF_SCRIPT \nEND_OF_SCRIPT2\n"),
    Body("a line of 200 kB", String(repeating: "x", count: 200_000) + "\n"),
    Body("a megabyte", String(repeating: "echo 'some text' \u{e9} $x \\\n", count: 40_000)),
    Body("a megabyte with CR LF", String(repeating: "echo 'some text'\r\n", count: 60_000)),
  ]

  @Test("Any body arrives on each node byte for byte", arguments: bodies)
  func bytes(rest: Body) throws {
    let machine = try Machine()
    let body = Self.copying + rest.text
    let outcome = try machine.submit(body, nodes: 2)
    for node in 0..<2 {
      let copy = FileManager.default.contents(atPath: machine.directory.path + "/copy.\(node)")
      let isEqual = copy.map { Array($0) == Array(body.utf8) }
      #expect(isEqual == true, "\(copy?.count ?? -1) of \(body.utf8.count) bytes; \(outcome.lines.prefix(9))")
    }
    #expect(machine.leftovers.isEmpty)
  }

  @Test("sbatch takes no script with CR LF: there is none, whatever the body")
  func noCarriageReturn() throws {
    let body = String(repeating: "echo 'some text'\r\n", count: 20)
    #expect(try !SlurmScript.batch(body: body).utf8.contains(UInt8(ascii: "\r")))
  }

  @Test("An empty body is a script that says nothing") func empty() throws {
    let machine = try Machine()
    #expect(try machine.submit("").status == 1)
  }

  @Test(
    "The job ends well if the script says so, and only then",
    arguments: [
      ("echo JARVICE_CMD_SUCCESS", true),
      ("printf JARVICE_CMD_SUCCESS", true),
      ("echo JARVICE_CMD_SUCCESS >&2", true),
      ("echo JARVICE_CMD_SUCCESS; exit 3", true),
      ("echo JARVICE_CMD_SUCCESS; kill -9 $$", true),
      ("set -x\n/bin/echo JARVICE_CMD_SUCCESS", true),
      ("[ \"$PROCESS_PROCID\" = 0 ] && echo JARVICE_CMD_SUCCESS", true),
      ("[ \"$PROCESS_PROCID\" = 1 ] && echo JARVICE_CMD_SUCCESS", true),
      ("printf '\\377\\0\\303 '; echo JARVICE_CMD_SUCCESS", true),
      ("head -c 3000000 /dev/zero | tr '\\0' x; echo; echo JARVICE_CMD_SUCCESS", true),
      ("yes JARVICE_CMD_SUCCESS | head -n 100000", true),
      ("echo JARVICE_CMD_FAILURE", false),
      ("true", false),
      ("exit 0", false),
      ("exit 3", false),
      ("echo jarvice_cmd_success JARVICE_CMD SUCCESS", false),
      ("set -x\n/bin/echo JARVICE_CMD_SUCCESS >/dev/null", false),
      ("set -x\nx=$(/bin/echo JARVICE_CMD_SUCCESS >/dev/null)", false),
      ("echo 'GoTTY is starting with command: bash -c echo JARVICE_CMD_SUCCESS'", false),
      ("head -c 3000000 /dev/urandom", false),
    ])
  func verdict(body: String, isSuccess: Bool) throws {
    for end in ["\n", ""] {
      let machine = try Machine()
      let outcome = try machine.submit(body + end, nodes: 2)
      #expect(outcome.status == (isSuccess ? 0 : 1))
      let last = isSuccess ? "JARVICE Job completed OK\n" : "JARVICE Job failed, investigate logs\n"
      #expect(outcome.output.suffix(last.utf8.count) == Array(last.utf8)[...])
      #expect(machine.leftovers.isEmpty)
    }
  }

  @Test("The output has its lines in their order, nothing added and nothing kept back")
  func order() throws {
    let machine = try Machine()
    let outcome = try machine.submit(
      """
      set -x
      /bin/echo "$PROCESS_PROCID" one
      /bin/echo "GoTTY is starting with command"
      /bin/echo JARVICE_CMD_SUCCESS

      """, nodes: 2)
    let lines = outcome.lines
    #expect(lines.first?.hasPrefix("Hello from ") == true && lines.first?.count ?? 0 > 11)
    let node = { (number: String) in
      [
        "+ /bin/echo \(number) one", "\(number) one", "+ /bin/echo 'GoTTY is starting with command'",
        "GoTTY is starting with command", "+ /bin/echo JARVICE_CMD_SUCCESS", "JARVICE_CMD_SUCCESS",
      ]
    }
    #expect(
      Array(lines.dropFirst())
        == ["Entering parallel region"] + node("0") + node("1") + ["JARVICE Job completed OK"])
  }

  @Test("Output of any bytes goes to the job's output as it is")
  func binaryOutput() throws {
    let machine = try Machine()
    let outcome = try machine.submit("printf '\\377\\0\\001\\r\\033[0m\\n'; echo JARVICE_CMD_SUCCESS\n")
    let marker: [UInt8] = [0xff, 0, 1, 0x0d, 0x1b, 0x5b, 0x30, 0x6d, 0x0a]
    #expect(Data(outcome.output).range(of: Data(marker)) != nil)
  }

  @Test("The body finds what it may use in its environment")
  func variables() throws {
    let machine = try Machine()
    let outcome = try machine.submit(
      "env | grep -E '^(PROCESS|JOB)_' | sort\n", ["SLURM_NTASKS": "16", "SLURM_GPUS_PER_NODE": "a100:2"], nodes: 2)
    let expected = { (node: Int) in
      [
        "JOB_GPUS_PER_NODE=a100:2", "JOB_JOBID=58", "JOB_JOB_FORMATED_NODELIST=node0 node1",
        "JOB_JOB_NODELIST=node[0-1]", "JOB_NNODES=2", "JOB_NTASKS=16", "JOB_SUBMIT_DIR=/home/k irby",
        "PROCESS_NODENAME=node\(node)", "PROCESS_PROCID=\(node)",
      ]
    }
    #expect(Array(outcome.lines.dropFirst(2).dropLast()) == expected(0) + expected(1))
  }

  @Test("Without a count of tasks there is one on each node")
  func tasks() throws {
    let machine = try Machine()
    #expect(try machine.submit("echo \"tasks=$JOB_NTASKS\"\n", nodes: 2).lines.contains("tasks=2"))
  }

  @Test("The body's standard input is empty, and it inherits no file of ours by name", arguments: ["\n", ""])
  func standardInput(end: String) throws {
    let machine = try Machine()
    let outcome = try machine.submit("cat; echo \"script=[$script]\"" + end)
    #expect(Array(outcome.lines.dropFirst(2)) == ["script=[]", "JARVICE Job failed, investigate logs"])
  }

  @Test("A canceled job leaves nothing in the temporary directory, and does not call itself done")
  func canceled() throws {
    let machine = try Machine()
    let outcome = try machine.submit("echo JARVICE_CMD_SUCCESS; kill -TERM \"$BATCH\"; sleep 0.1\n")
    #expect(outcome.status != 0 && !outcome.lines.contains("JARVICE Job completed OK"))
    #expect(machine.leftovers.isEmpty)
  }

  @Test("Without a place for temporary files the job fails, and says why")
  func noTemporaryDirectory() throws {
    let machine = try Machine()
    let outcome = try machine.submit("echo JARVICE_CMD_SUCCESS\n", ["TMPDIR": "/nonexistent"])
    #expect(outcome.status == 1)
    #expect(outcome.lines.contains { $0.contains("/nonexistent") })
  }
}

@Suite("The parameters of the downstream, read by bash")
struct DownstreamParametersTests {
  /// The environment after the rendered text.
  private func environment(_ parameters: DownstreamParameters, _ variables: [String: String] = [:]) throws
    -> [String: String]
  {
    let outcome = try Machine().run(try parameters.render(masked: false) + "\nexec env -0\n", variables)
    let pairs = outcome.output.split(separator: 0).map { pair in
      pair.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
        .map { String(decoding: $0, as: UTF8.self) }
    }
    return Dictionary(pairs.map { ($0[0], $0.count > 1 ? $0[1] : "") }) { $1 }
  }

  private func decoded(_ text: String?) -> String? {
    text.flatMap { Data(base64Encoded: $0) }.map { String(decoding: $0, as: UTF8.self) }
  }

  @Test("Every name of the contract is there, with its value")
  func names() throws {
    var parameters = DownstreamParameters()
    parameters.scratchDirectory = "/scratch/"
    parameters.globalScratchDirectory = "/global/"
    parameters.appIsInGlobalRegistries = true
    parameters.singularityDirectory = "/var/tmp"
    parameters.overlaySize = 0
    parameters.initCredentials = .init(username: "init", password: "init's")
    parameters.appCredentials = .init(username: "app", password: "app's")
    parameters.initImage = "docker://r/initv2:latest"
    parameters.appImage = "docker://r/app"
    parameters.command = "ZWNobw=="
    parameters.verbose = true
    parameters.httpProxy = "http://p:1"
    parameters.httpsProxy = "http://p:2"
    parameters.noProxy = "localhost,.example.com"
    let found = try environment(parameters, ["USER": "kirby"])
    let expected = [
      "JARVICE_JOB_SCRATCH_DIR": "/scratch/", "JARVICE_JOB_GLOBAL_SCRATCH_DIR": "/global/",
      "JARVICE_JOB_APP_IS_IN_GLOBAL_REGISTRIES": "True", "SINGULARITYENV_JARVICE_SERVICE_PORT": "2228",
      "SINGULARITYENV_JARVICE_SSH_PORT": "2227", "JARVICE_SINGULARITY_TMPDIR": "/var/tmp", "JOB_LOCAL_USER": "kirby",
      "JARVICE_SINGULARITY_OVERLAY_SIZE": "0", "JARVICE_APP_IMAGE": "docker://r/app",
      "JARVICE_INIT_IMAGE": "docker://r/initv2:latest", "JARVICE_CMD": "ZWNobw==", "SV_FLAG": "-v",
      "SCHTTP_PROXY": "http://p:1", "SCHTTPS_PROXY": "http://p:2", "SCNO_PROXY": "localhost,.example.com",
    ]
    for (name, value) in expected { #expect(found[name] == value, "\(name)") }
    #expect(found["SV"] != nil)
    #expect(decoded(found["JARVICE_INIT_DOCKER_USERNAME"]) == "init")
    #expect(decoded(found["JARVICE_INIT_DOCKER_PASSWORD"]) == "init's")
    #expect(decoded(found["JARVICE_DOCKER_USERNAME"]) == "app")
    #expect(decoded(found["JARVICE_DOCKER_PASSWORD"]) == "app's")
  }

  @Test("The flag of singularity is quiet unless asked otherwise, and the local user is asked for when not known")
  func standards() throws {
    let found = try environment(DownstreamParameters())
    #expect(found["SV_FLAG"] == "-s" && found["JARVICE_DOCKER_PASSWORD"] == "")
    #expect(found["JARVICE_JOB_APP_IS_IN_GLOBAL_REGISTRIES"] == "False")
    #expect(found["JOB_LOCAL_USER"]?.isEmpty == false)
  }

  @Test(
    "A value arrives as it is",
    arguments: [
      "it's", "\"", "$HOME", "$(touch x)`touch x`", "\\", "\\'\\", "!", "a b", " a ", "a\nb\n", "\r", "\t", "#x", "~",
      "*", "=x", "-n", "{{verbose}}", "{a,b}", "a;b&c|d>e<f", "\u{1F600}\u{e9}\u{2028}", "\u{1}\u{7f}", "",
      String(repeating: "x", count: 5000),
    ])
  func values(value: String) throws {
    var parameters = DownstreamParameters()
    parameters.scratchDirectory = value
    parameters.appImage = value
    parameters.command = value
    parameters.httpProxy = value
    parameters.noProxy = value
    parameters.appCredentials = .init(username: value, password: value)
    let found = try environment(parameters)
    for name in ["JARVICE_JOB_SCRATCH_DIR", "JARVICE_APP_IMAGE", "JARVICE_CMD", "SCHTTP_PROXY", "SCNO_PROXY"] {
      #expect(found[name].map { Array($0.utf8) } == Array(value.utf8), "\(name)")
    }
    #expect(decoded(found["JARVICE_DOCKER_USERNAME"]) == value)
    #expect(decoded(found["JARVICE_DOCKER_PASSWORD"]) == value)
  }

  @Test(
    "What is shown holds no password, nor base64 of one, and is otherwise the same",
    arguments: [
      "http://me:hunter2@proxy:3128", "http://hunter2@proxy", "me:hunter2@proxy:3128", "http://me:p@hunter2@proxy:3128",
    ])
  func masked(proxy: String) throws {
    var parameters = DownstreamParameters()
    parameters.initCredentials = .init(username: "init", password: "init-hunter2")
    parameters.appCredentials = .init(username: "app", password: "app-hunter2")
    parameters.httpProxy = proxy
    parameters.httpsProxy = proxy
    let shown = try parameters.render(masked: true).split(separator: "\n")
    let real = try parameters.render(masked: false).split(separator: "\n")
    let text = shown.joined(separator: "\n")
    #expect(!text.contains("hunter2"))
    for password in ["init-hunter2", "app-hunter2"] {
      #expect(!text.contains(Data(password.utf8).base64EncodedString()))
    }
    let changed = zip(shown, real).filter { $0 != $1 }.map { $0.0.prefix { $0 != "=" } }
    #expect(
      changed == [
        "export JARVICE_INIT_DOCKER_PASSWORD", "export JARVICE_DOCKER_PASSWORD", "export SCHTTP_PROXY",
        "export SCHTTPS_PROXY",
      ])
  }
}
