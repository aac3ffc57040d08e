private func get(_ fields: String, version: String = "1.1") -> String { "GET /live HTTP/\(version)\r\n\(fields)\r\n" }

/// `prefix`, one byte, `suffix`.
private func around(_ byte: UInt8, _ prefix: String, _ suffix: String) -> [UInt8] {
  Array(prefix.utf8) + [byte] + Array(suffix.utf8)
}

private func hex(_ byte: UInt8) -> String { "0x" + String(0x100 + Int(byte), radix: 16).dropFirst() }

private let tokenBytes = Set("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".utf8)

// MARK: The request line and the fields (RFC 9112 sections 2, 3 and 5)

extension Strictness {
  static let heads = [
    fieldNameBytes, fieldValueBytes, methodBytes, targetBytes, requestLines, versions, targets, hosts, fieldLines,
    lineEnds,
  ].map { StrictnessFamily(name: $0.0, cases: $0.1) }

  private static let fieldNameBytes: (String, [StrictnessCase]) = {
    let cases = (0...255 as ClosedRange<UInt8>).flatMap { byte -> [StrictnessCase] in
      let isToken = tokenBytes.contains(byte)
      let outcome = isToken ? StrictnessCase.Outcome.served([200]) : .refused(last: [400])
      let inside = around(byte, "GET /live HTTP/1.1\r\nHost: a\r\nX", "Y: z\r\n\r\n")
      let first = around(byte, "GET /live HTTP/1.1\r\nHost: a\r\n", "Y: z\r\n\r\n")
      let last = around(byte, "GET /live HTTP/1.1\r\nHost: a\r\nX", ": z\r\n\r\n")
      // `X:Y: z` is the field X, and `X:: z` too.
      let isColon = byte == UInt8(ascii: ":")
      return [
        StrictnessCase("\(hex(byte)) in a field name", inside, isColon ? .served([200]) : outcome),
        StrictnessCase("\(hex(byte)) at the begin of a field name", first, outcome),
        StrictnessCase("\(hex(byte)) at the end of a field name", last, isColon ? .served([200]) : outcome),
      ]
    }
    return ("bytes in field names", cases)
  }()

  private static let fieldValueBytes: (String, [StrictnessCase]) = {
    let cases = (0...255 as ClosedRange<UInt8>).flatMap { byte -> [StrictnessCase] in
      let isControl = (byte < 0x20 && byte != 0x09) || byte == 0x7F
      let outcome = isControl ? StrictnessCase.Outcome.refused(last: [400]) : .served([200])
      return [("inside", "y", "z"), ("at the begin", "", "z"), ("at the end", "y", "")].map { place, before, after in
        StrictnessCase(
          "\(hex(byte)) \(place) of a field value",
          around(byte, "GET /live HTTP/1.1\r\nHost: a\r\nX: \(before)", "\(after)\r\n\r\n"), outcome)
      }
    }
    return ("bytes in field values", cases)
  }()

  private static let methodBytes: (String, [StrictnessCase]) = {
    let cases = (0...255 as ClosedRange<UInt8>).map { byte in
      // An unknown method is well formed: 501.
      let outcome: StrictnessCase.Outcome =
        tokenBytes.contains(byte) ? .served([501]) : byte == 0x20 ? .refused(last: [400]) : .refused(last: [400])
      return StrictnessCase(
        "\(hex(byte)) in a method", around(byte, "GE", "T /live HTTP/1.1\r\nHost: a\r\n\r\n"), outcome)
    }
    return ("bytes in methods", cases)
  }()

  private static let targetBytes: (String, [StrictnessCase]) = {
    let cases = (0...255 as ClosedRange<UInt8>).map { byte in
      let outcome: StrictnessCase.Outcome
      switch byte {
      case 0...0x20, 0x7F...0xFF, UInt8(ascii: "#"), UInt8(ascii: "%"): outcome = .refused(last: [400])
      case UInt8(ascii: "?"): outcome = .served([200])
      // No URI has these, but some clients send them; neither has a meaning of its own.
      case _ where Array("\"<>\\^`{|}[]".utf8).contains(byte): outcome = .answered([400, 404])
      default: outcome = .served([404])
      }
      return StrictnessCase(
        "\(hex(byte)) in a target", around(byte, "GET /live", "x HTTP/1.1\r\nHost: a\r\n\r\n"), outcome)
    }
    return ("bytes in targets", cases)
  }()

