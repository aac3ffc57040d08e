import Foundation
import TestSupport
import Testing

@testable import SSH

@Suite("The connection pool", .serialized)
struct PoolTests {
  @Test("A hundred commands at once share at most three connections")
  func sharing() async throws {
    let server = try await TestServer.start()
    let pool = try server.pool()
    let key = try TestKeys.key()
    let sum = try await withThrowingTaskGroup(of: Int.self) { group in
      for number in 0..<100 {
        group.addTask {
          let output = try await pool.run(
            "echo \(number)", on: server.destination, key: key, timeout: .seconds(30))
          return Int(output.text.trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0
        }
      }
      return try await group.reduce(0, +)
    }
    #expect(sum == 4950)
    #expect((1...3).contains(server.logins))
    let status = try #require(pool.status().first)
    #expect(status.connections == server.logins && status.logins == server.logins)
    #expect(status.lastError == nil)
  }

  @Test("Commands one after another use one connection")
  func warm() async throws {
    let server = try await TestServer.start()
    let pool = try server.pool()
    for _ in 0..<20 {
      _ = try await pool.run("true", on: server.destination, key: TestKeys.key(), timeout: .seconds(20))
    }
    #expect(server.logins == 1)
  }

  @Test("A server that allows fewer sessions is obeyed", arguments: [1, 2, 5])
  func maxSessions(count: Int) async throws {
    let server = try await TestServer.start(options: ["MaxSessions \(count)"])
    let pool = try server.pool()
    let key = try TestKeys.key()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<20 {
        group.addTask {
          let output = try await pool.run("echo x", on: server.destination, key: key, timeout: .seconds(30))
          #expect(output.text == "x\n")
        }
      }
      try await group.waitForAll()
    }
  }

