import Glibc
import Testing

@testable import HTTP

/// Bytes that a client sends, and what it must read.
struct StrictnessCase: Sendable {
  enum Outcome: Sendable {
    /// These answers in this order, and the connection goes on.
    case served([Int])
    /// These answers, the last being one of `last`, and the connection ends: nothing after is processed.
    case refused(after: [Int] = [], last: Set<Int>)
    /// The last answer is one of these; both ends of the connection are right.
    case answered(Set<Int>)
  }

  var name: String
  var bytes: [UInt8]
  var outcome: Outcome
  /// The content of the first final answer, where it matters.
  var body: String?

  init(_ name: String, _ text: String, _ outcome: Outcome, body: String? = nil) {
    self.init(name, Array(text.utf8), outcome, body: body)
  }

  init(_ name: String, _ bytes: [UInt8], _ outcome: Outcome, body: String? = nil) {
    self.name = name
    self.bytes = bytes
    self.outcome = outcome
    self.body = body
  }

  /// What follows the case's bytes on the connection: it is answered where the connection goes on, and only there.
  static let sentinel = "GET /sentinel HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

  /// What is wrong with these replies; nil when nothing is.
  func complaint(about replies: [Reply]) -> String? {
    for reply in replies where reply.status >= 200 {
      if reply.field("Date")?.hasSuffix(" GMT") != true { return "an answer without Date" }
    }
    if replies.dropLast().contains(where: { $0.field("Connection") == "close" }) {
      return "something follows an answer that announced the close"
    }
    var statuses = replies.map(\.status)
    let goesOn = replies.last?.text == "sentinel"
    if goesOn { statuses.removeLast() }
    let found = "\(statuses), \(goesOn ? "goes on" : "closed")"
    if let body, replies.first(where: { $0.status >= 200 })?.text != body {
      return "the content is \(replies.first?.text.debugDescription ?? "missing")"
    }
    let announced = replies.last?.field("Connection") == "close"
    switch outcome {
    case .served(let expected):
      return goesOn && statuses == expected ? nil : "\(found), not \(expected) and on"
    case .refused(let before, let last):
      guard !goesOn, statuses.dropLast() == before[...], let status = statuses.last, last.contains(status) else {
        return "\(found), not \(before + last.sorted()) and closed"
      }
      return announced ? nil : "\(found), but the close was not announced"
    case .answered(let last):
      guard let status = statuses.last, last.contains(status) else { return "\(found), not one of \(last.sorted())" }
      return nil
    }
  }

  /// Sends the bytes, cut at the given places, and reads until the server closes.
  func replies(from port: Int, cuts: [Int], pause: UInt32 = 0) throws -> [Reply] {
    let client = try Client(port: port)
    defer { client.close() }
    let all = bytes + Array(Self.sentinel.utf8)
    var start = 0
    for end in cuts + [all.count] where end > start && end <= all.count {
      // The server may have said its last word and closed: then the rest is not taken.
      guard (try? client.send(Array(all[start..<end]))) != nil else { break }
      start = end
      if pause > 0 { usleep(pause) }
    }
    var reader = ReplyReader(try client.rest(), headRequests: headRequests)
    return try reader.replies()
  }

  /// Which of the requests are HEADs, so that their answers have no content.
  private var headRequests: Bool { bytes.starts(with: Array("HEAD ".utf8)) }
}

/// Reads all that a server sent, as strictly as a client can.
struct ReplyReader {
  private var rest: ArraySlice<UInt8>
  private let headRequests: Bool

  init(_ bytes: [UInt8], headRequests: Bool = false) {
    rest = bytes[...]
    self.headRequests = headRequests
  }

  mutating func replies() throws -> [Reply] {
    var replies: [Reply] = []
    while !rest.isEmpty { replies.append(try reply(isFirst: replies.isEmpty)) }
    return replies
  }

  private mutating func reply(isFirst: Bool) throws -> Reply {
    let status = try line()
    guard status.hasPrefix("HTTP/1.1 "), status.utf8.count >= 13, let code = Int(status.dropFirst(9).prefix(3)) else {
      throw ClientError.failed("not a status line: \(status.debugDescription)")
    }
    var reply = Reply(status: code, head: "", body: [])
    while case let field = try line(), !field.isEmpty { reply.head += field + "\r\n" }
    let lengths = reply.head.lowercased().split(separator: "\r\n").filter { $0.hasPrefix("content-length:") }
    let isChunked = reply.field("Transfer-Encoding") == "chunked"
    guard lengths.count + (isChunked ? 1 : 0) <= 1 else { throw ClientError.failed("an answer framed twice") }
    if code < 200 || code == 204 || code == 304 {
      guard lengths.isEmpty, !isChunked else { throw ClientError.failed("\(code) with framing") }
      return reply
    }
    if headRequests, isFirst { return reply }
    if isChunked {
      while true {
        let size = try line()
        guard let count = Int(size, radix: 16) else { throw ClientError.failed("chunk size \(size)") }
        reply.body += try take(count)
        guard try line().isEmpty else { throw ClientError.failed("a chunk of another size") }
        if count == 0 { return reply }
      }
    }
    guard let length = reply.field("Content-Length").flatMap({ Int($0) }) else {
      guard reply.field("Connection") == "close" else { throw ClientError.failed("an answer without framing") }
      reply.body = try take(rest.count)
      return reply
    }
    reply.body = try take(length)
    return reply
  }

  private mutating func line() throws -> String {
    guard let end = rest.firstIndex(of: UInt8(ascii: "\n")), end > rest.startIndex,
      rest[rest.index(before: end)] == UInt8(ascii: "\r")
    else { throw ClientError.failed("no line: \(String(decoding: rest.prefix(80), as: UTF8.self).debugDescription)") }
    defer { rest = rest[(end + 1)...] }
    return String(decoding: rest[..<(end - 1)], as: UTF8.self)
  }

  private mutating func take(_ count: Int) throws -> [UInt8] {
    guard rest.count >= count else { throw ClientError.failed("an answer ends \(count - rest.count) bytes early") }
    defer { rest = rest.dropFirst(count) }
    return Array(rest.prefix(count))
  }
}
