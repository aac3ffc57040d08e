import Dispatch
import Foundation
import Glibc
import Testing

@testable import SSH

@Suite("The wire")
struct WireTests {
  @Test("The end of a connection that was reset right after its last bytes is seen, and the bytes are there")
  func reset() async throws {
    let (ours, theirs) = try Self.connection()
    #expect(Glibc.send(theirs, "last", 4, 0) == 4)
    var now = linger(l_onoff: 1, l_linger: 0)
    setsockopt(theirs, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
    Glibc.close(theirs)
    let queue = DispatchQueue(label: "wire")
    nonisolated(unsafe) let wire = Wire(descriptor: ours, queue: queue)
    queue.sync { wire.activate(onReadable: { wire.becameReadable() }, onWritable: {}) }
    let deadline = ContinuousClock.now + .seconds(5)
    while !queue.sync(execute: { wire.isAtEnd }), .now < deadline { try await Task.sleep(for: .milliseconds(5)) }
    #expect(queue.sync { wire.isAtEnd })
    #expect(queue.sync { wire.takeReceived() } == Array("last".utf8))
    queue.sync { wire.close() }
  }

  /// Both ends of a TCP connection, the first of which does not block.
  private static func connection() throws -> (Int32, Int32) {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { Glibc.close(listener) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let ours = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    let result = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        bind(listener, address, size) | listen(listener, 1) | getsockname(listener, address, &size)
          | connect(ours, address, size)
      }
    }
    try #require(result == 0)
    let theirs = accept(listener, nil, nil)
    #expect(fcntl(ours, F_SETFL, O_NONBLOCK) == 0)
    return (ours, theirs)
  }
}