  private static let requestLines: (String, [StrictnessCase]) = {
    let refused = [
      "GET", "GET ", "GET /live", "GET /live ", "GET  /live HTTP/1.1", "GET /live  HTTP/1.1", " GET /live HTTP/1.1",
      "\tGET /live HTTP/1.1", "GET\t/live HTTP/1.1", "GET /live\tHTTP/1.1", "GET /live HTTP/1.1 ",
      "GET /live HTTP/1.1\t",
      "GET /live HTTP/1.1 x", "GET /li ve HTTP/1.1", "GET HTTP/1.1", "/live HTTP/1.1", "GET /live HTTP/1.1\0",
      "GET\u{B}/live HTTP/1.1", "GET\u{A0}/live HTTP/1.1", "GET /live\u{C}HTTP/1.1", "GET /live HTTP/1.1;",
      "GET,/live,HTTP/1.1",
      "HTTP/1.1 200 OK", "GET /live\0 HTTP/1.1", "GET\0 /live HTTP/1.1", ": /live HTTP/1.1", "\"GET\" /live HTTP/1.1",
      "G@T /live HTTP/1.1", "GET(/live) /live HTTP/1.1", "GET /live\r HTTP/1.1", "GET\r /live HTTP/1.1",
      "\rGET /live HTTP/1.1", "Host: a", "GET /live\u{E9} HTTP/1.1", "GÉT /live HTTP/1.1",
    ].map { StrictnessCase($0.debugDescription, "\($0)\r\nHost: a\r\n\r\n", .refused(last: [400])) }
    let unknown = [
      "get", "Get", "gET", "GETT", "GE", "BREW", "FOO-BAR", "!", "1", "TRACE", "TRACK", "PROPFIND", "head", "post",
    ].map {
      StrictnessCase("method \($0)", "\($0) /live HTTP/1.1\r\nHost: a\r\n\r\n", .served([501]))
    }
    let wrong = ["POST", "PUT", "PATCH", "DELETE"].map {
      StrictnessCase(
        "\($0) where GET is served", "\($0) /live HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", .served([405]))
    }
    let others = [
      StrictnessCase("one empty line before", "\r\n" + get("Host: a\r\n"), .served([200])),
      StrictnessCase("an LF before", "\n" + get("Host: a\r\n"), .refused(last: [400])),
      StrictnessCase("a CR before", "\r" + get("Host: a\r\n"), .refused(last: [400])),
      StrictnessCase(
        "many empty lines", String(repeating: "\r\n", count: 50) + get("Host: a\r\n"), .refused(last: [400])),
      StrictnessCase("TLS", [0x16, 0x03, 0x01, 0x02, 0x00, 0x01], .refused(last: [400])),
      StrictnessCase("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", .refused(last: [400, 505])),
      StrictnessCase(
        "a method without end", String(repeating: "A", count: 9000) + " / HTTP/1.1\r\n\r\n",
        .refused(last: [400, 414, 501])),
    ]
    return ("request lines", refused + unknown + wrong + others)
  }()

