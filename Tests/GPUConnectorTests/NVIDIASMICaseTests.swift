import Foundation
import Testing

@testable import GPUConnector

/// The files of `connectors/gpu/testcases/nvidia-smi`; its README has their form.
private let cases: [String] = {
  let files = try? FileManager.default.contentsOfDirectory(atPath: directory.path)
  return (files ?? []).filter { $0.hasSuffix(".txt") }.sorted()
}()

private let directory = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
  .appendingPathComponent("../../connectors/gpu/testcases/nvidia-smi").standardized

/// The lines of a file as sweep.sh passes them on: it has removed the carriage returns at their ends, or not.
private func lines(_ file: String) throws -> [String] {
  let bytes = try Data(contentsOf: directory.appendingPathComponent(file))
  return bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map {
    String(decoding: $0, as: UTF8.self)
  }
}

extension NVIDIASMI.Output {
  /// The sections of a file.
  fileprivate init(_ lines: [String]) throws {
    let apps = try #require(lines.firstIndex { $0.hasPrefix("smi-apps ") })
    let end = try #require(lines.firstIndex(of: "smi-end"))
    func status(_ line: String) throws -> Int { try #require(Int(line.split(separator: " ")[1])) }
    self.init(
      gpuStatus: try status(lines[0]), gpuLines: Array(lines[1..<apps]), appStatus: try status(lines[apps]),
      appLines: Array(lines[(apps + 1)..<end]))
  }
}

extension NVIDIASMI.Reading {
  /// What was read, as the files say it.
  fileprivate var text: [String] {
    if !isInstalled { return ["none"] }
    if let failure { return ["failure \(failure)"] }
    let rows = gpus.map { gpu in
      let base = "gpu \(gpu.index)"
      if let fault = fault(index: gpu.index, uuid: gpu.uuid, bus: gpu.bus) ?? gpu.fault { return "\(base) \(fault)" }
      guard let app = apps.first(where: { $0.mayRun(on: gpu) }) else { return base }
      let owner = app.job.map { " of job \($0)" } ?? app.user.map { " of \($0)" } ?? ""
      return "\(base) process\(app.pid.map { " \($0)" } ?? "")\(owner)"
    }
    let unseen = faults.filter { fault in
      !gpus.contains { [.bus($0.bus), .index($0.index), .uuid($0.uuid ?? "")].contains(fault.key) }
    }
    return rows + unseen.map { "fault \($0.key) \($0.value)" }.sorted() + warnings.map { "warning \($0)" }
  }
}

@Suite("Answers of nvidia-smi")
struct NVIDIASMICaseTests {
  @Test("Each is read as its file expects", arguments: cases)
  func reading(file: String) throws {
    let lines = try lines(file)
    let expected = lines.filter { $0.hasPrefix("expect ") }.map { String($0.dropFirst(7)) }
    #expect(NVIDIASMI.Reading(try .init(lines), at: .now).text == expected)
  }

  @Test("The files are found")
  func files() { #expect(cases.count > 40) }
}
