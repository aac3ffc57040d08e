import Foundation
import JobEngine
import JobModel
import Synchronization
import Testing

@testable import JobEngine
@testable import LegacyAPI

@Suite("While the backend does not answer")
struct OutageTests {
  @Test("Before the first look nothing is listed, and the service is not ready; /live is")
  func before() async throws {
    try await Bench.run(looked: false) { bench in
      #expect(try await bench.get("/live").text == "{\"status\":\"OK\"}\n")
      let ready = try await bench.get("/ready")
      #expect(ready.status == 503)
      #expect(
        ready.text
          == "{\"reasons\":[\"the first poll of the backend is under way\"],\"status\":\"BAD\",\"version\":\"1.2.3\"}\n"
      )
      for path in ["/queued", "/running"] {
        let reply = try await bench.get(path)
        #expect(reply.status == 503 && reply.code == "backend_unavailable" && reply["Retry-After"] == "5")
      }
    }
  }

  @Test("The time that a job ran stands still while nobody sees it run")
  func elapsed() async throws {
    let connector = StagedConnector()
    connector.change { stage in
      (stage.report.lifecycle, stage.report.elapsed, stage.report.startedAt) = (.running, 5, Date() - 105)
    }
    let passed = Mutex(Duration.zero)
    let clock = JobClock(date: { Date() }, instant: { .now + passed.withLock { $0 } })
    try await Bench.run(connector, clock: clock) { bench in
      let job = try await bench.submit()
      await bench.look()
      passed.withLock { $0 = .seconds(50) }
      #expect(try await bench.call("/runstatus", job).text.hasPrefix("[[],\"00:00:5"))
      passed.withLock { $0 = .seconds(100) }
      #expect(try await bench.call("/runstatus", job).text.hasPrefix("[[],\"00:01:4"))
      connector.change { $0.failure = .unavailable("slurmctld is down") }
      await bench.look()
      #expect(try await bench.call("/runstatus", job).text.hasPrefix("[[],\"00:00:05\""))
    }
  }

  @Test("What keeps single users from the backend is a warning, no outage")
  func warnings() async throws {
    let connector = StagedConnector()
    connector.change { $0.troubles = ["kirby's login is refused"] }
    try await Bench.run(connector) { bench in
      let ready = try await bench.get("/ready")
      #expect(ready.status == 200)
      #expect(
        ready.text == "{\"status\":\"OK\",\"version\":\"1.2.3\",\"warnings\":[\"kirby's login is refused\"]}\n")
      #expect(try await bench.get("/ready", as: .admin("luigi@example.com")).text == ready.text)
      for sender in [.nobody, .user("mario@example.com"), .raw("Basic x")] as [Bench.Sender] {
        let reply = try await bench.get("/ready", as: sender)
        #expect(reply.status == 200 && reply.text.contains("\"warnings\":[") && !reply.text.contains("kirby"))
      }
      #expect(try await bench.get("/gc").status == 200)
    }
  }

  @Test("A warning that a reason holds already is not repeated")
  func repeatedWarnings() async throws {
    let connector = StagedConnector()
    connector.change { stage in
      stage.outage = "alpha: it is closed; beta: it is closed"
      stage.troubles = ["alpha: it is closed", "beta: it is closed", "gamma: its disk is full"]
    }
    try await Bench.run(connector) { bench in
      let ready = try await bench.get("/ready")
      #expect(ready.status == 503)
      #expect(
        ready.text
          == "{\"reasons\":[\"alpha: it is closed; beta: it is closed\"],\"status\":\"BAD\",\"version\":\"1.2.3\","
          + "\"warnings\":[\"gamma: its disk is full\"]}\n")
    }
  }

  @Test("An outage leaves the last list, /gc says BAD, and calls to the backend are errors with the reason")
  func outage() async throws {
    let connector = StagedConnector()
    try await Bench.run(connector) { bench in
      let job = try await bench.submit()
      connector.change { $0.failure = .unavailable("slurmctld is down") }
      await bench.look()
      #expect(try await bench.get("/queued").text == "[[\"job\",\"58\"]]\n")
      let gc = try await bench.get("/gc")
      #expect(gc.status == 500 && gc.text == "{\"status\":\"BAD\"}\n")
      #expect(try await bench.get("/ready").text.contains("slurmctld is down"))
      #expect(try await bench.call("/runstatus", job).text == "[[],\"00:00:00\",\"job/1/58\",null]\n")
      for path in ["/terminate", "/release", "/events"] {
        let reply = try await bench.call(path, job)
        #expect(reply.status == 503 && reply.code == "backend_unavailable" && reply["Retry-After"] == "5")
        #expect(reply.text.contains("slurmctld is down"))
      }
      let submit = try await bench.call("/submit", Script.args("other"))
      #expect(submit.status == 503 && submit.code == "backend_unavailable")
      connector.change { $0.failure = nil }
      await bench.look()
      #expect(try await bench.get("/gc").status == 200)
    }
  }

  @Test("The output of a job that is over is no empty text while it cannot be read")
  func output() async throws {
    let connector = StagedConnector()
    try await Bench.run(connector) { bench in
      let job = try await bench.submit()
      connector.change {
        $0.report.lifecycle = .ended(.succeeded)
      }
      await bench.look()
      connector.change { $0.failure = .unavailable("no route") }
      #expect(try await bench.call("/exitstatus", job).status == 503)
      connector.change {
        $0.failure = nil
        $0.output = Array("JARVICE_CMD_SUCCESS\n".utf8)
      }
      #expect(try await bench.call("/exitstatus", job).text.hasPrefix("[0,\"00:00:00\",[\"JARVICE_CMD_SUCCESS\""))
    }
  }

  @Test("What the backend refuses is the sender's mistake, and may be corrected")
  func refused() async throws {
    let connector = StagedConnector()
    try await Bench.run(connector) { bench in
      connector.change { $0.failure = .refused("no such partition") }
      let reply = try await bench.call("/submit", Script.args())
      #expect(reply.status == 422 && reply.text == "{\"code\":\"refused\",\"error\":\"no such partition\"}\n")
      connector.change { $0.failure = nil }
      _ = try await bench.submit(script: Script.plain + ["other"])
    }
  }

  @Test("A submit whose answer was lost is asked for again, and its job is listed")
  func unsettled() async throws {
    let connector = StagedConnector()
    try await Bench.run(connector) { bench in
      connector.change { $0.failure = .interrupted("the connection broke") }
      let reply = try await bench.call("/submit", Script.args())
      #expect(reply.status == 503 && reply.code == "submit_unsettled" && reply["Retry-After"] == "5")
      #expect(reply.text.contains("\"hint\":\"send the same call again"))
      #expect(try await bench.get("/queued").text.hasPrefix("[[\"job\",\""))
    }
  }
}
