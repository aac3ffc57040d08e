private func get(_ fields: String, path: String = "/live", version: String = "1.1") -> String {
  "GET \(path) HTTP/\(version)\r\nHost: a\r\n\(fields)\r\n"
}

private let plain = get("")
private let echo = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
private let chunks =
  "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nT: u\r\n\r\n"

private func form(_ body: String, type: String = "application/x-www-form-urlencoded") -> String {
  "POST /form HTTP/1.1\r\nHost: a\r\nContent-Type: \(type)\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
}

// MARK: Connections, expectations, forms, pipelines (RFC 9110, RFC 9112 section 9)

extension Strictness {
  static let semantics = [connections, expectations, methods, queries, forms, multiparts, pipelines].map {
    StrictnessFamily(name: $0.0, cases: $0.1)
  }

  /// Streams whose every cut in two is tried.
  static let streams = [
    StrictnessCase(
      "requests of all kinds", plain + echo + chunks + get("", path: "/later"), .served([200, 200, 200, 200])),
    StrictnessCase(
      "an error after a request", echo + "GET /live HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
      .refused(after: [200], last: [400])),
    StrictnessCase(
      "an early refusal", "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n123456789", .refused(last: [413])
    ),
    StrictnessCase(
      "a malformed chunk", "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n",
      .refused(last: [400])),
    StrictnessCase(
      "streams and empty lines",
      get("", path: "/stream") + "\r\n" + get("Connection: keep-alive\r\n", version: "1.0")
        + get("", path: "/nothing"), .served([200, 200, 404])),
    StrictnessCase(
      "an expectation with its body",
      "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello", .answered([200])),
    StrictnessCase("the end of a connection", get("Connection: x,close\r\n") + plain, .refused(last: [200])),
  ]

  private static let connections: (String, [StrictnessCase]) = {
    let closing = [
      "close", "Close", "CLOSE", "close, x", "x, close", "x,close", " close ", "close,", ",close", ", ,close",
      "keep-alive, close",
      "close, keep-alive", "x,\tclose\t,y", "close,close", "upgrade, close",
    ]
    let going = [
      "keep-alive", "x", "", ",", "closed", "x-close", "close-x", "\"close\"", "clos e", "Keep-Alive", "upgrade",
      "close;x", "close=1",
    ]
    let lists =
      closing.map {
        StrictnessCase("Connection \($0.debugDescription)", get("Connection: \($0)\r\n") + plain, .refused(last: [200]))
      }
      + going.map {
        StrictnessCase("Connection \($0.debugDescription)", get("Connection: \($0)\r\n") + plain, .served([200, 200]))
      }
    let lines = [
      ("x", "close", true), ("close", "x", true), ("keep-alive", "close", true), ("close", "keep-alive", true),
      ("x", "y", false),
    ].map { one, two, closes in
      StrictnessCase(
        "Connection lines \(one) and \(two)", get("Connection: \(one)\r\nX: y\r\nconnection: \(two)\r\n") + plain,
        closes ? .refused(last: [200]) : .served([200, 200]))
    }
    let old = [
      ("", false), ("Connection: keep-alive\r\n", true), ("Connection: Keep-Alive\r\n", true),
      ("Connection: x, keep-alive\r\n", true),
      ("Connection: keep-alive, close\r\n", false), ("Connection: close\r\n", false), ("Connection: x\r\n", false),
      ("Keep-Alive: timeout=5\r\n", false), ("Connection: keep-alive\r\nConnection: close\r\n", false),
    ].map { fields, goesOn in
      StrictnessCase(
        "HTTP/1.0 with \(fields.debugDescription)", get(fields, version: "1.0") + plain,
        goesOn ? .served([200, 200]) : .refused(last: [200]))
    }
    let answers = ["/later", "/stream", "/nothing"].flatMap { path in
      let status = path == "/nothing" ? 404 : 200
      return [
        StrictnessCase(
          "the answer to \(path) is not lost by close", get("Connection: close\r\n", path: path) + plain,
          .refused(last: [status])),
        StrictnessCase("\(path) and on", get("", path: path) + plain, .served([status, 200])),
        StrictnessCase("\(path) in HTTP/1.0", get("", path: path, version: "1.0") + plain, .refused(last: [status])),
      ]
    }
    return ("Connection", lists + lines + old + answers)
  }()

