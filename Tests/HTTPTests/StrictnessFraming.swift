/// The strictness cases, by chapter.
enum Strictness {}

private func post(_ fields: String, _ body: String = "", version: String = "1.1") -> String {
  "POST /echo HTTP/\(version)\r\nHost: a\r\n\(fields)\r\n\(body)"
}

private func chunked(_ body: String, path: String = "/echo") -> String {
  "POST \(path) HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\(body)"
}

/// Bytes and their names.
private func named(_ bytes: some Sequence<UInt8>) -> [(name: String, byte: UInt8)] {
  bytes.map { ("0x" + String(0x100 + Int($0), radix: 16).dropFirst(), $0) }
}

// MARK: Where a message ends (RFC 9112 section 6)

extension Strictness {
  static let framing = [
    contentLengths, ambiguousFramings, transferEncodings, chunkSizes, chunkEnds, chunkExtensions, trailers, bodies,
  ].map { StrictnessFamily(name: $0.0, cases: $0.1) }

  private static let contentLengths: (String, [StrictnessCase]) = {
    let refused = [
      "+5", "-5", "-0", "+0", "5.0", "5,", ",5", "5,5", "5, 5", "5 5", "0x5", "5h", "5;", "5e0", "1_0", "\"5\"", "five",
      "", " ", "\t", "5\u{B}", "\u{665}", "\u{FF15}", "5\u{A0}", "5\0", "\05", "18446744073709551621",
      "9223372036854775808", "99999999999999999999999999999999", "4294967301x", "0 5", "5, 6", "NaN", "inf", "5\r",
      "--5", "0-5", "5-", "(5)", "5=", "'5'", "%35", "0b101", "5\u{85}",
    ].map {
      StrictnessCase(
        "Content-Length \($0.debugDescription)", post("Content-Length: \($0)\r\n", "hello"), .refused(last: [400]))
    }
    let bytes = named((0...255).filter { !(0x30...0x39).contains($0) && ![0x09, 0x0A, 0x0D, 0x20].contains($0) })
    let around = bytes.flatMap { name, byte in
      [[byte, 0x35], [0x35, byte]].enumerated().map { index, value in
        StrictnessCase(
          "Content-Length with byte \(name) \(index == 0 ? "before" : "behind")",
          Array("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: ".utf8) + value + Array("\r\n\r\nhello".utf8),
          .refused(last: [400]))
      }
    }
    let served = [
      ("0", "", ""), ("5", "hello", "hello"), ("05", "hello", "hello"), ("  5  ", "hello", "hello"),
      ("\t5\t", "hello", "hello"), ("000000000000005", "hello", "hello"),
    ].map { value, sent, body in
      StrictnessCase(
        "Content-Length \(value.debugDescription)", post("Content-Length:\(value)\r\n", sent), .served([200]),
        body: body)
    }
    let tooLarge = ["16777217", "999999999999999999"].map {
      StrictnessCase("Content-Length \($0)", post("Content-Length: \($0)\r\n", "hello"), .refused(last: [413]))
    }
    return ("Content-Length", refused + around + served + tooLarge)
  }()

  private static let ambiguousFramings: (String, [StrictnessCase]) = {
    let both = [
      "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
      "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
      "content-length: 5\r\ntransfer-encoding: CHUNKED\r\n",
      "Content-Length: 5\r\nX: y\r\nTransfer-Encoding: chunked\r\n",
      "Transfer-Encoding: chunked\r\nContent-Length: x\r\n", "Content-Length: 5\r\nTransfer-Encoding: identity\r\n",
      "Content-Length: 5\r\nTransfer-Encoding:\r\n", "Content-Length: 5\r\nTransfer-Encoding: gzip, chunked\r\n",
      "Content-Length: 5\r\nContent-Length: 6\r\n", "Content-Length: 6\r\nContent-Length: 5\r\n",
      "Content-Length: 5\r\nContent-Length: 5\r\nContent-Length: 4\r\n", "Content-Length: 5\r\nContent-Length:\r\n",
      "Content-Length: 5\r\nContent-Length: +5\r\n", "Content-Length:\r\nContent-Length: 5\r\n",
      "Content-Length: 0\r\nContent-Length: 5\r\n", "content-length: 5\r\nCONTENT-LENGTH: 4\r\n",
      "Content-Length : 5\r\n", "Content-Length\t: 5\r\n", " Content-Length: 5\r\n", "Content-Length: \r\n 5\r\n",
      "Transfer-Encoding : chunked\r\n", "Transfer-Encoding\t: chunked\r\n", " Transfer-Encoding: chunked\r\n",
      "X: y\r\n Transfer-Encoding: chunked\r\n", "Transfer-Encoding:\r\n chunked\r\n",
      "Transfer-Encoding\u{B}: chunked\r\n", "\u{1}Transfer-Encoding: chunked\r\n", "Content-Length\0: 5\r\n",
      "Transfer-Encoding\u{A0}: chunked\r\n",
    ].map { StrictnessCase($0.debugDescription, post($0, "5\r\nhello\r\n0\r\n\r\n"), .refused(last: [400, 501])) }
    return (
      "a body whose length is ambiguous",
      both + [
        StrictnessCase(
          "Transfer-Encoding in HTTP/1.0",
          post("Transfer-Encoding: chunked\r\n", "0\r\n\r\n", version: "1.0"), .refused(last: [400])),
        StrictnessCase(
          "Transfer-Encoding in HTTP/1.0, kept alive",
          post("Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n", version: "1.0"),
          .refused(last: [400])),
        StrictnessCase(
          "Transfer-Encoding and Content-Length in HTTP/1.0",
          post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n", version: "1.0"),
          .refused(last: [400])),
      ]
    )
  }()

