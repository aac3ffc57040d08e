import Foundation
import Glibc
import Testing

@testable import HTTP

/// What clients without credentials may do to all the others, once every connection is taken.
@Suite("Crowds of clients", .serialized)
struct CrowdTests {
  /// Opens connections and sends each the same beginning.
  private static func crowd(_ count: Int, port: Int, _ beginning: String) throws -> [Client] {
    try (0..<count).map { _ in
      let client = try Client(port: port)
      if !beginning.isEmpty { try client.send(beginning) }
      return client
    }
  }

  @Test(
    "requests that stop in their middle, on more connections than there may be, lock nobody out",
    arguments: [
      "", "G", "GET /live HTTP/1.1\r\nHost: a\r\n", "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc",
      "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "nonsense\r\n",
    ], [1, 2])
  func halfRequests(beginning: String, loops: Int) async throws {
    var limits = Limits()
    limits.connections = 50
    limits.headerDeadline = .seconds(600)
    try await TestServer.run(limits: limits, loops: loops) { server in
      try await blocking {
        let crowd = try Self.crowd(60, port: server.port, beginning)
        defer { for client in crowd { client.close() } }
        for _ in 0..<20 {
          let client = try Client(port: server.port)
          defer { client.close() }
          try client.send(get)
          #expect(try client.reply().status == 200)
        }
      }
    }
  }

  @Test("the one that has not finished its head for longest goes first")
  func longestFirst() async throws {
    var limits = Limits()
    limits.connections = 5
    // However slow this machine is just now.
    limits.headerDeadline = .seconds(600)
    try await TestServer.run(limits: limits) { server in
      try await blocking {
        let halves = try (0..<5).map { _ in
          let client = try Client(port: server.port)
          try client.send("GET /live HTTP/1.1\r\n")
          // The order is that of the server's reading.
          try client.awaitReading(by: server.port)
          return client
        }
        defer { for client in halves { client.close() } }
        var others: [Client] = []
        defer { for client in others { client.close() } }
        for gone in 0..<3 {
          let client = try Client(port: server.port)
          others.append(client)
          try client.send(get)
          #expect(try client.reply().status == 200)
          #expect(halves[gone].hasInput(within: 30_000))
          #expect(halves[(gone + 1)...].allSatisfy { !$0.hasInput(within: 0) })
        }
        // Those that were left can still be finished.
        try halves[4].send("Host: a\r\n\r\n")
        #expect(try halves[4].reply().status == 200)
      }
    }
  }

  @Test("clients that take no answers, on more connections than there may be, lock nobody out")
  func deafClients() async throws {
    var limits = Limits()
    limits.connections = 30
    limits.writeStall = .seconds(600)
    try await TestServer.run(limits: limits) { router in
      router.on("GET", "/big") { _ in .now(Response(body: .bytes([UInt8](repeating: 0, count: 8_000_000)))) }
    } _: { server in
      try await blocking {
        let crowd = try Self.crowd(40, port: server.port, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
        defer { for client in crowd { client.close() } }
        for _ in 0..<20 {
          let client = try Client(port: server.port)
          defer { client.close() }
          try client.send(get)
          #expect(try client.reply().status == 200)
        }
      }
    }
  }

  @Test(
    "whoever was admitted keeps his connection, however many strangers come",
    arguments: ["", "G", "GET /live HTTP/1.1\r\n"])
  func admitted(beginning: String) async throws {
    var limits = Limits()
    limits.connections = 40
    limits.headerDeadline = .seconds(600)
    let known = "GET /known HTTP/1.1\r\nHost: a\r\n\r\n"
    try await TestServer.run(limits: limits) { router in
      router.on("GET", "/known") { request in
        request.note(caller: "kirby")
        return .now(.text("known"))
      }
    } _: { server in
      try await blocking {
        let others = try Self.crowd(12, port: server.port, known)
        defer { for client in others { client.close() } }
        for client in others { #expect(try client.reply().status == 200) }
        let crowd = try Self.crowd(200, port: server.port, beginning)
        defer { for client in crowd { client.close() } }
        for client in others {
          try client.send(known)
          #expect(try client.reply().status == 200)
        }
      }
    }
  }

  @Test(
    "an address belongs to the network of its first 24 bits, or 64 of an IPv6 one",
    arguments: [
      ("192.0.2.7", "192.0.2.255", true), ("192.0.2.7", "192.0.3.7", false),
    ])
  func networks(one: String, other: String, same: Bool) {
    func network(_ text: String) -> ClientNetwork {
      var address = in_addr()
      inet_pton(AF_INET, text, &address)
      return ClientNetwork(ipv4: address.s_addr)
    }
    #expect((network(one) == network(other)) == same)
  }
}
