import Glibc
import Testing

@testable import SSH

@Test("What a broken network holds back is delivered soon or never")
func unacknowledgedBytesExpire() async throws {
  let server = try await TestServer.start()
  let socket = try await Dialer.dial(host: "127.0.0.1", port: server.destination.port, timeout: .seconds(5)).get()
  defer { close(socket) }
  var (value, size) = (Int32(0), socklen_t(MemoryLayout<Int32>.size))
  #expect(getsockopt(socket, Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, &value, &size) == 0)
  #expect(Int(value) == 10_000)
}
