import Glibc
import Testing

@testable import HTTP

/// What comes of a stream of bytes, in words that can be compared.
private func outcome(_ pieces: [ArraySlice<UInt8>], limits: Limits = Limits()) -> [String] {
  var parser = RequestParser(limits: limits)
  var window: [UInt8] = []
  var events: [String] = []
  for piece in pieces {
    window += piece
    var offset = 0
    do throws(HTTPError) {
      while let event = try window.withBytes({ bytes throws(HTTPError) in try parser.next(in: bytes, from: &offset) }) {
        switch event {
        case .head(let head):
          let fields = head.headers.map { "\($0.name)=\($0.value)" }.joined(separator: ",")
          events.append(
            "\(head.method) \(head.target) 1.\(head.isHTTP10 ? 0 : 1) \(head.framing) "
              + "\(head.keepsAlive ? "keep" : "close")\(head.expectsContinue ? " continue" : "") \(fields)")
          try parser.expectBody(limit: limits.body)
        case .end(let body): events.append("body \(String(decoding: body, as: UTF8.self))")
        }
      }
    } catch {
      return events + ["\(error.status.code)"]
    }
    window.removeFirst(offset)
  }
  return events + (parser.isIdle && window.isEmpty ? [] : ["incomplete"])
}

private func outcome(_ text: String, limits: Limits = Limits()) -> [String] {
  outcome([Array(text.utf8)[...]], limits: limits)
}

private let host = "Host: a\r\n"

private let accepted: [(String, [String])] = [
  ("GET / HTTP/1.1\r\n\(host)\r\n", ["GET / 1.1 none keep Host=a", "body "]),
  ("GET / HTTP/1.0\r\n\r\n", ["GET / 1.0 none close ", "body "]),
  ("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", ["GET / 1.0 none keep Connection=Keep-Alive", "body "]),
  (
    "GET / HTTP/1.1\r\n\(host)Connection: x , Close\r\n\r\n",
    ["GET / 1.1 none close Host=a,Connection=x , Close", "body "]
  ),
  ("\r\n\r\nGET / HTTP/1.1\r\n\(host)\r\n", ["GET / 1.1 none keep Host=a", "body "]),
  ("GET / HTTP/1.1\r\nHost:\t a \r\nX:\r\n\r\n", ["GET / 1.1 none keep Host=a,X=", "body "]),
  (
    "POST / HTTP/1.1\r\n\(host)Content-Length: 3\r\n\r\nabc",
    ["POST / 1.1 length(3) keep Host=a,Content-Length=3", "body abc"]
  ),
  (
    "POST / HTTP/1.1\r\n\(host)Content-Length: 1\r\nContent-Length: 1\r\n\r\nx",
    ["POST / 1.1 length(1) keep Host=a,Content-Length=1,Content-Length=1", "body x"]
  ),
  (
    "POST / HTTP/1.1\r\n\(host)Transfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\nA;x=\"y\"\r\n0123456789\r\n0\r\nT: 1\r\n\r\n",
    ["POST / 1.1 chunked keep Host=a,Transfer-Encoding=Chunked", "body abc0123456789"]
  ),
  (
    "POST /a HTTP/1.1\r\n\(host)Content-Length: 2\r\nExpect: 100-Continue\r\n\r\nhiGET /b HTTP/1.1\r\n\(host)\r\n",
    [
      "POST /a 1.1 length(2) keep continue Host=a,Content-Length=2,Expect=100-Continue", "body hi",
      "GET /b 1.1 none keep Host=a", "body ",
    ]
  ),
  ("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", ["GET / 1.1 none keep Host=[::1]:80", "body "]),
  ("GET / HTTP/1.1\r\n\(host)X: y", ["incomplete"]),
]

