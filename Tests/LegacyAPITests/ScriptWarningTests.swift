import Foundation
import JobModel
import Testing

@testable import LegacyAPI

@Suite("Lines of a script that nothing reads")
struct ScriptWarningTests {
  private func events(_ lines: [String], account: String = "JobId=58 JobState=PENDING\n") async throws -> String {
    let backend = StagedConnector()
    backend.change { $0.account = account }
    var text = ""
    try await Bench.run(backend) { bench in
      let job = try await bench.submit(script: Script.with(lines))
      let reply = try await bench.call("/events", job)
      #expect(reply.status == 200)
      text = try #require(
        try JSONSerialization.jsonObject(with: Data(reply.body), options: .fragmentsAllowed) as? String)
    }
    return text
  }

  @Test(
    "A name that is not known is warned about in /events, with the one that may be meant",
    arguments: [
      ("JOBOBJ_GPU=1", "JOBOBJ_GPU", "is JOBOBJ_GPUS meant?"),
      ("JOBOBJ_WALLTIMES=1", "JOBOBJ_WALLTIMES", "is JOBOBJ_WALLTIME meant?"),
      ("JOBOBJ_LICENCES=a", "JOBOBJ_LICENCES", "is JOBOBJ_LICENSES meant?"), ("JOBOBJ_MEMORY=1", "JOBOBJ_MEMORY", nil),
      ("JARVICE_CPU_CORE=1", "JARVICE_CPU_CORE", "is JARVICE_CPU_CORES meant?"),
      ("JOBOBJ_gpus=1", "JOBOBJ_gpus", "is JOBOBJ_GPUS meant?"),
    ] as [(String, String, String?)])
  func unknown(line: String, name: String, near: String?) async throws {
    let text = try await events([line])
    #expect(text.hasPrefix("JobId=58 JobState=PENDING\n"), "what the scheduler says comes first, unchanged")
    #expect(text.contains("warning: the script sets \(name), which Weir does not read"))
    #expect(text.contains("meant?") == (near != nil))
    if let near { #expect(text.contains(near)) }
  }

  @Test("What the upstream sends is known, and the scheduler's text is all there is")
  func known() async throws {
    let lines = [
      "JOBOBJ_ARCH=x86_64", "JOBOBJ_NAE=testapp", "JOBOBJ_REPO=a/b:c", "JOBOBJ_CTRSECRET=", "JOBOBJ_USER=kirby",
      "JOBOBJ_DOCKER_SECRET=", "JOBOBJ_DEVICES=[]", "JOBOBJ_GPUS=0", "JOBOBJ_RAM=1", "JOBOBJ_LICENSES=",
      "JOBOBJ_WALLTIME=00:05:00", "JARVICE_CMD=dHJ1ZQ==", "{DOWNSTREAM_PARAMETERS}",
      "JARVICE_CUSTOM=1", "export JOBOBJ_X=1", "# JOBOBJ_Y=1", "JOBOBJ_Z", "JOBOBJ_ q=1", "echo $JOBOBJ_GPU",
    ]
    #expect(try await events(lines, account: "what Slurm says") == "what Slurm says")
  }

  @Test("Each name is warned about once, and of many only the first ten")
  func many() async throws {
    let text = try await events((0..<1000).flatMap { ["JOBOBJ_X\($0)=1", "JOBOBJ_X\($0)=2"] })
    #expect(text.components(separatedBy: "warning: ").count == 1 + 10 + 1)
    #expect(text.contains("JOBOBJ_X9,") && !text.contains("JOBOBJ_X10,") && text.contains("more names"))
  }
}
