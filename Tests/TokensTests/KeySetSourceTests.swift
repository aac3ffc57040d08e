import Foundation
import Logging
import TestSupport
import Testing

@testable import Tokens

private let now = Date(timeIntervalSince1970: 1_800_000_000)
private let good = #"{"exp":1800000600,"sub":"kirbystar"}"#
private let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

/// Everything soon, and for the tests that want it nothing by itself.
private let quick = KeySetSource.Pace(
  tick: .milliseconds(20), refresh: .milliseconds(40), retry: .milliseconds(40), patience: .seconds(5))
private let still = KeySetSource.Pace(tick: .seconds(600), refresh: .seconds(600), retry: .zero, patience: .seconds(5))

private func started(
  _ server: ScriptedServer, _ pace: KeySetSource.Pace
) async throws -> (TokenVerifier, KeySetSource) {
  let source = try KeySetSource(KeySetAddress(server.url), pace: pace, logger: logger)
  await source.start()
  return (try TokenVerifier(keys: [], keySet: source), source)
}

private func reason(_ token: String, _ verifier: TokenVerifier) async -> TokenError.Reason? {
  do {
    _ = try await verifier.verify(token, now: now)
    return nil
  } catch {
    return error.reason
  }
}

/// Waits until something holds, ten seconds at most.
private func eventually(_ condition: () async -> Bool) async -> Bool {
  for _ in 0..<500 {
    if await condition() { return true }
    try? await Task.sleep(for: .milliseconds(20))
  }
  return false
}

private let tokenA = SigningKey.p256.token(good, .ES256, kid: "a")
private let tokenB = SigningKey.otherP256.token(good, .ES256, kid: "b")
private let setA = keySet(SigningKey.p256.webKey("a"))
private let setB = keySet(SigningKey.otherP256.webKey("b"))

@Suite("KeySetSource", .timeLimit(.minutes(2)))
struct KeySetSourceTests {
  @Test("takes a new key when a token names it, and forgets the tokens of a key that is gone")
  func rotation() async throws {
    let server = ScriptedServer(.answer(setA))
    defer { server.stop() }
    let (verifier, source) = try await started(server, still)
    #expect(await reason(tokenA, verifier) == nil)
    #expect(verifier.cached(tokenA, now: now) != nil)
    #expect(await reason(tokenB, verifier) == .unknownKey)
    server.behave(.answer(setB))
    #expect(await reason(tokenB, verifier) == nil)
    #expect(verifier.cached(tokenA, now: now) == nil)
    #expect(await reason(tokenA, verifier) == .unknownKey)
    #expect(source.edition == 2)
    #expect(source.warnings == [])
  }

  @Test("is kept up to date in the background, asking for changes only")
  func background() async throws {
    let server = ScriptedServer(.answer(setA, tag: "one"))
    defer { server.stop() }
    let (verifier, source) = try await started(server, quick)
    defer { source.stop() }
    #expect(await reason(tokenA, verifier) == nil)
    #expect(await eventually { server.requests.count > 3 })
    #expect(source.edition == 1)
    #expect(verifier.cached(tokenA, now: now) != nil)
    #expect(server.requests[0].contains("User-Agent: weir\r\n"))
    #expect(!server.requests[0].contains("If-None-Match"))
    #expect(server.requests[2].contains("If-None-Match: \"one\"\r\n"))
    server.behave(.answer(setB, tag: "two"))
    #expect(await eventually { source.edition == 2 })
    #expect(await reason(tokenB, verifier) == nil)
  }

  @Test("lives on with the last set while its source is down, saying so, and until it returns")
  func outage() async throws {
    let server = ScriptedServer(.answer(setA))
    let (verifier, source) = try await started(server, quick)
    defer { source.stop() }
    server.stop()
    #expect(await eventually { verifier.warnings.first?.contains("the last valid one stays in use") == true })
    #expect(verifier.warnings.first?.contains("127.0.0.1:\(server.port)/keys has been unavailable since") == true)
    #expect(verifier.warnings.first?.contains("hidden") == false)
    #expect(await reason(tokenA, verifier) == nil)
    #expect(await reason(tokenB, verifier) == .unknownKey)
    let again = ScriptedServer(.answer(setB), port: server.port)
    defer { again.stop() }
    #expect(await eventually { source.edition == 2 })
    #expect(verifier.warnings == [])
    #expect(await reason(tokenB, verifier) == nil)
  }

