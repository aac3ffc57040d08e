import Foundation
import SSH
import Testing

@Suite("Logins that are refused", .serialized)
struct LoginRefusalTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let options: [String]
    var key = TestKeys.Name.ed25519
    var words: [String]
    var testDescription: String { options.joined(separator: "; ") }
  }

  static let cases = [
    Case(options: [], key: .stranger, words: ["does not accept the key", "authorized_keys"]),
    Case(
      options: ["AuthenticationMethods publickey,password", "PasswordAuthentication yes"],
      words: ["is accepted", "another login step", "(password)", "AuthenticationMethods publickey"]),
    Case(
      options: ["AuthenticationMethods publickey,keyboard-interactive", "KbdInteractiveAuthentication yes"],
      words: ["is accepted", "(keyboard-interactive)"]),
    Case(options: ["AuthenticationMethods publickey,publickey"], words: ["is accepted", "(publickey)"]),
    Case(
      options: ["PubkeyAuthentication no", "PasswordAuthentication yes"],
      words: ["accepts no public keys", "password", "PubkeyAuthentication yes"]),
    Case(options: ["DenyUsers *"], words: ["does not accept the key"]),
  ]

  @Test("The error says what the server wants", arguments: cases)
  func refusals(row: Case) async throws {
    let server = try await TestServer.start(options: row.options)
    let pool = try server.pool { $0.retryHint = "then send SIGHUP" }
    let key = try TestKeys.key(row.key)
    do throws(SSHError) {
      _ = try await pool.run("true", on: server.destination, key: key, timeout: .seconds(20))
      Issue.record("it logged in")
    } catch {
      guard case .loginRefused = error else { throw error }
      for word in row.words + ["; then send SIGHUP"] { #expect("\(error)".contains(word), "\(error)") }
    }
  }

  @Test("A login banner that libssh2 does not take is named", arguments: [1000, 20_000, 60_000])
  func banner(length: Int) async throws {
    let file = FileManager.default.temporaryDirectory.appendingPathComponent("banner-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: file) }
    try String(repeating: "This is a private system.\n", count: length / 26).write(
      toFile: file, atomically: true, encoding: .utf8)
    let server = try await TestServer.start(options: ["Banner \(file)"])
    let pool = try server.pool()
    let key = try TestKeys.key()
    do throws(SSHError) {
      let output = try await pool.run("echo hello", on: server.destination, key: key, timeout: .seconds(20))
      #expect(output.text == "hello\n" && length <= 20_000)
    } catch {
      #expect("\(error)".contains("banner") && length > 20_000, "\(error)")
    }
  }
}
