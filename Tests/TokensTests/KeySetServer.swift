import Foundation
import Synchronization

/// A web server that answers as a test tells it, well or badly, on a real socket.
final class KeySetServer: Sendable {
  enum Behaviour: Sendable {
    /// With `ETag: "TAG"`, and 304 where that is asked for.
    case set(String, tag: String? = nil)
    /// These bytes.
    case raw(String)
    /// This text again and again, without end.
    case flood(head: String)
    /// Nothing at all.
    case hang
  }

  private struct State {
    var behaviour: Behaviour
    var listener: Int32 = -1
    var requests: [String] = []
    var isStopped = false
  }

  let port: UInt16
  private let state: Mutex<State>

  /// - Parameter port: 0 for any.
  init(_ behaviour: Behaviour, port: UInt16 = 0) {
    let (listener, port) = Self.listen(on: port)
    self.port = port
    state = Mutex(State(behaviour: behaviour, listener: listener))
    Thread.detachNewThread { [self] in serve(listener) }
  }

  var url: String { "http://127.0.0.1:\(port)/keys?token=hidden" }

  /// The heads of all requests so far.
  var requests: [String] { state.withLock(\.requests) }

  func behave(_ behaviour: Behaviour) { state.withLock { $0.behaviour = behaviour } }

  func stop() {
    let listener = state.withLock { state in
      defer { state.isStopped = true }
      return state.listener
    }
    shutdown(listener, Int32(SHUT_RDWR))
  }

  private static func listen(on port: UInt16) -> (Int32, UInt16) {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var on: Int32 = 1
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, 4)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        precondition(bind(listener, $0, length) == 0)
        getsockname(listener, $0, &length)
      }
    }
    Glibc.listen(listener, 64)
    return (listener, UInt16(bigEndian: address.sin_port))
  }

  private func serve(_ listener: Int32) {
    while case let connection = accept(listener, nil, nil), connection >= 0 {
      Thread.detachNewThread { [self] in
        answer(connection)
        close(connection)
      }
    }
    close(listener)
  }

  private func answer(_ connection: Int32) {
    var bytes = [UInt8](repeating: 0, count: 8192)
    let count = recv(connection, &bytes, bytes.count, 0)
    let head = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    let behaviour = state.withLock { state in
      state.requests.append(head)
      return state.behaviour
    }
    switch behaviour {
    case .set(_, let tag?) where head.contains("If-None-Match: \"\(tag)\"\r\n"):
      send("HTTP/1.1 304 Not Modified\r\n\r\n", to: connection)
    case .set(let text, let tag):
      let field = tag.map { "ETag: \"\($0)\"\r\n" } ?? ""
      send("HTTP/1.1 200 OK\r\n\(field)Content-Length: \(text.utf8.count)\r\n\r\n\(text)", to: connection)
    case .raw(let text): send(text, to: connection)
    case .flood(let head):
      send(head, to: connection)
      let chunk = String(repeating: "X-Filler: \(String(repeating: "x", count: 88))\r\n", count: 1000)
      while send(chunk, to: connection) {}
    case .hang: _ = recv(connection, &bytes, bytes.count, 0)
    }
  }

  @discardableResult
  private func send(_ text: String, to connection: Int32) -> Bool {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
      guard count > 0 else { return false }
      rest.removeFirst(count)
    }
    return true
  }
}

extension KeySetServer {
  /// An answer with a status and no set.
  static func status(_ line: String, _ fields: String = "") -> Behaviour {
    .raw("HTTP/1.1 \(line)\r\nContent-Length: 0\r\n\(fields)\r\n")
  }
}