  private static let versions: (String, [StrictnessCase]) = {
    let malformed = [
      "", "HTTP", "HTTP/", "HTTP/1", "HTTP/1.", "HTTP/.1", "HTTP/1.1.1", "HTTP/11", "HTTP/1,1", "HTTP/1.10",
      "HTTP/01.1",
      "HTTP/1.01", "HTTP/001.001", "HTTP/+1.1", "HTTP/1.+1", "HTTP/-1.1", "HTTP/1.x", "HTTP/x.1", "HTTP/A.B",
      "http/1.1",
      "Http/1.1", "HTTp/1.1", "HTTP /1.1", "HTTP/ 1.1", "HTTP/1 .1", "HTTP/1. 1", "HTTP\\1.1", "HTTPS/1.1", "HTP/1.1",
      "HTTP//1.1", "HTTP-1.1", "XHTTP/1.1", "HTTP/1.1x", "HTTP/1.1\u{1}", "HTTP/\u{661}.\u{661}", "ICY/1.1", "1.1",
      "SIP/2.0",
      "HTTP/1.1/1", "HTTP/0x1.1", "HTTP/1.1HTTP/1.1", "HTTP/10.1",
    ].map {
      StrictnessCase(
        "version \($0.debugDescription)", "GET /live \($0)\r\nHost: a\r\n\r\n", .refused(last: [400, 505]))
    }
    let others = ["0.9", "0.0", "1.2", "1.9", "2.0", "2.1", "3.0", "9.9"].map {
      StrictnessCase("version \($0)", get("Host: a\r\n", version: $0), .refused(last: [400, 505]))
    }
    return (
      "versions",
      malformed + others + [
        StrictnessCase("HTTP/1.1", get("Host: a\r\n"), .served([200])),
        StrictnessCase("HTTP/1.0", get("Host: a\r\n", version: "1.0"), .refused(last: [200])),
        StrictnessCase("HTTP/0.9", "GET /live\r\n", .refused(last: [400])),
      ]
    )
  }()

  private static let targets: (String, [StrictnessCase]) = {
    func asked(_ target: String, method: String = "GET") -> String { "\(method) \(target) HTTP/1.1\r\nHost: a\r\n\r\n" }
    let served = [
      "/live", "/live?", "/live?x=y", "/live?x=/../y", "/live?a=b&c", "http://a/live", "HTTP://a/live",
      "http://a:80/live",
      "http://other/live?x=y", "http://[::1]/live", "http://[::1]:80/live?x", "https://a/live", "/live??", "/%6cive",
      "/%6Cive",
    ].map { StrictnessCase("target \($0)", asked($0), .served([200]), body: "alive") }
    let elsewhere = [
      "/", "//live", "/live/", "/live//", "/./live", "/../live", "/x/../live", "/live/.", "/live/..", "/%2e/live",
      "/%2e%2e/live", "/x/%2e%2e/live", "/%2Flive", "/live%2F", "/live%2e", "/live%20", "/Live", "/LIVE", "/live;x=y",
      "///live", "/%2flive", "/..%2flive", "/live%3Fx", "/%252e%252e/live", "/%5clive", "/live/../live",
      "/live%2f..%2flive",
      "http://a", "http://a/", "http://a?live", "/http://a/live", "/.", "/..", "/live&x", "/live=", "/+live",
    ].map { StrictnessCase("target \($0) leads nowhere", asked($0), .answered([400, 404])) }
    let refused = [
      "*", "live", "a:80", "a", "?x", "http:", "http:/", "http://", "http:///live", "http://?x", "http:/a/live",
      "ftp://a/live",
      "file:///etc/passwd", "://a/live", "http//a/live", "http://u@a/live", "http://u:p@a/live", "http://a b/live",
      "http://a:x/live",
      "http://[::1/live", "http://a:80:80/live", "/live%", "/live%2", "/live%zz", "/%", "/%g0", "/%0g", "/live#",
      "/live#x",
      "/%00", "/live%00", "/live%0", "/%c0%af", "/%ff", "/live?a=%", "/live?%zz=1", "/live?a=%f", "/live\u{7F}",
      "\\live", "..", ".",
      "../live", "javascript:x", "/live?%00", "@a/live", "http://a@/live", "http://:80/live",
    ].map { StrictnessCase("target \($0.debugDescription)", asked($0), .refused(last: [400])) }
    return (
      "targets",
      served + elsewhere + refused + [
        StrictnessCase("OPTIONS *", asked("*", method: "OPTIONS"), .served([204])),
        StrictnessCase("POST *", asked("*", method: "POST"), .refused(last: [400])),
        StrictnessCase("HEAD *", asked("*", method: "HEAD"), .refused(last: [400])),
        StrictnessCase("CONNECT a:80", asked("a:80", method: "CONNECT"), .answered([400, 405, 501])),
        StrictnessCase("CONNECT /live", asked("/live", method: "CONNECT"), .answered([400, 405, 501])),
        StrictnessCase(
          "a decoded slash stays in its segment", asked("/segment/a%2Finner"), .served([200]), body: "a/inner"),
        StrictnessCase(
          "an encoded slash parts nothing", asked("/segment/a%2F..%2Flive"), .served([200]), body: "a/../live"),
        StrictnessCase("decoded once", asked("/segment/%2525"), .served([200]), body: "%25"),
        StrictnessCase("a plus in a path is a plus", asked("/segment/a+b"), .served([200]), body: "a+b"),
        StrictnessCase("two segments are not one", asked("/segment/a/b"), .served([404])),
        StrictnessCase("a literal below a parameter", asked("/segment/a/inner"), .served([200]), body: "inner"),
        StrictnessCase("an empty segment is no parameter", asked("/segment/"), .served([404])),
        StrictnessCase("an empty segment between", asked("/segment//inner"), .served([404])),
      ]
    )
  }()

