import Foundation
import Testing

@testable import LegacyAPI

@Suite("Forms of a body that clients really send")
struct BodyFormTests {
  private func call(_ bench: Bench, _ fields: String, _ contentType: String, _ body: String) async throws -> Reply {
    try await bench.send("POST", "/runstatus", contentType + "\r\n" + fields, body)
  }

  @Test(
    "A body in a coding that is not undone here is 415, and the header is named",
    arguments: ["gzip", "GZIP", "x-gzip", "deflate", "br", "zstd", "gzip, identity"])
  func coded(coding: String) async throws {
    try await Bench.run { bench in
      for type in ["application/x-www-form-urlencoded", "application/json"] {
        let reply = try await call(bench, "Content-Encoding: \(coding)", type, "\u{1f}x")
        #expect(reply.status == 415 && reply.code == "unsupported_content_encoding")
        #expect(reply.text.contains("Content-Encoding"))
        #expect(reply["Accept-Encoding"] == "identity")
      }
    }
  }

  @Test("A body in no coding is read", arguments: ["identity", "Identity", ""])
  func plain(coding: String) async throws {
    try await Bench.run { bench in
      let reply = try await call(
        bench, "Content-Encoding: \(coding)", "application/json", #"{"name":"job","number":1,"jobid":"1"}"#)
      #expect(reply.status == 200)
    }
  }

  @Test("A byte order mark before JSON is skipped; one within it is not")
  func byteOrderMark() async throws {
    try await Bench.run { bench in
      let args = #"{"name":"job","number":1,"jobid":"1"}"#
      for body in ["\u{FEFF}" + args, "\u{FEFF} \n" + args] {
        #expect(try await bench.send("POST", "/runstatus", "application/json", body).status == 200)
        #expect(try await bench.call("/runstatus", body).status == 200)
      }
      for body in ["\u{FEFF}\u{FEFF}" + args, " \u{FEFF}" + args, "\u{FEFF}"] {
        let reply = try await bench.send("POST", "/runstatus", "application/json", body)
        #expect(reply.status == 400 && reply.code == "args_not_json")
      }
    }
  }

  @Test(
    "JSON that is no object is named as such, however large it is, and nothing is made of it",
    arguments: [
      "[" + Array(repeating: "0", count: 30_000).joined(separator: ",") + "]", "\"x\"", "null", " 1.5e3 ", "[[{}]]",
    ])
  func notAnObject(body: String) async throws {
    try await Bench.run { bench in
      let reply = try await bench.send("POST", "/runstatus", "application/json", body)
      #expect(reply.status == 422 && reply.code == "args_not_object")
    }
  }

  @Test("An object of more values than any call has is refused")
  func values() async throws {
    try await Bench.run { bench in
      let zeros = Array(repeating: "0", count: 30_000).joined(separator: ",")
      let reply = try await bench.send(
        "POST", "/runstatus", "application/json", #"{"x":[\#(zeros)],"name":"job","number":1,"jobid":"1"}"#)
      #expect(reply.status == 400 && reply.code == "args_not_json")
      #expect(reply.text.contains("more than 10000 values"))
    }
  }
}