  private static let transferEncodings: (String, [StrictnessCase]) = {
    let refused = [
      "", " ", ",", "chunked,", ",chunked", "chunked, chunked", "chunked,chunked", "gzip", "identity", "deflate",
      "gzip, chunked", "chunked, gzip", "identity, chunked", "chunked, identity", "xchunked", "chunkedx", "chunke",
      "x chunked", "chunked x", "chunked;", "chunked;q=1", "chunked; foo=bar", "\"chunked\"", "'chunked'",
      "chunked\u{B}",
      "\u{B}chunked", "chunked\u{C}", "\u{1}chunked", "chunked\0", "chunked\u{A0}", "\u{A0}chunked", "chunked\u{85}",
      "chun ked", "chunked\u{7F}", "c\u{200B}hunked", "chunKED\u{212A}", "[chunked]", "chunked\r", "=chunked", "*",
      "trailers", "compress, chunked", "gzip;q=0, chunked", "chunked,,", ",,chunked", "gzip,,chunked", "cow",
      "cow, chunked", "chunked\\", "%63hunked",
    ].map {
      StrictnessCase(
        "Transfer-Encoding \($0.debugDescription)", post("Transfer-Encoding: \($0)\r\n", "5\r\nhello\r\n0\r\n\r\n"),
        .refused(last: [400, 501]))
    }
    let twice = ["chunked", "identity", "gzip", ""].flatMap { other in
      [("chunked", other), (other, "chunked")].map { one, two in
        StrictnessCase(
          "Transfer-Encoding twice: \(one.debugDescription), \(two.debugDescription), of \(other.debugDescription)",
          post("Transfer-Encoding: \(one)\r\nTransfer-Encoding: \(two)\r\n", "0\r\n\r\n"), .refused(last: [400, 501]))
      }
    }
    let unique = Dictionary(twice.map { ($0.name, $0) }) { one, _ in one }.values.sorted { $0.name < $1.name }
    let served = ["chunked", "Chunked", "CHUNKED", "  chunked  ", "\tchunked\t", "cHuNkEd"].map {
      StrictnessCase(
        "Transfer-Encoding \($0.debugDescription)", post("Transfer-Encoding:\($0)\r\n", "5\r\nhello\r\n0\r\n\r\n"),
        .served([200]), body: "hello")
    }
    return ("Transfer-Encoding", refused + unique + served)
  }()
}

// MARK: Chunks (RFC 9112 section 7.1)