  private static let hosts: (String, [StrictnessCase]) = {
    func with(_ value: String) -> String { "GET /live HTTP/1.1\r\nHost:\(value)\r\n\r\n" }
    let served = [
      " a", "a", "\ta", " a ", " a:80", " example.com", " example.com:8080", " 127.0.0.1", " 127.0.0.1:80", " [::1]",
      " [::1]:80",
      " [2001:db8::1]:443", " a-b.c_d", " xn--bcher-kva.example", " A", " a.", " [::ffff:1.2.3.4]", " a:0", " a:65535",
    ].map { StrictnessCase("Host:\($0)", with($0), .served([200])) }
    let refused = [
      " a b", " a\tb", " a/b", " a?b", " a#b", " u@a", " u:p@a", " http://a", " a:b", " a:80x", " a:-1", " a:+80",
      " a:80:80", " ::1",
      " [::1", " ::1]", " [::1]x", " [::1]:x", " []", " [a b]", " a[b]", " [[::1]]", " a\\b", " a<b", " a>b", " a\"b",
      " a^b", " a`b", " a{b}",
      " a|b", " a, b", " a\u{E9}", " a\0", " a\u{1}", " \u{7F}", " a:99999", " a:65536", " a:999999", " a%", " a%z",
      " a%zz", " [zz]", " [::1%]",
      " a:8 0", " a :80", " :80", " a: 80", " [g::1]", " [1]", " [::1]:", " @", " /", " a\rb", " [::1]]", " [:::1]",
      " [1:2:3:4:5:6:7:8:9]",
      " [::1::]", " [12345::]", " [1.2.3.4]", " [::1.2.3.4.5]", " [::256.1.1.1]", " [v]", " [v1.]",
    ].map { host in
      let outcome: StrictnessCase.Outcome = [" [::1]:"].contains(host) ? .answered([200, 400]) : .refused(last: [400])
      return StrictnessCase("Host:\(host.debugDescription)", with(host), outcome)
    }
    let counts = [
      ("none", "", 400), ("two alike", "Host: a\r\nHost: a\r\n", 400),
      ("two that differ", "Host: a\r\nHost: b\r\n", 400),
      ("two in other cases", "Host: a\r\nhOST: a\r\n", 400), ("two, one empty", "Host: a\r\nHost:\r\n", 400),
      ("two, parted by others", "Host: a\r\nX: y\r\nHost: a\r\n", 400),
      ("three", "Host: a\r\nHost: a\r\nHost: a\r\n", 400),
    ].map { StrictnessCase("Hosts: \($0)", get($1), .refused(last: [$2])) }
    return (
      "Host",
      served + refused + counts + [
        StrictnessCase("two Hosts in HTTP/1.0", get("Host: a\r\nHost: b\r\n", version: "1.0"), .refused(last: [400])),
        StrictnessCase("no Host in HTTP/1.0", get("", version: "1.0"), .refused(last: [200])),
        StrictnessCase("a bad Host in HTTP/1.0", get("Host: a b\r\n", version: "1.0"), .refused(last: [400])),
        // RFC 9112 section 3.2 has clients send it where a target has no authority.
        StrictnessCase("an empty Host", get("Host:\r\n"), .answered([200, 400])),
        StrictnessCase(
          "an absolute target with a bad Host", "GET http://a/live HTTP/1.1\r\nHost: a b\r\n\r\n", .refused(last: [400])
        ),
        StrictnessCase("an absolute target without Host", "GET http://a/live HTTP/1.1\r\n\r\n", .refused(last: [400])),
        StrictnessCase(
          "an absolute target with another Host", "GET http://a/live HTTP/1.1\r\nHost: b\r\n\r\n", .served([200])),
      ]
    )
  }()

