import Foundation
import HTTPClient
import Testing

@testable import Tokens

@Suite("Key sets over TLS", .timeLimit(.minutes(1)))
struct EncryptedKeySetTests {
  /// `openssl s_server`, which serves a file over TLS with a certificate that it signed itself.
  private func serve(in folder: String, names: String) throws -> (Process, Int) {
    func run(_ arguments: [String]) throws -> Process {
      let process = Process()
      process.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
      process.arguments = arguments
      process.currentDirectoryURL = URL(fileURLWithPath: folder)
      process.standardError = FileHandle.nullDevice
      process.standardInput = FileHandle.nullDevice
      return process
    }
    let request = try run([
      "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
      "/CN=test",
      "-addext", "subjectAltName=\(names)", "-keyout", "key.pem", "-out", "cert.pem",
    ])
    try request.run()
    request.waitUntilExit()
    try #require(request.terminationStatus == 0)
    let server = try run(["s_server", "-accept", "127.0.0.1:0", "-cert", "cert.pem", "-key", "key.pem", "-WWW"])
    let output = Pipe()
    server.standardOutput = output
    try server.run()
    // `ACCEPT 127.0.0.1:PORT`
    var text = ""
    while !text.contains(/ACCEPT .*\n/) {
      let data = output.fileHandleForReading.availableData
      try #require(!data.isEmpty)
      text += String(decoding: data, as: UTF8.self)
    }
    let port = try #require(text.firstMatch(of: /ACCEPT .*:(\d+)\n/)?.output.1)
    return (server, try #require(Int(port)))
  }

  @Test("a server is trusted by its certificate and its name only")
  func certificates() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID())").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try keySet(SigningKey.p256.webKey("a")).write(toFile: folder + "/keys", atomically: true, encoding: .utf8)
    let (server, port) = try serve(in: folder, names: "DNS:localhost")
    // It inherits a mask in which SIGTERM is blocked.
    defer { kill(server.processIdentifier, SIGKILL) }
    let trusting = Authorities.named { ["SSL_CERT_FILE": folder + "/cert.pem"][$0] }
    let known = try KeySetAddress("https://localhost:\(port)/keys", authorities: trusting)
    #expect(try known.read()?.keys.map(\.id) == ["a"])
    let otherName = try KeySetAddress("https://127.0.0.1:\(port)/keys", authorities: trusting)
    #expect(throws: KeyError.self) { try otherName.read() }
    let unknown = try KeySetAddress("https://localhost:\(port)/keys", authorities: Authorities())
    let error = #expect(throws: KeyError.self) { try unknown.read() }
    #expect(error?.description.contains("certificate") == true)
  }
}
