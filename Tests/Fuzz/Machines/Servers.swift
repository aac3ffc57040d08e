import ConnectorAPI
import Foundation
import SSH
import Support

private let healthy = "01J00000000000000000000001"
private let hostile = "01J00000000000000000000002"

private func bytes(_ lines: [String]) -> [UInt8] { Array(lines.map { $0 + "\n" }.joined().utf8) }

/// The lines of the input, as a record of a job could hold them.
private func text(_ input: [UInt8]) -> String { String(decoding: input, as: UTF8.self) }

/// What sweep.sh says of two attempts, one of which is the input's. A whole answer is exactly what was asked for, and its
/// times are bounded.
func sweepProperty(_ input: [UInt8]) {
  let asked = [AttemptID(job: healthy, number: 1), AttemptID(job: hostile, number: 1)]
  let good = "\(healthy) 1 running 4711 123456 boot 1700000000"
  for output in [input, bytes(["now 1700000060", "boot b", good, "\(hostile) 1 " + text(input)])] {
    for asksSMI in [false, true] {
      guard let answer = try? SweepAnswer(output, asked: asked, asksSMI: asksSMI) else { continue }
      claim(Set(answer.attempts.keys) == Set(asked), "other attempts than were asked for")
      claim(answer.now.timeIntervalSince1970 <= TimeInterval(MachineNumber.lastSecond), "a time after the year 9999")
    }
  }
}

/// What list.sh says of the directories of jobs.
func listProperty(_ input: [UInt8]) {
  for output in [
    input, bytes(["job \(healthy)", "= name a", "= \(text(input))", "attempt 1", "+ gpus \(text(input))"]),
  ] {
    guard let answer = try? ListAnswer(output) else { continue }
    for entry in answer.entries { claim(JobToken.isOne(entry.job), "a job that is none") }
  }
}

/// What nvidia-smi prints: the first byte is its status, the rest its lines. A GPU that is read has bounded numbers.
func smiProperty(_ input: [UInt8]) {
  let status = Int(input.first ?? 0)
  let halves = input.dropFirst().split(separator: 0, maxSplits: 1, omittingEmptySubsequences: false)
  let lines = halves.map { half in
    text(Array(half)).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
  }
  let gpu = "0, GPU-00000000-0000-0000-0000-000000000000, 00000000:01:00.0, NVIDIA H100, 10, 81559, 30, 5"
  let apps = lines.dropFirst().first ?? []
  for gpuLines in [lines.first ?? [], [gpu] + (lines.first ?? [])] {
    let reading = NVIDIASMI.Reading(
      NVIDIASMI.Output(gpuStatus: status, gpuLines: gpuLines, appStatus: status, appLines: apps), at: .now)
    for gpu in reading.gpus {
      claim((0...MachineNumber.largestCount).contains(gpu.index), "the index \(gpu.index)")
      for number in [gpu.memoryUsed, gpu.memoryTotal, gpu.temperature, gpu.utilization].compactMap({ $0 }) {
        claim(abs(number) <= MachineNumber.largestCount, "the number \(number)")
      }
    }
    for app in reading.apps { claim(app.pid.map { $0 <= MachineNumber.largestCount } ?? true, "a process id") }
  }
}

/// The servers file that an administrator wrote: servers, or faults that name their lines.
func serversProperty(_ input: [UInt8]) {
  do throws(ServersFile.Invalid) {
    let file = try ServersFile(text: text(input), readKey: PrivateKey.reader(passphrase: ""))
    claim(!file.servers.isEmpty, "no server and no fault")
    claim(Set(file.servers.map(\.name)).count == file.servers.count, "two servers of one name")
  } catch {
    claim(!error.faults.isEmpty, "refused without a reason")
  }
}
