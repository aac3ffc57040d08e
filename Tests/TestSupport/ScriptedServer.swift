import Foundation
import Synchronization

/// A web server that answers as a test tells it, well or badly, on a real socket.
public final class ScriptedServer: Sendable {
  public enum Behaviour: Sendable {
    /// This body, with `ETag: "TAG"`, and 304 where that is asked for.
    case answer(String, tag: String? = nil)
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
    /// Connections that get no answer.
    var hanging: [Int32] = []
  }

  public let port: UInt16
  private let state: Mutex<State>

  /// - Parameter port: 0 for any.
  public init(_ behaviour: Behaviour, port: UInt16 = 0) {
    let (listener, port) = Self.listen(on: port)
    self.port = port
    state = Mutex(State(behaviour: behaviour, listener: listener))
    Thread.detachNewThread { [self] in serve(listener) }
  }

  public var url: String { "http://127.0.0.1:\(port)/keys?token=hidden" }

  /// All requests so far, each with its body.
  public var requests: [String] { state.withLock(\.requests) }

  public func behave(_ behaviour: Behaviour) { state.withLock { $0.behaviour = behaviour } }

  public func stop() {
    let listener = state.withLock { state in
      defer { state.isStopped = true }
      return state.listener
    }
    shutdown(listener, Int32(SHUT_RDWR))
  }

  /// Ends the connections that get no answer.
  public func release() { for connection in state.withLock(\.hanging) { shutdown(connection, Int32(SHUT_RDWR)) } }

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
    let head = request(from: connection)
    let behaviour = state.withLock { state in
      state.requests.append(head)
      return state.behaviour
    }
    switch behaviour {
    case .answer(_, let tag?) where head.contains("If-None-Match: \"\(tag)\"\r\n"):
      send("HTTP/1.1 304 Not Modified\r\n\r\n", to: connection)
    case .answer(let text, let tag):
      let field = tag.map { "ETag: \"\($0)\"\r\n" } ?? ""
      send("HTTP/1.1 200 OK\r\n\(field)Content-Length: \(text.utf8.count)\r\n\r\n\(text)", to: connection)
    case .raw(let text): send(text, to: connection)
    case .flood(let head):
      send(head, to: connection)
      let chunk = String(repeating: "X-Filler: \(String(repeating: "x", count: 88))\r\n", count: 1000)
      while send(chunk, to: connection) {}
    case .hang:
      state.withLock { $0.hanging.append(connection) }
      _ = recv(connection, &bytes, bytes.count, 0)
      state.withLock { $0.hanging.removeAll { $0 == connection } }
    }
  }

  /// A request with as much of a body as it says.
  private func request(from connection: Int32) -> String {
    var text = ""
    var bytes = [UInt8](repeating: 0, count: 8192)
    while case let count = recv(connection, &bytes, bytes.count, 0), count > 0 {
      text += String(decoding: bytes.prefix(count), as: UTF8.self)
      guard let end = text.firstRange(of: "\r\n\r\n")?.upperBound else { continue }
      let length = text.firstMatch(of: /Content-Length: (\d+)/).flatMap { Int($0.output.1) } ?? 0
      if text[end...].utf8.count >= length { break }
    }
    return text
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

extension ScriptedServer {
  /// An answer with a status and no set.
  public static func status(_ line: String, _ fields: String = "") -> Behaviour {
    .raw("HTTP/1.1 \(line)\r\nContent-Length: 0\r\n\(fields)\r\n")
  }
}