  private static let fieldLines: (String, [StrictnessCase]) = {
    let refused = [
      "X", "X y", "X : y", "X\t: y", " X: y", "\tX: y", ": y", ":", " : y", "X: y\r\n z", "X: y\r\n\tz", "X:\r\n y",
      "X: y\r\n ",
      "X: y\r\n \r\n z", "X: y\r\nz", "X y: z", "X\0: y", "X: \0", "X: y\rz", "X: y\r", "X: \u{1B}[0m", "X\u{E9}: y",
      "X: y\r\n: z",
      "(X): y", "X/Y: z", "X@Y: z", "X[0]: z", "\"X\": y", "X=Y", "{X}: y", "X,Y: z", "X\\: y", "X;: y", "X?: y",
      "\u{FEFF}X: y", "X<: y",
      "X: \u{8}", "X: \u{B}y", "X: \u{C}y", "X: y\u{1F}",
    ].map { StrictnessCase($0.debugDescription, get("Host: a\r\n\($0)\r\n"), .refused(last: [400])) }
    let first = [" X: y", "\tX: y", ": y", "X y", " Host: a", " "].map {
      StrictnessCase("\($0.debugDescription) as the first field", get("\($0)\r\nHost: a\r\n"), .refused(last: [400]))
    }
    let served = [
      "X:", "X: ", "X:y", "X:  y  ", "X: \ty\t ", "X: y:z", "X: \u{E9}", "X: \"y\"", "!#$%&'*+-.^_`|~: y",
      "x: y\r\nX: y", "X-: y",
      "Accept: */*", "Cookie: a=b; c=d", "X: a, b, c", "X: (comment)", "1: y", "Proxy: x",
    ].map { StrictnessCase($0.debugDescription, get("Host: a\r\n\($0)\r\n"), .served([200])) }
    return ("field lines", refused + first + served)
  }()

  private static let lineEnds: (String, [StrictnessCase]) = (
    "line ends",
    [
      StrictnessCase("an LF after the request line", "GET /live HTTP/1.1\nHost: a\r\n\r\n", .refused(last: [400])),
      StrictnessCase("an LF after a field", "GET /live HTTP/1.1\r\nHost: a\n\r\n", .refused(last: [400])),
      StrictnessCase("an LF for the empty line", "GET /live HTTP/1.1\r\nHost: a\r\n\n", .refused(last: [400])),
      StrictnessCase("LFs only", "GET /live HTTP/1.1\nHost: a\n\n", .refused(last: [400])),
      StrictnessCase("CRs only", "GET /live HTTP/1.1\rHost: a\r\r", .refused(last: [400])),
      StrictnessCase(
        "CR CR LF after the request line", "GET /live HTTP/1.1\r\r\nHost: a\r\n\r\n", .refused(last: [400])),
      StrictnessCase("CR CR LF after a field", "GET /live HTTP/1.1\r\nHost: a\r\r\n\r\n", .refused(last: [400])),
      StrictnessCase("CR CR LF for the empty line", "GET /live HTTP/1.1\r\nHost: a\r\n\r\r\n", .refused(last: [400])),
      StrictnessCase("LF CR after a field", "GET /live HTTP/1.1\r\nHost: a\n\r\r\n\r\n", .refused(last: [400])),
      StrictnessCase(
        "a blank before the line end of the empty line", "GET /live HTTP/1.1\r\nHost: a\r\n \r\n\r\n",
        .refused(last: [400])),
      StrictnessCase(
        "a field that ends in CR and another byte", "GET /live HTTP/1.1\r\nHost: a\rX: y\r\n\r\n", .refused(last: [400])
      ),
      StrictnessCase("NEL for a line end", "GET /live HTTP/1.1\u{85}Host: a\r\n\r\n", .refused(last: [400])),
      StrictnessCase("a vertical tab for a line end", "GET /live HTTP/1.1\u{B}Host: a\r\n\r\n", .refused(last: [400])),
    ]
  )
}
