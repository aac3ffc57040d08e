import Foundation
import Testing

@testable import LegacyAPI

@Suite("What is sent twice, so that it is not known which one counts")
struct RepeatedFieldTests {
  private static let args = #"{"name":"job","number":1,"jobid":"1"}"#
  private static let other = #"{"name":"job","number":2,"jobid":"2"}"#

  @Test("A form with args twice is 400, also when both are the same", arguments: [args, other])
  func twice(second: String) async throws {
    try await Bench.run { bench in
      let fields = [Self.args, second].map {
        "args=" + ($0.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? "")
      }
      let type = "application/x-www-form-urlencoded"
      let reply = try await bench.send("POST", "/runstatus", type, fields.joined(separator: "&x=1&"))
      #expect(reply.status == 400 && reply.code == "args_repeated")
      #expect(try await bench.send("POST", "/runstatus", type, fields[0] + "&x=1&x=2").status == 200)
    }
  }

  @Test("The same in a multipart form")
  func multipart() async throws {
    try await Bench.run { bench in
      let part = "--B\r\nContent-Disposition: form-data; name=\"args\"\r\n\r\n\(Self.args)\r\n"
      let type = "multipart/form-data; boundary=B"
      #expect(try await bench.send("POST", "/runstatus", type, part + "--B--\r\n").status == 200)
      let reply = try await bench.send("POST", "/runstatus", type, part + part + "--B--\r\n")
      #expect(reply.status == 400 && reply.code == "args_repeated")
    }
  }

  @Test(
    "A line of the script that stands there twice with two values is refused, and no value is shown",
    arguments: [
      ("JARVICE_CPU_CORES", "4", "5"), ("JOBOBJ_GPUS", "0", "1"), ("JOBOBJ_WALLTIME", "1:00:00", ""),
      ("JOBOBJ_CTRSECRET", "aHVudGVyMg==", "eA=="), ("JOBOBJ_INTERACTIVE", "False", "True"),
      ("JARVICE_CMD", "eA==", "aHVudGVyMg=="),
    ])
  func lines(name: String, first: String, second: String) {
    let refused = refusal(["\(name)=\(first)", "echo", "\(name)=\(second)\r"])
    #expect(refused?.status == 422)
    #expect(refused?.message == "\(name): the line occurs twice, with different values")
  }

  @Test("A line twice with one value is taken, and so are two lines of a name that is not read")
  func same() {
    #expect(refusal(["JARVICE_CPU_CORES=4", "JARVICE_CPU_CORES=4\r"]) == nil)
    #expect(refusal(["JOBOBJ_USER=a", "JOBOBJ_USER=b"]) == nil)
  }
}
