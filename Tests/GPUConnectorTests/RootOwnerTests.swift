import Foundation
import JobEngine
import JobModel
import Testing

@testable import GPUConnector

@Suite("Whose a job root is")
struct RootOwnerTests {
  private let patience = RootOwner.Patience()
  private let us = RootOwner(id: "us", host: "here", place: "p")
  private let began = ContinuousClock.now

  @Test("A record of ours is ours, whatever its count")
  func ours() {
    var claim = RootClaim()
    let record = claim.next(us)
    #expect(record.hasPrefix("us here p ") && claim.next(us) != record)
    #expect(claim.note(record, us, at: began) == false && claim.obstacle == nil)
    #expect(claim.stale(patience, at: began + .seconds(3600)) == "")
  }

  @Test("Another's is taken over once it stood unchanged for 5 sweeps and 60 s, and not before")
  func patient() {
    var claim = RootClaim()
    for second in 0...70 {
      let now = began + .seconds(second)
      #expect(claim.note("them there q 1", us, at: now) == false && claim.obstacle != nil)
      #expect(claim.stale(patience, at: now) == (second < 60 ? "" : "them there q 1"), "\(second)")
    }
    #expect(claim.obstacle?.contains("in use by Weir on there") == true)
    // What was theirs is listed again.
    #expect(claim.note(claim.next(us), us, at: began + .seconds(71)) && claim.obstacle == nil)
    #expect(claim.note(claim.next(us), us, at: began + .seconds(72)) == false)
  }

  @Test("Few sweeps in a long time are not enough, nor many in a short one")
  func both() {
    var claim = RootClaim()
    for count in 1...4 { _ = claim.note("them there q 1", us, at: began + .seconds(100 * count)) }
    #expect(claim.stale(patience, at: began + .seconds(400)) == "")
    _ = claim.note("them there q 1", us, at: began + .seconds(500))
    #expect(claim.stale(patience, at: began + .seconds(500)) == "them there q 1")
    claim = RootClaim()
    for _ in 1...50 { _ = claim.note("them there q 1", us, at: began) }
    #expect(claim.stale(patience, at: began + .seconds(59)) == "")
  }

  @Test("One that is renewed is never stale")
  func renewed() {
    var claim = RootClaim()
    for second in 0...300 {
      _ = claim.note("them there q \(second / 30)", us, at: began + .seconds(second))
      #expect(claim.stale(patience, at: began + .seconds(second)) == "")
    }
  }

  @Test("A copy of our state on another host is another")
  func copied() {
    var claim = RootClaim()
    #expect(claim.note("us elsewhere p 7", us, at: began) == false && claim.obstacle != nil)
    for record in ["us herex p 7", "usx here p 7", "-", "none", "", "us"] {
      _ = claim.note(record, us, at: began)
      #expect(claim.obstacle != nil, "\(record)")
    }
  }

  @Test("The id is kept in the state directory; a file that is none is made again")
  func kept() throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("weir-owner-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    let first = try RootOwner(stateDirectory: directory.path)
    #expect(try RootOwner(stateDirectory: directory.path) == first)
    try Data("../rubbish\n".utf8).write(to: directory.appendingPathComponent("owner"))
    let second = try RootOwner(stateDirectory: directory.path)
    #expect(second.id != first.id && second.place == first.place && second.host == first.host)
    #expect(second.record(1).wholeMatch(of: /[0-9a-z]{16,32} [A-Za-z0-9._-]{1,64} [0-9a-z]+ 1/) != nil)
  }
}

@Suite("Servers that are gone")
struct GoneServersTests {
  @Test("One is gone once it was for that long without a break")
  func patience() {
    let began = ContinuousClock.now
    let (a, b, c): (JobID, JobID, JobID) = ("a", "b", "c")
    var gone = GoneServers()
    for second in 0...9 { gone.note([a, b], at: began + .seconds(second)) }
    #expect(!gone.isGone(a, for: .seconds(10), at: began + .seconds(9)))
    gone.note([a], at: began + .seconds(9))
    gone.note([a, b], at: began + .seconds(10))
    #expect(gone.isGone(a, for: .seconds(10), at: began + .seconds(10)))
    #expect(!gone.isGone(b, for: .seconds(10), at: began + .seconds(19)))
    #expect(gone.isGone(b, for: .seconds(10), at: began + .seconds(20)) && !gone.isGone(c, for: .zero))
  }
}
