import CEpoll
import Glibc
import Testing

@testable import HTTP

@Suite("Output of a connection")
struct ConnectionOutputTests {
  private final class Lease: Sendable {}

  /// A pair of sockets that do not block.
  private static func pair() -> (ours: Int32, theirs: Int32) {
    var pair: [Int32] = [-1, -1]
    socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | O_NONBLOCK, 0, &pair)
    return (pair[0], pair[1])
  }

  @Test("What the client does not take blocks, and is sent when it does")
  func blocks() throws {
    let (ours, theirs) = Self.pair()
    defer { for fd in [ours, theirs] { close(fd) } }
    let timeouts = Timeouts(Limits())
    var output = ConnectionOutput()
    let appended = output.append { $0.append(body: [UInt8](repeating: 7, count: 4_000_000)) }
    #expect(appended.bytes == 4_000_000)
    let isFull = !output.wantsMore && output.isFarAhead
    #expect(isFull)
    var read = 0
    var hasBlocked = false
    var buffer = [UInt8](repeating: 0, count: 1_000_000)
    while read < 4_000_000 {
      switch output.flush(to: ours, timeouts) {
      case .blocked(let deadline):
        hasBlocked = true
        #expect(deadline != .max)
      case .sent: break
      case .failed:
        Issue.record("the connection broke")
        return
      }
      while case let count = recv(theirs, &buffer, buffer.count, 0), count > 0 { read += count }
    }
    let isEmpty = output.isEmpty && output.wantsMore
    #expect(hasBlocked && isEmpty)
  }

  @Test("A client that has gone is a failure")
  func gone() {
    let (ours, theirs) = Self.pair()
    defer { close(ours) }
    close(theirs)
    var output = ConnectionOutput()
    _ = output.append { $0.append("late") }
    guard case .failed = output.flush(to: ours, Timeouts(Limits())) else {
      Issue.record("it took the bytes")
      return
    }
  }

  @Test("An answer with a lease counts where the lease was given, and holds it until its end")
  func lease() {
    var output = ConnectionOutput()
    let memory = OutputMemory()
    weak var held: Lease?
    do {
      let lease = Lease()
      held = lease
      var response = Response(body: .bytes([UInt8](repeating: 0, count: 5000)))
      let framing = ResponseFraming(isHead: false, isHTTP10: false, keepsAlive: true)
      let plain = output.append(response, id: RequestID(), framing: framing, date: [], memory: memory)
      let counted = output.countedBytes
      #expect(plain.end == nil && plain.bytes == counted)
      response.lease = lease
      _ = output.append(response, id: RequestID(), framing: framing, date: [], memory: memory)
      let countedWithLease = output.countedBytes
      #expect(countedWithLease == 0)
    }
    #expect(held != nil)
    output.endLease()
    #expect(held == nil)
  }
}