  private static let expectations: (String, [StrictnessCase]) = {
    func expecting(
      _ value: String, length: Int = 5, path: String = "/echo", body: String = "hello", version: String = "1.1"
    ) -> String {
      "POST \(path) HTTP/\(version)\r\nHost: a\r\nContent-Length: \(length)\r\nExpect: \(value)\r\n\r\n\(body)"
    }
    let taken = ["100-continue", "100-Continue", "100-CONTINUE", " 100-continue "].map {
      // With the body behind it 100 may be left out; the content says that nothing was lost.
      StrictnessCase("Expect \($0.debugDescription)", expecting($0), .answered([200]), body: "hello")
    }
    let other = [
      "", "x", "100", "continue", "100-continue, x", "x, 100-continue", "100-continuex", "100 continue", "101-continue",
      "\"100-continue\"",
      "100-continue=1", "100-continue;q=1", "200-ok",
    ].map { StrictnessCase("Expect \($0.debugDescription)", expecting($0), .refused(last: [417])) }
    return (
      "Expect",
      taken + other + [
        StrictnessCase(
          "Expect for too large a body", expecting("100-continue", path: "/small", body: ""), .refused(last: [413])),
        StrictnessCase(
          "Expect where nothing is served", expecting("100-continue", path: "/nothing", body: ""), .refused(last: [404])
        ),
        StrictnessCase(
          "Expect where the method is wrong", expecting("100-continue", path: "/live", body: ""), .refused(last: [405])),
        StrictnessCase(
          "Expect without a body", "GET /live HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", .served([200])),
        StrictnessCase("Expect for an empty body", expecting("100-continue", length: 0, body: ""), .served([200])),
        StrictnessCase(
          "Expect in HTTP/1.0 is ignored", expecting("100-continue", version: "1.0"), .refused(last: [200])),
        StrictnessCase(
          "Expect with an ambiguous body",
          "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\nExpect: 100-continue\r\n\r\n", .refused(last: [400])),
      ]
    )
  }()