private let refused: [(String, Int)] = [
  ("GET / HTTP/1.1\r\n\r\n", 400),  // no Host
  ("GET / HTTP/1.1\r\n\(host)\(host)\r\n", 400),
  ("GET / HTTP/1.0\r\n\(host)\(host)\r\n", 400),
  ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
  ("GET / HTTP/1.1\r\nHost: a:x\r\n\r\n", 400),
  ("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400),
  ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
  ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
  ("GET / HTTP/1.1\r\n\(host)X: 1\r\n 2\r\n\r\n", 400),  // folding
  ("GET / HTTP/1.1\r\n\(host)X\r\n\r\n", 400),
  ("GET / HTTP/1.1\r\n\(host): x\r\n\r\n", 400),
  ("GET / HTTP/1.1\r\n\(host)X: a\u{0}b\r\n\r\n", 400),
  ("GET / HTTP/1.1\r\n\(host)X: a\rb\r\n\r\n", 400),
  ("GET / HTTP/1.1\r\n\(host)X: a\u{7F}b\r\n\r\n", 400),
  ("GET / HTTP/1.1\n\(host)\r\n", 400),
  ("GET / HTTP/1.1\r\nHost: a\n\r\n", 400),
  ("GET  / HTTP/1.1\r\n\(host)\r\n", 400),
  ("GET /  HTTP/1.1\r\n\(host)\r\n", 400),
  (" GET / HTTP/1.1\r\n\(host)\r\n", 400),
  ("GET /\u{E9} HTTP/1.1\r\n\(host)\r\n", 400),
  ("GET /#a HTTP/1.1\r\n\(host)\r\n", 400),
  ("GE(T / HTTP/1.1\r\n\(host)\r\n", 400),
  ("GET /\r\n\(host)\r\n", 400),  // HTTP/0.9
  ("GET / http/1.1\r\n\(host)\r\n", 400),
  ("GET / HTTP/1.1x\r\n\(host)\r\n", 400),
  ("GET / HTTP/2.0\r\n\(host)\r\n", 505),
  ("GET / HTTP/1.2\r\n\(host)\r\n", 505),
  ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
  ("\r\n\r\n\r\nGET / HTTP/1.1\r\n\(host)\r\n", 400),
  ("\u{16}\u{3}\u{1}", 400),  // TLS
  ("POST / HTTP/1.1\r\n\(host)Content-Length: +1\r\n\r\n", 400),
  ("POST / HTTP/1.1\r\n\(host)Content-Length: -1\r\n\r\n", 400),
  ("POST / HTTP/1.1\r\n\(host)Content-Length: 1, 1\r\n\r\n", 400),
  ("POST / HTTP/1.1\r\n\(host)Content-Length: 0x1\r\n\r\n", 400),
  ("POST / HTTP/1.1\r\n\(host)Content-Length:\r\n\r\n", 400),
  ("POST / HTTP/1.1\r\n\(host)Content-Length: 99999999999999999999\r\n\r\n", 400),
  ("POST / HTTP/1.1\r\n\(host)Content-Length: 999999999999999999\r\n\r\n", 413),
  ("POST / HTTP/1.1\r\n\(host)Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
  ("POST / HTTP/1.1\r\n\(host)Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
  ("POST / HTTP/1.0\r\n\(host)Transfer-Encoding: chunked\r\n\r\n", 400),
  ("POST / HTTP/1.1\r\n\(host)Transfer-Encoding: gzip\r\n\r\n", 400),
  ("POST / HTTP/1.1\r\n\(host)Transfer-Encoding: chunked, gzip\r\n\r\n", 400),
  ("POST / HTTP/1.1\r\n\(host)Transfer-Encoding: gzip, chunked\r\n\r\n", 501),
  ("POST / HTTP/1.1\r\n\(host)Transfer-Encoding: chunked, chunked\r\n\r\n", 400),
  ("POST / HTTP/1.1\r\n\(host)Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
  ("POST / HTTP/1.1\r\n\(host)Transfer-Encoding: xchunked\r\n\r\n", 400),
  ("POST / HTTP/1.1\r\n\(host)Transfer-Encoding:\r\n\r\n", 400),
  ("POST / HTTP/1.1\r\n\(host)Expect: tea\r\n\r\n", 417),
]

private let chunkedRefused: [(String, Int)] = [
  ("x\r\n", 400), ("\r\n", 400), ("-1\r\n", 400), ("0x1\r\n", 400), ("1 1\r\n", 400), ("1\n", 400),
  ("fffffffffffffffff\r\n", 400), ("fffffffffffffff\r\n", 413), ("1\r\nabc", 400), ("1\r\na\nb", 400),
  ("1;\u{1}\r\n", 400), ("1" + String(repeating: ";a", count: 600) + "\r\n", 400),
  ("0\r\nbad trailer\r\n\r\n", 400), ("0\r\nA: b\r\n folded\r\n\r\n", 400),
  (String(repeating: "1" + String(repeating: ";a=b", count: 200) + "\r\nx\r\n", count: 40), 400),
]

/// Seconds of processor time that it takes: others on the machine do not count.
private func processorTime(_ body: () -> Void) -> Double {
  func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
  let begin = now()
  body()
  return now() - begin
}

@Suite("Request parser")
struct RequestParserTests {
  @Test("a well-formed request is understood", arguments: accepted)
  func accepts(_ text: String, _ expected: [String]) {
    #expect(outcome(text) == expected)
  }

  @Test("a malformed request is refused with the right status", arguments: refused)
  func refuses(_ text: String, _ status: Int) {
    #expect(outcome(text).last == "\(status)")
  }

  @Test("a malformed chunked body is refused", arguments: chunkedRefused)
  func refusesChunks(_ body: String, _ status: Int) {
    #expect(outcome("POST / HTTP/1.1\r\n\(host)Transfer-Encoding: chunked\r\n\r\n" + body).last == "\(status)")
  }

  @Test(
    "the same bytes cut anywhere give the same outcome",
    arguments: accepted.map(\.0) + refused.map(\.0)
      + chunkedRefused.map(\.0).map {
        "POST / HTTP/1.1\r\n\(host)Transfer-Encoding: chunked\r\n\r\n" + $0
      })
  func cuts(_ text: String) {
    var limits = Limits()
    limits.body = 1_000_000
    let bytes = Array(text.utf8)
    let whole = outcome([bytes[...]], limits: limits)
    #expect(outcome(bytes.indices.map { bytes[$0...$0] }, limits: limits) == whole, "byte by byte")
    for cut in stride(from: 1, to: bytes.count, by: bytes.count > 2000 ? 97 : 1) {
      #expect(outcome([bytes[..<cut], bytes[cut...]], limits: limits) == whole, "cut at \(cut)")
    }
  }

  @Test("whatever the bytes, they are understood or refused, however they are cut", arguments: 0..<8)
  func mutations(seed: UInt64) {
    var random = SplitMix(state: seed)
    let corpus = accepted.map(\.0) + refused.map(\.0)
    let odd = Array("\r\n\0 \t:;,%/+0aF\u{7F}\u{FF}".utf8)
    for _ in 0..<500 {
      var bytes = Array((corpus.randomElement(using: &random) ?? "").utf8)
      bytes += Array((corpus.randomElement(using: &random) ?? "").utf8)
      for _ in 0...Int.random(in: 0...3, using: &random) {
        let index = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<3, using: &random) {
        case 0: bytes[index] = odd.randomElement(using: &random) ?? 0
        case 1: bytes.insert(odd.randomElement(using: &random) ?? 0, at: index)
        default: bytes.removeSubrange(index..<min(bytes.count - 1, index + 3))
        }
      }
      var pieces: [ArraySlice<UInt8>] = []
      var start = 0
      while start < bytes.count {
        let end = min(bytes.count, start + Int.random(in: 1...40, using: &random))
        pieces.append(bytes[start..<end])
        start = end
      }
      let whole = outcome([bytes[...]])
      #expect(outcome(pieces) == whole, "\(String(decoding: bytes, as: UTF8.self).debugDescription)")
    }
  }

  @Test("limits hold to the byte, and do not depend on how the bytes come", arguments: [false, true])
  func limits(byteByByte: Bool) {
    var limits = Limits()
    limits.requestLine = 20
    limits.headerBytes = 30
    limits.headerCount = 3
    limits.body = 4
    func last(_ text: String) -> String? {
      let bytes = Array(text.utf8)
      return outcome(byteByByte ? bytes.indices.map { bytes[$0...$0] } : [bytes[...]], limits: limits).last
    }
    // 20 bytes of request line, then 21.
    #expect(last("GET /1234567 HTTP/1.1\r\n\(host)\r\n") == "414")
    #expect(last("GET /123456 HTTP/1.1\r\n\(host)\r\n") == "body ")
    // The fields of 9 + 21 bytes, then one more.
    #expect(last("GET / HTTP/1.1\r\n\(host)X: 4567890123456789\r\n\r\n") == "body ")
    #expect(last("GET / HTTP/1.1\r\n\(host)X: 45678901234567890\r\n\r\n") == "431")
    #expect(last("GET / HTTP/1.1\r\n\(host)A:\r\nB:\r\n\r\n") == "body ")
    #expect(last("GET / HTTP/1.1\r\n\(host)A:\r\nB:\r\nC:\r\n\r\n") == "431")
    // Without a line end in sight.
    #expect(last("GET /" + String(repeating: "a", count: 30)) == "414")
    #expect(last("GET / HTTP/1.1\r\n\(host)X: " + String(repeating: "a", count: 30)) == "431")
    let chunked = "POST / HTTP/1.1\r\nHost:\r\nTransfer-Encoding: chunked\r\n\r\n"
    limits.headerBytes = 100
    #expect(last(chunked + "2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n") == "body abcd")
    #expect(last(chunked + "2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n") == "413")
    #expect(last("POST / HTTP/1.1\r\n\(host)Content-Length: 5\r\n\r\n") == "413")
  }

  @Test("bytes that trickle in cost time in proportion, not its square")
  func linear() {
    let head = "GET / HTTP/1.1\r\n\(host)X: " + String(repeating: "a", count: 30_000) + "\r\n\r\n"
    var parser = RequestParser(limits: Limits())
    let bytes = Array(head.utf8)
    var offset = 0
    var found = false
    let time = processorTime {
      bytes.withUnsafeBytes { bytes in
        for end in 1...bytes.count where !found {
          found = (try? parser.next(in: bytes.slice(0..<end), from: &offset)) != nil
        }
      }
    }
    #expect(found)
    #expect(time < 1)
  }
}

/// A generator that gives the same numbers every time (splitmix64).
private struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
