import Glibc
import Testing

@testable import HTTP

/// Streams of more bytes than 32 bits can count. They take minutes, so only `deploy/test.sh --only long-streams` runs them.
@Suite("Streams of several GiB", .enabled(if: getenv("WEIR_LONG_STREAMS") != nil), .serialized)
struct LongStreamTests {
  private static let blockSize = 65_536
  /// One block more than 4 GiB.
  private static let blocks = 65_537

  /// Each block differs from the others: it begins with its number.
  private static func block(_ number: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: blockSize)
    for index in 0..<8 { bytes[index] = UInt8(truncatingIfNeeded: number >> (8 * index)) }
    return bytes
  }

  /// Runs `body` and expects that the process needed hardly more memory for it.
  private static func inBoundedMemory(_ body: () async throws -> Void) async throws {
    func peakKilobytes() -> Int {
      var usage = rusage()
      getrusage(RUSAGE_SELF.rawValue, &usage)
      return usage.ru_maxrss
    }
    let before = peakKilobytes()
    try await body()
    #expect(peakKilobytes() - before < 64 * 1024)
  }

  enum Framing: CaseIterable { case length, chunked, endOfConnection }

  @Test("a response arrives whole", .timeLimit(.minutes(20)), arguments: Framing.allCases)
  func response(_ framing: Framing) async throws {
    try await Self.inBoundedMemory {
      try await TestServer.run { router in
        router.on("GET", "/") { _ in
          .now(
            Response(
              body: .stream(length: framing == .length ? Self.blocks * Self.blockSize : nil) { writer in
                for number in 0..<Self.blocks { try await writer.write(Self.block(number)) }
              }))
        }
      } _: { server in
        try await server.client { client in
          try client.send("GET / HTTP/1.\(framing == .endOfConnection ? 0 : 1)\r\nHost: a\r\n\r\n")
          while try client.line() != "" {}
          for number in 0..<Self.blocks {
            if framing == .chunked { try #require(try client.line() == "10000") }
            try #require(try client.take(Self.blockSize) == Self.block(number))
            if framing == .chunked { try #require(try client.line() == "") }
          }
          if framing == .chunked { #expect(try client.line() == "0" && client.line() == "") }
          if framing == .endOfConnection { #expect(try client.rest() == []) }
        }
      }
    }
  }

  @Test("a tunnel carries them both ways", .timeLimit(.minutes(20)))
  func tunnel() async throws {
    try await Self.inBoundedMemory {
      try await TestServer.run { router in
        router.on("GET", "/echo") { _ in
          .upgrade(to: "echo") { tunnel in
            while let bytes = try await tunnel.read() { try await tunnel.write(bytes) }
          }
        }
      } _: { server in
        try await server.client { client in
          try client.send("GET /echo HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
          while try client.line() != "" {}
          for number in 0..<Self.blocks {
            try client.send(Self.block(number))
            try #require(try client.take(Self.blockSize) == Self.block(number))
          }
        }
      }
    }
  }
}
