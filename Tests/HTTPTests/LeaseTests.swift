import Synchronization
import Testing

@testable import HTTP

/// Counts those of its kind that are held.
private final class Leases: Sendable {
  private let count = Mutex(0)
  var value: Int { count.withLock { $0 } }

  final class Lease: Sendable {
    private let leases: Leases
    init(_ leases: Leases) {
      self.leases = leases
      leases.count.withLock { $0 += 1 }
    }
    deinit { leases.count.withLock { $0 -= 1 } }
  }

  func wait(for wanted: Int) async throws {
    while value != wanted { try await Task.sleep(for: .milliseconds(5)) }
  }
}

@Suite("Leases of answers", .serialized)
struct LeaseTests {
  @Test(
    "A lease is held until the last byte is sent, or the client is gone", arguments: ["/bytes", "/stream", "/later"])
  func held(path: String) async throws {
    let leases = Leases()
    let content = [UInt8](repeating: 0, count: 12_000_000)
    try await TestServer.run { router in
      router.on("GET", "/bytes") { _ in
        var response = Response(body: .bytes(content))
        response.lease = Leases.Lease(leases)
        return .now(response)
      }
      router.on("GET", "/later") { _ in
        .later {
          var response = Response(body: .bytes(content))
          response.lease = Leases.Lease(leases)
          return response
        }
      }
      router.on("GET", "/stream") { _ in
        var response = Response(
          body: .stream(length: content.count) { writer in
            for start in stride(from: 0, to: content.count, by: 1_000_000) {
              try await writer.write(Array(content[start..<(start + 1_000_000)]))
            }
          })
        response.lease = Leases.Lease(leases)
        return .now(response)
      }
    } _: { server in
      let request = "GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n"
      for leaves in [false, true] {
        let client = try Client(port: server.port)
        try await blocking { try client.send(request) }
        // More than the socket takes: it is held until somebody reads.
        try await leases.wait(for: 1)
        if leaves {
          client.reset()
        } else {
          #expect(try await blocking { try client.reply() }.body.count == content.count)
          client.close()
        }
        try await leases.wait(for: 0)
      }
    }
  }
}