  private static let methods: (String, [StrictnessCase]) = (
    "methods",
    [
      StrictnessCase("HEAD", "HEAD /live HTTP/1.1\r\nHost: a\r\n\r\n", .served([200]), body: ""),
      StrictnessCase("HEAD of an error", "HEAD /nothing HTTP/1.1\r\nHost: a\r\n\r\n", .served([404]), body: ""),
      StrictnessCase("HEAD of a wrong method", "HEAD /echo HTTP/1.1\r\nHost: a\r\n\r\n", .served([405]), body: ""),
      StrictnessCase(
        "HEAD of an answer that takes time", "HEAD /later HTTP/1.1\r\nHost: a\r\n\r\n", .served([200]), body: ""),
      StrictnessCase("HEAD of a stream", "HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n", .served([200]), body: ""),
      StrictnessCase(
        "HEAD, then GET", "HEAD /live HTTP/1.1\r\nHost: a\r\n\r\n" + plain, .served([200, 200]), body: ""),
      StrictnessCase(
        "HEAD refused for its target", "HEAD /%zz HTTP/1.1\r\nHost: a\r\n\r\n", .refused(last: [400]), body: ""),
      StrictnessCase(
        "HEAD and close", "HEAD /live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", .refused(last: [200]), body: ""
      ),
      StrictnessCase("OPTIONS of a path", "OPTIONS /live HTTP/1.1\r\nHost: a\r\n\r\n", .served([204])),
      StrictnessCase(
        "OPTIONS with a body", "OPTIONS /live HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi", .served([204])),
      StrictnessCase("OPTIONS of nothing", "OPTIONS /nothing HTTP/1.1\r\nHost: a\r\n\r\n", .served([404])),
      StrictnessCase("PUT", "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi", .served([200]), body: "hi"),
      StrictnessCase(
        "PATCH", "PATCH /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi", .served([200]), body: "hi"),
      StrictnessCase("DELETE", "DELETE /echo HTTP/1.1\r\nHost: a\r\n\r\n", .served([200]), body: ""),
      StrictnessCase(
        "Upgrade where nobody takes it", get("Connection: upgrade\r\nUpgrade: websocket\r\n"), .served([200])),
      StrictnessCase(
        "Upgrade to HTTP/2", get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"), .served([200])),
      StrictnessCase("Upgrade without Connection", get("Upgrade: websocket\r\n"), .served([200])),
      StrictnessCase(
        "Upgrade of a path that is not served",
        get("Connection: upgrade\r\nUpgrade: websocket\r\n", path: "/nothing"), .served([404])),
      StrictnessCase("GET where POST is served", "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n", .served([405])),
    ]
  )

  private static let queries: (String, [StrictnessCase]) = {
    let served = [
      ("", ""), ("a=b", "a=b"), ("a=b&c=d", "a=b|c=d"), ("a", "a="), ("a=", "a="), ("=b", "=b"), ("a=b=c", "a=b=c"),
      ("&&a=b&", "a=b"),
      ("a=%26", "a=&"), ("%3D=%3d", "==="), ("a=+", "a= "), ("a=%2B", "a=+"), ("a=%2525", "a=%25"),
      ("a=b;c=d", "a=b;c=d"), ("a=%C3%A9", "a=é"),
      ("a=1&a=2", "a=1|a=2"), ("a=?", "a=?"), ("a=/", "a=/"), ("+a+=b", " a =b"),
    ].map { (sent: String, body: String) in
      StrictnessCase("query \(sent)", get("", path: "/query?\(sent)"), .served([200]), body: body)
    }
    let refused = [
      "a=%", "a=%2", "a=%zz", "%=a", "a=%f", "a=%ff", "a=%c0%80", "a=%00", "a=%+1", "a=%-1", "a=% 1", "a=%0x",
    ].map {
      StrictnessCase("query \($0)", get("", path: "/query?\($0)"), .refused(last: [400]))
    }
    return ("queries", served + refused)
  }()

  private static let forms: (String, [StrictnessCase]) = {
    let served = [
      ("", ""), ("a=b", "a=b"), ("a=b+c", "a=b c"), ("a=b%20c", "a=b c"), ("a=%2B", "a=+"), ("a=%3D%26", "a==&"),
      ("a=b&a=c", "a=b|a=c"), ("a", "a="),
      ("a=%25%32%35", "a=%25"), ("a=é", "a=é"), ("a=%0D%0A", "a=\r\n"), ("a=%E2%82%AC", "a=€"), ("a=1;b=2", "a=1;b=2"),
      ("&a=b&", "a=b"), ("a=%00", "a=\0"), ("a=%ff", "a=\u{FFFD}"), ("a=%c0%80", "a=\u{FFFD}\u{FFFD}"),
      ("a=%ed%a0%80", "a=\u{FFFD}\u{FFFD}\u{FFFD}"),
    ].map { (sent: String, body: String) in StrictnessCase("form \(sent)", form(sent), .served([200]), body: body) }
    let ascii = (1...0x7F as ClosedRange<UInt8>).map { byte in
      let escape = "%" + String(0x100 + Int(byte), radix: 16).dropFirst()
      return StrictnessCase(
        "form with \(escape)", form("a=\(escape)"), .served([200]), body: "a=\(Character(UnicodeScalar(byte)))")
    }
    let refused = [
      "a=%", "a=%2", "a=%zz", "%=a", "a=%f", "%ff=a", "%00=a", "a=%+1", "a=%u0041",
    ].map {
      StrictnessCase("form \($0)", form($0), .served([400]))
    }
    let types = [
      "application/x-www-form-urlencoded; charset=utf-8", "APPLICATION/X-WWW-FORM-URLENCODED",
      "application/x-www-form-urlencoded;",
    ].map { StrictnessCase("form as \($0)", form("a=b", type: $0), .served([200]), body: "a=b") }
    let others = [
      "text/plain", "application/json", "", "application/x-www-form-urlencodedx", "multipart/mixed; boundary=b",
    ].map {
      StrictnessCase("form as \($0.debugDescription)", form("a=b", type: $0), .served([415]))
    }
    return ("forms", served + ascii + refused + types + others)
  }()

  private static let multiparts: (String, [StrictnessCase]) = {
    func parts(_ body: String, boundary: String = "boundary=b") -> String {
      form(body, type: "multipart/form-data; \(boundary)")
    }
    let part = "Content-Disposition: form-data; name=\"a\"\r\n\r\nx"
    let served = [
      ("one part", "--b\r\n\(part)\r\n--b--\r\n", "a=x"), ("no line end at the end", "--b\r\n\(part)\r\n--b--", "a=x"),
      ("two parts", "--b\r\n\(part)\r\n--b\r\n\(part)\r\n--b--\r\n", "a=x|a=x"),
      ("a preamble", "preamble\r\n--b\r\n\(part)\r\n--b--\r\n", "a=x"),
      ("an epilogue", "--b\r\n\(part)\r\n--b--\r\nepilogue", "a=x"), ("no part", "--b--\r\n", ""),
      ("blanks behind the boundary", "--b  \r\n\(part)\r\n--b--\r\n", "a=x"),
      ("an empty value", "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n--b--\r\n", "a="),
      (
        "a value that is no text", "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n\0\r\n--b--\r\n", "a=\0"
      ),
      ("a value with line ends", "--b\r\n\(part)\r\ny\r\n\r\n--b--\r\n", "a=x\r\ny\r\n"),
      ("a value that nearly is a boundary", "--b\r\n\(part)\r\n-b\r\n--b--\r\n", "a=x\r\n-b"),
      (
        "other fields",
        "--b\r\nX: y\r\ncontent-disposition: form-data; name=a\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--\r\n", "a=x"
      ),
    ].map { (name: String, sent: String, body: String) in StrictnessCase(name, parts(sent), .served([200]), body: body)
    }
    let refused = [
      ("no boundary in it", "nothing"), ("no end", "--b\r\n\(part)"), ("no last boundary", "--b\r\n\(part)\r\n--b"),
      ("no name", "--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n"),
      ("no disposition", "--b\r\nX: y\r\n\r\nx\r\n--b--\r\n"),
      ("fields without end", "--b\r\nContent-Disposition: form-data; name=a\r\n--b--\r\n"),
      ("another disposition", "--b\r\nContent-Disposition: attachment; name=a\r\n\r\nx\r\n--b--\r\n"),
      ("nothing", ""), ("a boundary and more", "--bx\r\n\(part)\r\n--bx--\r\n"),
    ].map { StrictnessCase($0, parts($1), .served([400])) }
    return (
      "multipart forms",
      served + refused + [
        StrictnessCase("no boundary", parts("--b--", boundary: "x=y"), .served([400])),
        StrictnessCase("an empty boundary", parts("----", boundary: "boundary="), .served([400])),
        StrictnessCase(
          "a boundary of 71 bytes", parts("--b--", boundary: "boundary=" + String(repeating: "b", count: 71)),
          .served([400])),
        StrictnessCase(
          "a quoted boundary", parts("--b c\r\n\(part)\r\n--b c--", boundary: "boundary=\"b c\""), .served([200]),
          body: "a=x"),
      ]
    )
  }()

  private static let pipelines: (String, [StrictnessCase]) = (
    "pipelines",
    [
      StrictnessCase("one", plain, .served([200]), body: "alive"),
      StrictnessCase("two", plain + plain, .served([200, 200])),
      StrictnessCase("a hundred", String(repeating: plain, count: 100), .served(Array(repeating: 200, count: 100))),
      StrictnessCase("bodies and none", echo + plain + chunks + plain, .served([200, 200, 200, 200]), body: "hello"),
      StrictnessCase(
        "at once and later", plain + get("", path: "/later") + plain + get("", path: "/stream"),
        .served([200, 200, 200, 200])),
      StrictnessCase("an empty line between", plain + "\r\n" + plain, .served([200, 200])),
      StrictnessCase("an error ends it", plain + "X\r\n\r\n" + plain, .refused(after: [200], last: [400])),
      StrictnessCase(
        "an error behind an answer that takes time", get("", path: "/later") + "X\r\n\r\n" + plain,
        .refused(after: [200], last: [400])),
      StrictnessCase(
        "an error behind a stream", get("", path: "/stream") + "X\r\n\r\n" + plain, .refused(after: [200], last: [400])),
      StrictnessCase(
        "a malformed length behind an answer",
        echo + "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n" + plain,
        .refused(after: [200], last: [400])),
      StrictnessCase(
        "close in the middle", plain + get("Connection: close\r\n") + plain, .refused(after: [200], last: [200])),
      StrictnessCase(
        "HTTP/1.0 in the middle", plain + get("", version: "1.0") + plain, .refused(after: [200], last: [200])),
      StrictnessCase("not found in the middle", plain + get("", path: "/nothing") + plain, .served([200, 404, 200])),
      StrictnessCase(
        "too large in the middle", plain + "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n" + plain,
        .refused(after: [200], last: [413])),
      StrictnessCase(
        "a body that is a request",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: \(plain.utf8.count)\r\n\r\n" + plain + plain,
        .served([200, 200]), body: plain),
      StrictnessCase(
        "a body one byte short of a request",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nhello" + plain, .answered([400, 404, 501])),
    ]
  )
}
