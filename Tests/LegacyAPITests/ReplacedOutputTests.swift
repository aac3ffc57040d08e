import Foundation
import JobEngine
import Testing

@testable import LegacyAPI

@Suite("Kept output that was replaced by another of the same size")
struct ReplacedOutputTests {
  private static let size = 100_000

  /// What takes the place of the first output, of as many bytes and another length in JSON.
  private static let second = Array(repeating: UInt8(1), count: size)

  @Test("It is answered with its own length", arguments: [true, false])
  func length(isNewFile: Bool) async throws {
    let backend = StagedConnector()
    backend.change {
      $0.report.lifecycle = .ended(.succeeded)
      $0.output = Array(repeating: UInt8(ascii: "x"), count: Self.size)
    }
    try await Bench.run(backend) { bench in
      let job = try await bench.submit()
      await bench.look()
      #expect(try await bench.call("/exitstatus", job).body.count < 2 * Self.size)
      let directory = bench.directory.appendingPathComponent("output")
      let file = directory.appendingPathComponent(
        try #require(try FileManager.default.contentsOfDirectory(atPath: directory.path).first))
      try Data(Self.second).write(to: file, options: isNewFile ? .atomic : [])
      // The reply's own check is that the length is the body's.
      let replaced = try await bench.call("/exitstatus", job)
      #expect(replaced.status == 200 && replaced.body.count > 6 * Self.size)
      #expect(replaced.body.count(where: { $0 == UInt8(ascii: "u") }) >= Self.size)
    }
  }
}