  @Test("starts while its source is down, and serves as soon as it is up")
  func lateSource() async throws {
    let server = ScriptedServer(ScriptedServer.status("503 Service Unavailable"))
    defer { server.stop() }
    let (verifier, source) = try await started(server, quick)
    defer { source.stop() }
    #expect(verifier.warnings.first?.contains("status 503") == true)
    #expect(verifier.warnings.first?.contains("are refused") == true)
    #expect(await reason(tokenA, verifier) == .unknownKey)
    server.behave(.answer(setA))
    #expect(await eventually { await reason(tokenA, verifier) == nil })
    #expect(verifier.warnings == [])
  }

  @Test("gives a set up that could not be confirmed for too long, until it is confirmed again")
  func expiry() async throws {
    let server = ScriptedServer(.answer(setA, tag: "one"))
    defer { server.stop() }
    var pace = quick
    pace.expiry = .milliseconds(1500)
    let (verifier, source) = try await started(server, pace)
    defer { source.stop() }
    #expect(await reason(tokenA, verifier) == nil)
    server.behave(ScriptedServer.status("500 Internal Server Error"))
    #expect(await eventually { await reason(tokenA, verifier) == .unknownKey })
    #expect(verifier.cached(tokenA, now: now) == nil)
    #expect(verifier.warnings.first?.contains("too old") == true)
    server.behave(.answer(setA, tag: "one"))
    #expect(await eventually { await reason(tokenA, verifier) == nil })
    #expect(verifier.warnings == [])
  }

