import HTTP
import Testing

@testable import weir

@Suite("Limits of HTTP")
struct HTTPLimitsTests {
  private func limits(_ more: [String: String] = [:]) throws -> Limits {
    let dummy = ["JARVICE_BAREMETAL_CONNECTOR": "dummy", "WEIR_AUTH": "none", "HOME": "/home/kirby"]
    return Service.limits(try Settings(environment: dummy.merging(more) { $1 }))
  }

  /// What the limits are called in the environment.
  private func named(_ limits: Limits) -> [String: Int] {
    func seconds(_ duration: Duration) -> Int { Int(duration.components.seconds) }
    return [
      "WEIR_HTTP_REQUEST_LINE": limits.requestLine, "WEIR_HTTP_HEADER_BYTES": limits.headerBytes,
      "WEIR_HTTP_HEADER_COUNT": limits.headerCount, "WEIR_HTTP_BODY_BYTES": limits.body,
      "WEIR_HTTP_UNFINISHED_BODIES": limits.unfinishedBodies,
      "WEIR_HTTP_HEADER_SECONDS": seconds(limits.headerDeadline),
      "WEIR_HTTP_BODY_IDLE_SECONDS": seconds(limits.bodyIdle), "WEIR_HTTP_BODY_RATE": limits.bodyRate,
      "WEIR_HTTP_KEEP_ALIVE_SECONDS": seconds(limits.keepAliveIdle),
      "WEIR_HTTP_WRITE_STALL_SECONDS": seconds(limits.writeStall),
      "WEIR_HTTP_TUNNEL_IDLE_SECONDS": seconds(limits.tunnelIdle), "WEIR_HTTP_LINGER_SECONDS": seconds(limits.linger),
      "WEIR_HTTP_CONNECTIONS": limits.connections, "WEIR_HTTP_PIPELINED": limits.pipelined,
    ]
  }

  @Test("each limit is the setting of its name, and its standard is the server's own")
  func settings() throws {
    #expect(named(try limits()) == named(Limits()))
    let names = Setting.all.map(\.name).filter { $0.hasPrefix("WEIR_HTTP_") }
    // No two alike, and each within its bounds.
    var wanted = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, 1000 + $0) })
    wanted["WEIR_HTTP_UNFINISHED_BODIES"] = 2_000_000
    #expect(named(try limits(wanted.mapValues(String.init))) == wanted)
  }
}