  @Test("Commands that go on after their time was up do not use the server's sessions up")
  func zombies() async throws {
    let server = try await TestServer.start()
    let pool = try server.pool { $0.keepalive = .milliseconds(300) }
    let key = try TestKeys.key()
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<24 {
        group.addTask {
          _ = try? await pool.run("sleep 20", on: server.destination, key: key, timeout: .milliseconds(500))
        }
      }
    }
    let output = try await pool.run("echo alive", on: server.destination, key: key, timeout: .seconds(20))
    #expect(output.text == "alive\n")
  }

  @Test("A command whose connection breaks may have run, and is not repeated; the next one finds a new connection")
  func brokenConnection() async throws {
    let server = try await TestServer.start()
    let pool = try server.pool { $0.backoff = .milliseconds(1)...(.milliseconds(2)) }
    let key = try TestKeys.key()
    let file = server.directory.appendingPathComponent("runs").path
    let task = Task {
      try await pool.run("echo run >> \(file); sleep 20", on: server.destination, key: key, timeout: .seconds(30))
    }
    while !FileManager.default.fileExists(atPath: file) { try await Task.sleep(for: .milliseconds(10)) }
    server.kill()
    await #expect(throws: SSHError.disconnected(server.destination, started: true)) { try await task.value }
    try await server.start()
    let output = try await pool.run("cat \(file)", on: server.destination, key: key, timeout: .seconds(20))
    #expect(output.text == "run\n")
    #expect(pool.counters == PoolCounters(logins: 2, refusedLogins: 0, connectionsLost: 1, commands: 2))
  }

  @Test("A command finds a new connection when the warm one broke while nobody used it")
  func brokenIdleConnection() async throws {
    let server = try await TestServer.start()
    let pool = try server.pool()
    let key = try TestKeys.key()
    for _ in 0..<10 {
      // Both kinds: on a channel of its own, and by a kept shell, which is there for the next time.
      for inKeptShell in [false, true] {
        let output = try await pool.run(
          "echo again", inKeptShell: inKeptShell, on: server.destination, key: key, timeout: .seconds(20))
        #expect(output.text == "again\n")
      }
      server.kill()
      // It is not known yet, and cannot be made anew.
      _ = try? await pool.run("true", inKeptShell: true, on: server.destination, key: key, timeout: .seconds(20))
      try await server.start()
      pool.retryLogins()
    }
  }

  @Test("A server that falls silent is noticed within three keepalive intervals")
  func silence() async throws {
    let server = try await TestServer.start()
    let pool = try server.pool { $0.keepalive = .milliseconds(200) }
    let key = try TestKeys.key()
    let file = server.directory.appendingPathComponent("begun").path
    let task = Task {
      try await pool.run("touch \(file); sleep 20", on: server.destination, key: key, timeout: .seconds(30))
    }
    while !FileManager.default.fileExists(atPath: file) { try await Task.sleep(for: .milliseconds(10)) }
    let stopped = server.descendants()
    for pid in stopped { kill(pid, SIGSTOP) }
    let start = ContinuousClock.now
    await #expect(throws: SSHError.disconnected(server.destination, started: true)) { try await task.value }
    #expect(ContinuousClock.now - start < .seconds(15))
    for pid in stopped { kill(pid, SIGCONT) }
  }

  @Test("A silent command on a live connection is left alone")
  func patience() async throws {
    let server = try await TestServer.start()
    let pool = try server.pool { $0.keepalive = .milliseconds(600) }
    let output = try await pool.run(
      "sleep 3; echo done", on: server.destination, key: TestKeys.key(), timeout: .seconds(20))
    #expect(output.text == "done\n")
    #expect(server.logins == 1)
  }

  @Test("The server's own questions whether we live are answered, though nobody uses the connection")
  func clientAlive() async throws {
    let server = try await TestServer.start(options: ["ClientAliveInterval 1", "ClientAliveCountMax 1"])
    let pool = try server.pool { $0.keepalive = .seconds(60) }
    let key = try TestKeys.key()
    _ = try await pool.run("true", on: server.destination, key: key, timeout: .seconds(20))
    try await Task.sleep(for: .milliseconds(3500))
    #expect(pool.status().first?.connections == 1)
    _ = try await pool.run("true", on: server.destination, key: key, timeout: .seconds(20))
    #expect(server.logins == 1)
  }

  @Test("A connection that nobody uses is closed")
  func idleClose() async throws {
    let server = try await TestServer.start()
    let pool = try server.pool {
      $0.keepalive = .milliseconds(300)
      $0.idleClose = .milliseconds(100)
    }
    _ = try await pool.run("true", on: server.destination, key: TestKeys.key(), timeout: .seconds(20))
    #expect(pool.status().first?.connections == 1)
    for _ in 0..<200 where pool.status().first?.connections != 0 { try await Task.sleep(for: .milliseconds(20)) }
    let status = try #require(pool.status().first)
    #expect(status.connections == 0 && status.lastError == nil)
  }

  @Test("When nothing listens, calls fail at once with the reason until the pause is over, and then work")
  func refusedConnection() async throws {
    let server = try await TestServer.start()
    server.kill()
    let pool = try server.pool { $0.backoff = .seconds(30)...(.seconds(30)) }
    let key = try TestKeys.key()
    let refused = SSHError.unreachable(server.destination, reason: "connection refused")
    await #expect(throws: refused) {
      try await pool.run("true", on: server.destination, key: key, timeout: .seconds(20))
    }
    try await server.start()
    let start = ContinuousClock.now
    await #expect(throws: refused) {
      try await pool.run("true", on: server.destination, key: key, timeout: .seconds(20))
    }
    #expect(ContinuousClock.now - start < .seconds(5))
    let status = try #require(pool.status().first)
    #expect(status.lastError?.contains("connection refused") == true)
    #expect(status.failingSince != nil && status.nextAttempt != nil)
    pool.retryLogins()
    _ = try await pool.run("true", on: server.destination, key: key, timeout: .seconds(20))
    #expect(pool.status().first?.lastError == nil)
  }

  @Test("A refused login is not tried again, except with another key or when told to")
  func refusedLogin() async throws {
    let server = try await TestServer.start()
    let pool = try server.pool { $0.backoff = .milliseconds(1)...(.milliseconds(1)) }
    let stranger = try TestKeys.key(.stranger)
    for _ in 0..<3 {
      await #expect {
        try await pool.run("true", on: server.destination, key: stranger, timeout: .seconds(20))
      } throws: { error in
        guard case SSHError.loginRefused(_, let reason) = error else { return false }
        return reason.contains(stranger.fingerprint)
      }
    }
    #expect(server.count("Connection from") == 1 && server.count("Failed publickey") == 1)
    #expect(pool.counters.refusedLogins == 1)
    let status = try #require(pool.status().first)
    #expect(status.nextAttempt == nil && status.lastError != nil && status.needsAttention)
    #expect(status.fingerprint == stranger.fingerprint)
    _ = try await pool.run("true", on: server.destination, key: TestKeys.key(), timeout: .seconds(20))
    #expect(pool.status().first?.lastError == nil)
    pool.retryLogins()
    _ = try? await pool.run("true", on: server.destination, key: stranger, timeout: .seconds(20))
    #expect(server.count("Connection from") == 3 && server.count("Failed publickey") == 2)
    #expect(pool.counters == PoolCounters(logins: 1, refusedLogins: 2, connectionsLost: 0, commands: 1))
  }

  @Test("A name that does not resolve is said to be that")
  func unknownName() async throws {
    let pool = ConnectionPool(hostKeys: .knownHosts(path: "/dev/null"), logger: .silent)
    let destination = Destination(host: "no-such-host.invalid", port: 22, user: "peach")
    await #expect {
      try await pool.run("true", on: destination, key: TestKeys.key(), timeout: .seconds(60))
    } throws: { "\($0)".contains("peach@no-such-host.invalid:22 cannot be reached: the name cannot be resolved") }
  }

  @Test(
    "Something that accepts connections and is no SSH server does not hold a call for longer than the connect timeout")
  func mute() async throws {
    let port = try TestServer.freePort()
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    defer { close(listener) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    address.sin_port = in_port_t(port).bigEndian
    let bound = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    try #require(bound == 0 && listen(listener, 5) == 0)
    var configuration = PoolConfiguration()
    configuration.connectTimeout = .milliseconds(300)
    let pool = ConnectionPool(
      hostKeys: .knownHosts(path: "/dev/null"), configuration: configuration, logger: .silent)
    let destination = Destination(host: "127.0.0.1", port: port, user: "peach")
    await #expect(
      throws: SSHError.unreachable(destination, reason: "no answer in time during the SSH handshake")
    ) {
      try await pool.run("true", on: destination, key: TestKeys.key(), timeout: .seconds(20))
    }
  }

  @Test("Past the queue's limit calls are told that it is busy, and a call that waits too long too")
  func busy() async throws {
    let server = try await TestServer.start()
    let pool = try server.pool {
      $0.channelsPerConnection = 1
      $0.connectionsPerDestination = 1
      $0.queueLimit = 1
    }
    let key = try TestKeys.key()
    let file = server.directory.appendingPathComponent("begun").path
    let running = Task {
      try await pool.run("touch \(file); sleep 20", on: server.destination, key: key, timeout: .seconds(30))
    }
    while !FileManager.default.fileExists(atPath: file) { try await Task.sleep(for: .milliseconds(10)) }
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<3 {
        group.addTask {
          await #expect(throws: SSHError.busy(server.destination)) {
            try await pool.run("true", on: server.destination, key: key, timeout: .milliseconds(300))
          }
        }
      }
    }
    running.cancel()
    _ = await running.result
  }

  @Test("A closed pool interrupts what runs and takes nothing more")
  func closing() async throws {
    let server = try await TestServer.start()
    let pool = try server.pool()
    let key = try TestKeys.key()
    let file = server.directory.appendingPathComponent("begun").path
    let running = Task {
      try await pool.run("touch \(file); sleep 20", on: server.destination, key: key, timeout: .seconds(30))
    }
    while !FileManager.default.fileExists(atPath: file) { try await Task.sleep(for: .milliseconds(10)) }
    await pool.close()
    await #expect(throws: SSHError.disconnected(server.destination, started: true)) { try await running.value }
    await #expect(throws: SSHError.unreachable(server.destination, reason: "the service is shutting down")) {
      try await pool.run("true", on: server.destination, key: key, timeout: .seconds(20))
    }
  }
}
