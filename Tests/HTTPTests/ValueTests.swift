import Testing

@testable import HTTP

@Suite("Values")
struct ValueTests {
  @Test("header names are compared without case, values kept in order")
  func headers() {
    var headers: Headers = ["Accept": "a", "X": "1", "ACCEPT": "b"]
    #expect(headers["accept"] == "a")
    #expect(headers.values(of: "Accept") == ["a", "b"])
    headers.set("aCCept", "c")
    #expect(headers.values(of: "Accept") == ["c"])
    #expect(headers.map(\.name) == ["X", "aCCept"])
    #expect(headers["Accep"] == nil)
  }

  @Test("a header value cannot smuggle in another field")
  func injection() {
    let headers: Headers = ["X": "a\r\nSet-Cookie: b\u{0}", "B\r\nC": "d"]
    #expect(headers["X"] == "a  Set-Cookie: b ")
    #expect(headers.count == 1)
  }

  @Test(
    "a target is taken apart and decoded once",
    arguments: [
      ("/a%2fb/%25?x=1+2&y=%26&z&=e", "/a/b/%", ["x=1 2", "y=&", "z=", "=e"]),
      ("/", "/", []), ("/?", "/", []), ("/?a=b=c&&", "/", ["a=b=c"]),
      ("http://a:80/b?c=d", "/b", ["c=d"]), ("http://a", "/", []), ("https://a?b", "/", ["b="]),
    ])
  func target(_ target: String, _ path: String, _ query: [String]) throws {
    let request = try Request(method: "GET", target: target)
    #expect(request.path == path)
    #expect(request.query.map { "\($0.name)=\($0.value)" } == query)
  }

  @Test(
    "a target that cannot be understood is 400",
    arguments: [
      "/%", "/%4", "/%zz", "/%00", "/%ff", "/?a=%f", "/?%ff", "*", "a", "ftp://a/", "http:///a", "http://u@a/",
    ])
  func badTarget(_ target: String) {
    #expect { try Request(method: "GET", target: target) } throws: { ($0 as? HTTPError)?.status == .badRequest }
  }

  @Test(
    "forms are read, url-encoded or multipart",
    arguments: [
      ("application/x-www-form-urlencoded", "args=%7B%22a%22%3A1%7D&b=x+y%2B"),
      ("Application/X-WWW-Form-UrlEncoded; charset=utf-8", "args={\"a\":1}&b=x+y%2B"),
      (
        "multipart/form-data; boundary=\"q r\"",
        "--q r\r\nContent-Disposition: form-data; name=\"args\"\r\n\r\n{\"a\":1}\r\n"
          + "--q r  \r\nX: y\r\ncontent-disposition: form-data; name=b\r\n\r\nx y+\r\n--q r--\r\nepilogue"
      ),
      (
        "multipart/form-data; boundary=q",
        "preamble\r\n--q\r\nContent-Disposition: form-data; name=f; filename=\"b\"\r\n\r\nfile\r\n"
          + "--q\r\nContent-Disposition: form-data; name=\"args\"\r\n\r\n{\"a\":1}\r\n"
          + "--q\r\nContent-Disposition: form-data; name=\"b\"\r\n\r\nx y+\r\n--q--"
      ),
    ])
  func forms(_ type: String, _ body: String) throws {
    let request = try Request(method: "POST", target: "/", headers: ["Content-Type": type], body: Array(body.utf8))
    let form = try request.form()
    #expect(form["args"] == "{\"a\":1}")
    #expect(form["b"] == "x y+")
    #expect(form["f"] == nil)
    if let file = form.fields.first(where: { $0.name == "f" }) {
      #expect(file.filename == "b")
      #expect(file.value == Array("file".utf8))
    }
  }

  @Test("any byte can be the value of a form's field", arguments: [false, true])
  func formBytes(_ isMultipart: Bool) throws {
    let bytes = Array(UInt8.min...UInt8.max)
    let part = Array("--q\r\nContent-Disposition: form-data; name=a\r\n\r\n".utf8) + bytes + Array("\r\n--q--".utf8)
    let escaped = bytes.map { "%" + ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    let form = try Request(
      method: "POST", target: "/",
      headers: ["Content-Type": isMultipart ? "multipart/form-data; boundary=q" : "application/x-www-form-urlencoded"],
      body: isMultipart ? part : Array("a=\(escaped)".utf8)
    ).form()
    #expect(form.bytes(of: "a") == bytes)
    #expect(form["a"] == nil)
  }

  @Test(
    "a form that is none is refused",
    arguments: [
      ("application/json", "{}", 415), ("", "a=b", 415),
      ("application/x-www-form-urlencoded", "a=%2", 400), ("application/x-www-form-urlencoded", "%ff=a", 400),
      ("application/x-www-form-urlencoded", String(repeating: "a&", count: 1001), 400),
      ("multipart/form-data", "", 400), ("multipart/form-data; boundary=q", "", 400),
      ("multipart/form-data; boundary=q", "--q", 400), ("multipart/form-data; boundary=q", "--qx\r\n", 400),
      ("multipart/form-data; boundary=q", "--q\r\n\r\nx\r\n--q--", 400),
      ("multipart/form-data; boundary=q", "--q\r\nContent-Disposition: form-data; name=a\r\n\r\nx", 400),
      ("multipart/form-data; boundary=q", "--q\r\nContent-Disposition: form-data; name=a\r\n--q--", 400),
    ])
  func badForms(_ type: String, _ body: String, _ status: Int) throws {
    let request = try Request(method: "POST", target: "/", headers: ["Content-Type": type], body: Array(body.utf8))
    #expect { try request.form() } throws: { ($0 as? HTTPError)?.status.code == status }
  }

  @Test("an error is compact JSON with sorted keys and a newline")
  func errorJSON() {
    let error = HTTPError(.conflict, code: "c", "say \"hi\"\n\u{1F}é", hint: "h")
    guard case .bytes(let bytes) = error.response.body else { return }
    #expect(
      String(decoding: bytes, as: UTF8.self)
        == #"{"code":"c","error":"say \"hi\"\n\u001fé","hint":"h"}"# + "\n")
  }

  @Test("the Date field is written as HTTP wants it")
  func date() {
    #expect(HTTPDate.format(784_111_777) == Array("Sun, 06 Nov 1994 08:49:37 GMT".utf8))
  }

  @Test(
    "gzip is sent to those who take it",
    arguments: [
      (nil, false), ("", false), ("gzip", true), ("deflate, GZIP;q=0.5", true), ("gzip;q=0", false), ("*", true),
      ("*;q=0", false), ("gzip;q=0, *", false), ("identity", false), ("gzip;q=x", false),
    ])
  func acceptsGzip(_ field: String?, _ expected: Bool) {
    #expect(Gzip.isAccepted(by: [field].compactMap(\.self)) == expected)
  }

  @Test("a status has its reason phrase")
  func status() {
    #expect(Status(404) == .notFound)
    #expect(Status(418).reason == "")
  }
}