  static let bad: [(ScriptedServer.Behaviour, String)] = [
    (ScriptedServer.status("404 Not Found"), "status 404"), (ScriptedServer.status("204 No Content"), "status 204"),
    (ScriptedServer.status("304 Not Modified"), "status 304"),
    (.answer("<html>maintenance</html>"), "not a JSON object"),
    (.answer(""), "not a JSON object"), (.answer(#"{"keys":[]}"#), "no key"),
    (.answer(setB + " x"), "not a JSON object"),
    (.answer(keySet(#"{"kty":"oct","kid":"b","k":"\#(KeySetTests.octets)"}"#)), "a secret (kty: oct)"),
    (.raw("SSH-2.0-OpenSSH_9.2\r\n"), "("), (.raw(""), "("),
    (.raw("HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" + setB), "("),
    (.raw("HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n"), "too long"),
    (.flood(head: "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"), "too long"),
    (.flood(head: "HTTP/1.1 200 OK\r\n"), "too long"),
    (ScriptedServer.status("302 Found", "Location: file:///etc/passwd\r\n"), "another scheme"),
    (ScriptedServer.status("302 Found", "Location: ftp://127.0.0.1/keys\r\n"), "another scheme"),
    (ScriptedServer.status("302 Found", "Location: /keys\r\n"), "redirect"),
  ]

  @Test("never takes a bad answer for a set", arguments: bad.indices)
  func badAnswers(index: Int) async throws {
    let server = ScriptedServer(.answer(setA))
    defer { server.stop() }
    let (verifier, source) = try await started(server, still)
    server.behave(Self.bad[index].0)
    #expect(await reason(tokenB, verifier) == .unknownKey)
    #expect(await reason(tokenA, verifier) == nil)
    #expect(source.edition == 1)
    #expect(verifier.warnings.first?.contains(Self.bad[index].1) == true, "\(verifier.warnings)")
  }

  @Test("follows a redirection")
  func redirection() async throws {
    let target = ScriptedServer(.answer(setA))
    let server = ScriptedServer(ScriptedServer.status("302 Found", "Location: \(target.url)\r\n"))
    defer {
      target.stop()
      server.stop()
    }
    let (verifier, _) = try await started(server, still)
    #expect(await reason(tokenA, verifier) == nil)
  }

  @Test("is not waited for longer than its time, nor by those who come later")
  func hanging() async throws {
    let server = ScriptedServer(.hang)
    defer { server.stop() }
    var pace = still
    pace.patience = .milliseconds(300)
    let began = ContinuousClock.now
    let (verifier, _) = try await started(server, pace)
    #expect(verifier.warnings.first?.contains("takes too long") == true)
    for _ in 0..<100 { #expect(await reason(tokenA, verifier) == .unknownKey) }
    #expect(began.duration(to: .now) < .seconds(20))
    #expect(server.requests.count == 1)
  }

  @Test("is asked once for any number of unknown names at once, and not again at once")
  func hammering() async throws {
    let server = ScriptedServer(.answer(setA))
    defer { server.stop() }
    var pace = still
    pace.retry = .milliseconds(500)
    let (verifier, _) = try await started(server, pace)
    try await Task.sleep(for: .milliseconds(600))
    let names = ["../../etc/passwd", "' OR 1=1 --", "", "http://127.0.0.1/", "a ", "A"] + (0..<300).map(String.init)
    let tokens = names.map { SigningKey.otherP256.token(good, .ES256, kid: $0) }
    let began = ContinuousClock.now
    await withTaskGroup { group in
      for token in tokens { group.addTask { #expect(await reason(token, verifier) == .unknownKey) } }
    }
    #expect(server.requests.count <= 3 + Int((ContinuousClock.now - began) / pace.retry))
    #expect(await reason(tokenA, verifier) == nil)
  }

  @Test("says of a known name whether the algorithm or the signature is wrong, without asking again")
  func knownName() async throws {
    let server = ScriptedServer(.answer(keySet(SigningKey.p256.webKey("a"), SigningKey.rsa.webKey("r"))))
    defer { server.stop() }
    let (verifier, _) = try await started(server, still)
    #expect(await reason(SigningKey.otherP256.token(good, .ES256, kid: "a"), verifier) == .badSignature)
    #expect(await reason(SigningKey.rsa.token(good, .RS256, kid: "a"), verifier) == .wrongAlgorithm)
    let forger = SigningKey.hmac(SigningKey.rsa.publicPEM)
    #expect(await reason(forger.token(good, .HS256, kid: "r"), verifier) == .wrongAlgorithm)
    let unavailable = SigningKey.rsa.token(header: #"{"alg":"EdDSA2","kid":"z"}"#, payload: good, algorithm: .RS256)
    #expect(await reason(unavailable, verifier) == .wrongAlgorithm)
    #expect(await reason(SigningKey.rsa.token(good, .RS256), verifier) == nil)
    #expect(await reason(SigningKey.otherRSA.token(good, .RS256), verifier) == .badSignature)
    #expect(server.requests.count == 1)
  }

  @Test("a token's own keys and addresses are never used")
  func foreignKeys() async throws {
    let attacker = ScriptedServer(.answer(keySet(SigningKey.otherP256.webKey("a"))))
    let server = ScriptedServer(.answer(setA))
    defer {
      attacker.stop()
      server.stop()
    }
    let (verifier, _) = try await started(server, still)
    let jwk = SigningKey.otherP256.webKey("a")
    for member in [#""jku":"\#(attacker.url)""#, #""x5u":"\#(attacker.url)""#, #""jwk":\#(jwk)"#, #""x5c":["AAAA"]"#] {
      let header = #"{"alg":"ES256","kid":"a",\#(member)}"#
      let token = SigningKey.otherP256.token(header: header, payload: good, algorithm: .ES256)
      #expect(await reason(token, verifier) == .badSignature)
      let honest = SigningKey.p256.token(header: header, payload: good, algorithm: .ES256)
      #expect(await reason(honest, verifier) == nil)
    }
    #expect(attacker.requests == [])
  }

  @Test("a file is read at once, and again when it changes; a broken one keeps the old set and warns")
  func file() async throws {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID()).json").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    #expect(throws: KeyError.self) { try KeySetSource(.file(path: path), logger: logger) }
    try setA.write(toFile: path, atomically: true, encoding: .utf8)
    let source = try KeySetSource(KeySetFile(path: path), pace: quick, logger: logger)
    let verifier = try TokenVerifier(keys: [], keySet: source)
    #expect(await reason(tokenA, verifier) == nil)
    await source.start()
    defer { source.stop() }
    try setB.write(toFile: path, atomically: false, encoding: .utf8)
    #expect(await eventually { source.edition == 1 })
    #expect(await reason(tokenB, verifier) == nil)
    try "{".write(toFile: path, atomically: true, encoding: .utf8)
    #expect(await eventually { verifier.warnings.first?.contains("not a JSON object") == true })
    try FileManager.default.removeItem(atPath: path)
    #expect(await eventually { verifier.warnings.first?.contains("No such file") == true })
    #expect(await reason(tokenB, verifier) == nil)
    try keySet(#"{"kty":"oct","kid":"s","k":"\#(KeySetTests.octets)"}"#)
      .write(toFile: path, atomically: true, encoding: .utf8)
    let secret = SigningKey.hmac(Array(0..<32))
    #expect(await eventually { await reason(secret.token(good, .HS256, kid: "s"), verifier) == nil })
    #expect(verifier.warnings == [])
  }

  @Test("a name chooses the key; without one, own keys and those of the set are tried, four of them at most")
  func trials() async throws {
    let secrets = (0..<4).map { number in (0..<32).map { UInt8($0 + 40 * number) } }
    let own = try secrets[..<2].map { try VerificationKey(contents: $0) }
    for (count, isTried) in [(2, true), (3, false)] {
      let path = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID()).json").path
      defer { try? FileManager.default.removeItem(atPath: path) }
      let more = (0..<count).map { (id: "\($0)", secret: $0 < 2 ? secrets[2 + $0] : Array(200..<232)) }
      try keySet(more.map { #"{"kty":"oct","kid":"\#($0.id)","k":"\#(base64URL($0.secret))"}"# }.joined(separator: ","))
        .write(toFile: path, atomically: true, encoding: .utf8)
      let verifier = try TokenVerifier(keys: own, keySet: KeySetSource(.file(path: path), logger: logger))
      #expect(await reason(SigningKey.hmac(secrets[1]).token(good, .HS256), verifier) == nil)
      let key = SigningKey.hmac(secrets[2])
      #expect(await reason(key.token(good, .HS256), verifier) == (isTried ? nil : .badSignature))
      #expect(await reason(key.token(good, .HS256, kid: "0"), verifier) == nil)
      #expect(await reason(key.token(good, .HS256, kid: "1"), verifier) == .badSignature)
    }
  }

  @Test("has its pace: an unknown name asks every 30 s at most, and a set lives on for a day")
  func pace() {
    #expect(KeySetSource.Pace.url.retry == .seconds(30) && KeySetSource.Pace.url.refresh == .seconds(300))
    for pace in [KeySetSource.Pace.url, .file] { #expect(pace.expiry == .seconds(86_400)) }
  }

  @Test("refuses a file that cannot be a key set", arguments: ["/dev/zero", "/", "/etc/hostname", "/nonexistent"])
  func noFile(path: String) {
    #expect(throws: KeyError.self) { try KeySetSource(.file(path: path), logger: logger) }
  }

  @Test(
    "refuses what is no address for keys",
    arguments: [
      "", "login.example.org/keys", "ftp://a/keys", "file:///etc/passwd", "https://", "https://user:pw@a/keys",
      "https://a b/", "https://a:99999/", "https://a/\0", "javascript:1",
    ])
  func badAddress(text: String) {
    #expect(throws: KeyError.self) { try KeySetSource(.url(text), logger: logger) }
  }
}