extension Strictness {
  private static let chunkSizes: (String, [StrictnessCase]) = {
    let refused = [
      "", " ", "-5", "+5", "0x5", "0X5", "5h", "x5", "g", "5 5", "_5", "5_", "5.0", "\"5\"", ";", ";a=b", "5,", "5:",
      "10000000000000005", "FFFFFFFFFFFFFFFFF", "fffffffffffffffffffffffffffffffff", "-0", "+0", "\0", "5\0", "5\u{1}",
      "5\u{B}", "\u{665}", "5\r", "\r5", "5\t5", " 5", "\t5", "5=", "5 a", "5\u{A0}", "８", "5\u{7F}",
    ].map {
      StrictnessCase("chunk size \($0.debugDescription)", chunked("\($0)\r\nhello\r\n0\r\n\r\n"), .refused(last: [400]))
    }
    let bytes = named((0...255).filter { !Array("0123456789abcdefABCDEF\t \r\n;".utf8).contains($0) }).map {
      name, byte in
      StrictnessCase(
        "a chunk size with byte \(name)",
        Array(chunked("5").utf8) + [byte] + Array("\r\nhello\r\n0\r\n\r\n".utf8), .refused(last: [400]))
    }
    let served = [("5", "hello"), ("05", "hello"), ("000005", "hello"), ("a", "0123456789"), ("A", "0123456789")].map {
      (sent: String, body: String) in
      StrictnessCase("chunk size \(sent)", chunked("\(sent)\r\n\(body)\r\n0\r\n\r\n"), .served([200]), body: body)
    }
    let tooLarge = ["1000001", "fffffffffffffff", "7fffffffffffff"].map {
      StrictnessCase("chunk size \($0)", chunked("\($0)\r\nhello\r\n0\r\n\r\n"), .refused(last: [400, 413]))
    }
    return ("chunk sizes", refused + bytes + served + tooLarge)
  }()

  private static let chunkEnds: (String, [StrictnessCase]) = {
    let refused = [
      ("a size line that ends in LF", "5\nhello\r\n0\r\n\r\n"), ("a chunk that ends in LF", "5\r\nhello\n0\r\n\r\n"),
      ("a chunk without an end", "5\r\nhello0\r\n\r\n"), ("a chunk that is longer", "5\r\nhello!\r\n0\r\n\r\n"),
      ("a chunk that is shorter", "5\r\nhell\r\n0\r\n\r\n"), ("a chunk that ends in CR", "5\r\nhello\r0\r\n\r\n"),
      ("a chunk that ends in LF CR", "5\r\nhello\n\r0\r\n\r\n"),
      ("a size line that ends in CR", "5\rhello\r\n0\r\n\r\n"),
      ("a size line that ends in CR CR LF", "5\r\r\nhello\r\n0\r\n\r\n"),
      ("a chunk that ends in CR CR LF", "5\r\nhello\r\r\n0\r\n\r\n"), ("a last chunk that ends in LF", "0\n\r\n"),
      ("a last chunk whose empty line ends in LF", "0\r\n\n"),
      ("a chunk with two blanks for its end", "5\r\nhello  0\r\n\r\n"),
      ("an empty line before the first chunk", "\r\n5\r\nhello\r\n0\r\n\r\n"),
      ("an empty line between chunks", "5\r\nhello\r\n\r\n0\r\n\r\n"),
      ("a chunk that ends in NUL", "5\r\nhello\0\u{0}0\r\n\r\n"),
    ].map { StrictnessCase($0, chunked($1), .refused(last: [400])) }
    return (
      "the ends of chunks",
      refused + [
        StrictnessCase("no chunk but the last", chunked("0\r\n\r\n"), .served([200]), body: ""),
        StrictnessCase("a last chunk of many zeros", chunked("00000\r\n\r\n"), .served([200]), body: ""),
        StrictnessCase(
          "many chunks", chunked("1\r\na\r\n1\r\nb\r\n2\r\ncd\r\n0\r\n\r\n"), .served([200]), body: "abcd"),
        StrictnessCase("a chunk of line ends", chunked("4\r\n\r\n\r\n\r\n0\r\n\r\n"), .served([200]), body: "\r\n\r\n"),
        StrictnessCase(
          "a chunk that looks like a last one", chunked("5\r\n0\r\n\r\n\r\n0\r\n\r\n"), .served([200]),
          body: "0\r\n\r\n"),
        StrictnessCase(
          "chunks of more than the route takes", chunked("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", path: "/small"),
          .refused(last: [413])),
        StrictnessCase(
          "chunks of as much as the route takes", chunked("3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n", path: "/small"),
          .served([200]), body: "4"),
      ]
    )
  }()

