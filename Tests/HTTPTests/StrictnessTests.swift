import Testing

@testable import HTTP

/// What the strictness cases are sent to.
private func strictRoutes(_ router: inout Router) {
  router.on("GET", "/sentinel") { _ in .now(.text("sentinel")) }
  for method in ["PUT", "PATCH", "DELETE"] {
    router.on(method, "/echo") { request in .now(.text(String(decoding: request.body, as: UTF8.self))) }
  }
  router.on("POST", "/small", bodyLimit: 4) { request in .now(.text("\(request.body.count)")) }
  router.on("GET", "/later") { _ in
    .later {
      await Task.yield()
      return .text("later")
    }
  }
  router.on("GET", "/stream") { _ in
    .now(
      Response(
        body: .stream(length: nil) { writer in
          try await writer.write(Array("str".utf8))
          try await writer.write(Array("eam".utf8))
        }))
  }
  router.on("GET", "/segment/{value}") { request in .now(.text(request.parameters["value"] ?? "")) }
  router.on("GET", "/segment/{value}/inner") { _ in .now(.text("inner")) }
  router.on("GET", "/path") { request in .now(.text(request.path)) }
  router.on("GET", "/query") { request in
    .now(.text(request.query.map { "\($0.name)=\($0.value)" }.joined(separator: "|")))
  }
  router.on("POST", "/form") { request in
    let fields = try request.form().fields
    return .now(.text(fields.map { "\($0.name)=\(String(decoding: $0.value, as: UTF8.self))" }.joined(separator: "|")))
  }
}

/// A family of cases, named by what they have in common.
struct StrictnessFamily: Sendable, CustomTestStringConvertible {
  var name: String
  var cases: [StrictnessCase]
  var testDescription: String { "\(name), \(cases.count) cases" }
}

/// One after another: each is thousands of connections, and other suites have deadlines.
@Suite("Strictness", .serialized)
struct StrictnessTests {
  static let families =
    Strictness.framing + Strictness.heads + Strictness.semantics

  @Test("every request is served or refused by the letter, whole and in small pieces", arguments: families)
  func strict(_ family: StrictnessFamily) async throws {
    let complaints = try await TestServer.run(routes: strictRoutes) { server in
      let port = server.port
      return try await blocking {
        family.cases.enumerated().flatMap { index, one in
          let count = one.bytes.count + StrictnessCase.sentinel.utf8.count
          // Pieces of three bytes, beginning at another place for each case.
          let pieces = Array(stride(from: 1 + index % 3, to: min(count, 600), by: 3))
          return [[], pieces].compactMap { cuts in
            let complaint: String?
            do {
              complaint = one.complaint(about: try one.replies(from: port, cuts: cuts))
            } catch {
              complaint = "\(error)"
            }
            return complaint.map { "\(one.name)\(cuts.isEmpty ? "" : ", in pieces"): \($0)" }
          }
        }
      }
    }
    #expect(complaints.isEmpty, "\(complaints.joined(separator: "\n"))")
  }

  @Test("a stream cut in two at any place gets the same answers", arguments: Strictness.streams)
  func cuts(_ one: StrictnessCase) async throws {
    let complaints = try await TestServer.run(routes: strictRoutes) { server in
      let port = server.port
      return try await blocking {
        try (1..<one.bytes.count).compactMap { cut in
          let complaint = one.complaint(about: try one.replies(from: port, cuts: [cut], pause: 50))
          return complaint.map { "cut at \(cut): \($0)" }
        }
      }
    }
    #expect(complaints.isEmpty, "\(complaints.joined(separator: "\n"))")
  }

  @Test("there are several hundred cases, and no two of a family have one name")
  func count() {
    #expect(Self.families.reduce(0) { $0 + $1.cases.count } > 463)
    for family in Self.families { #expect(Set(family.cases.map(\.name)).count == family.cases.count, "\(family.name)") }
  }
}