  private static let chunkExtensions: (String, [StrictnessCase]) = {
    let served = [
      ";a", ";a=b", ";a=\"b\"", ";a=\"b;c\"", ";a=b;c=d", ";a=\"\\\"\"", " ;a=b", "; a=b", "; a = b", ";a=\"\"",
    ].map {
      StrictnessCase(
        "extension \($0.debugDescription)", chunked("5\($0)\r\nhello\r\n0\r\n\r\n"), .served([200]), body: "hello")
    }
    let refused = [
      ";", ";;", ";a;", ";=b", ";a=", ";a=b=c", ";a=\"b", ";a=b\"", ";a b", ";a=b c", ";a\u{1}", ";a=\u{0}",
      ";a=b\u{7F}",
      ";a=\"b\u{1}\"", ";a\n", ";\u{E9}=b", ";a=\"b\"c", ";a,b", ";a/b", ";[a]", ";a=\r", " ", " a", ";a=\"b\\", "=b",
      ",a",
    ].map {
      StrictnessCase("extension \($0.debugDescription)", chunked("5\($0)\r\nhello\r\n0\r\n\r\n"), .refused(last: [400]))
    }
    let long = ";a=" + String(repeating: "b", count: 9000)
    let many = String(repeating: "1;" + String(repeating: "a", count: 900) + "\r\nx\r\n", count: 100)
    return (
      "chunk extensions",
      served + refused + [
        StrictnessCase(
          "an extension without end", chunked("5\(long)\r\nhello\r\n0\r\n\r\n"), .refused(last: [400, 413, 431])),
        StrictnessCase("more extensions than data", chunked(many + "0\r\n\r\n"), .refused(last: [400, 413, 431])),
        StrictnessCase("an extension of the last chunk", chunked("0;a=b\r\n\r\n"), .served([200])),
        StrictnessCase("a malformed extension of the last chunk", chunked("0;=\r\n\r\n"), .refused(last: [400])),
      ]
    )
  }()

  private static let trailers: (String, [StrictnessCase]) = {
    let served = ["A: b\r\n", "A:\r\n", "A: b\r\nB: c\r\n", "A: \"b\"\r\n", "Content-Type: text/plain\r\n"].map {
      StrictnessCase(
        "trailer \($0.debugDescription)", chunked("5\r\nhello\r\n0\r\n\($0)\r\n"), .served([200]), body: "hello")
    }
    let refused = [
      "A\r\n", "A b\r\n", ": b\r\n", "A : b\r\n", " A: b\r\n", "A: b\r\n c\r\n", "A: b\n", "A: \0\r\n", "A: b\rc\r\n",
      "A\u{1}: b\r\n", "A: \u{7F}\r\n", "(A): b\r\n", "\tA: b\r\n", "A\u{E9}: b\r\n",
    ].map { StrictnessCase("trailer \($0.debugDescription)", chunked("0\r\n\($0)\r\n"), .refused(last: [400])) }
    let framing = ["Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "Host: b\r\n"].map {
      // Either is right: such a trailer must only never have an effect.
      StrictnessCase("trailer \($0.debugDescription)", chunked("0\r\n\($0)\r\n"), .answered([200, 400]))
    }
    let many = (0..<101).map { "A\($0): b\r\n" }.joined()
    let long = "A: " + String(repeating: "b", count: 33_000) + "\r\n"
    return (
      "trailers",
      served + refused + framing + [
        StrictnessCase("101 trailers", chunked("0\r\n\(many)\r\n"), .refused(last: [400, 431])),
        StrictnessCase("a trailer of 33,000 bytes", chunked("0\r\n\(long)\r\n"), .refused(last: [400, 431])),
      ]
    )
  }()

  private static let bodies: (String, [StrictnessCase]) = (
    "bodies",
    [
      StrictnessCase(
        "a GET with a body", "GET /live HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", .served([200])),
      StrictnessCase(
        "a GET with a body that looks like a request",
        "GET /live HTTP/1.1\r\nHost: a\r\nContent-Length: \(Self.inner.utf8.count)\r\n\r\n\(Self.inner)", .served([200])
      ),
      StrictnessCase(
        "a GET with a chunked body",
        "GET /live HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        .served([200])),
      StrictnessCase("a POST without a length has no body", post(""), .served([200]), body: ""),
      StrictnessCase(
        "a body on a path that is not served is read over",
        "POST /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        .served([404])),
      StrictnessCase(
        "a body for a method that is not taken is read over",
        "POST /live HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        .served([405])),
      StrictnessCase(
        "a HEAD with a body", "HEAD /live HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", .served([200])),
      StrictnessCase(
        "a body larger than the route takes", "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        .refused(last: [413])),
      StrictnessCase(
        "a body as large as the route takes", "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nhell",
        .served([200]), body: "4"),
      StrictnessCase(
        "every byte in a body", Array(post("Content-Length: 256\r\n").utf8) + Array(0...255), .served([200])),
      StrictnessCase(
        "every byte in a chunk", Array(chunked("100\r\n").utf8) + Array(0...255) + Array("\r\n0\r\n\r\n".utf8),
        .served([200])),
    ]
  )

  private static let inner = "GET /inner HTTP/1.1\r\nHost: a\r\n\r\n"
}
