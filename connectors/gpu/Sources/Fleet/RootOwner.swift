import ConnectorAPI
import Foundation

/// Who uses a job root: one Weir at a time on each machine, by a record there that each of its sweeps renews.
///
/// Two Weirs that know nothing of each other would give the same GPU out twice. Another one takes a root over only once
/// its record has not changed for ``Patience``, by its own monotonic clock: clocks of machines differ and are set.
public struct RootOwner: Sendable, Equatable {
  /// Random, kept in the state directory; another directory is another Weir.
  let id: String
  let host: String
  /// Stands for the state directory on this machine. Who holds its lock knows that whoever had it before is gone, so a
  /// Weir whose state was removed has its roots again at once.
  let place: String

  public struct Patience: Sendable {
    var time = Duration.seconds(60)
    var sweeps = 5
  }

  init(id: String, host: String, place: String) {
    (self.id, self.host, self.place) = (id, Self.word(host), place)
  }

  /// One that nobody else is, and nobody is again.
  init() {
    self.init(id: Self.random(), host: ProcessInfo.processInfo.hostName, place: Self.random())
  }

  /// The Weir of a state directory. A copy of the directory is another Weir: both may run.
  /// - Throws: when the file `owner` there cannot be read or made.
  public init(stateDirectory: String) throws {
    try self.init(
      stateDirectory: stateDirectory, identity: DirectoryIdentity(of: stateDirectory),
      place: Self.place(of: stateDirectory))
  }

  init(stateDirectory: String, identity: DirectoryIdentity, place: String) throws {
    let file = stateDirectory + "/owner"
    let text = FileManager.default.contents(atPath: file).flatMap { String(validating: $0.prefix(256), as: UTF8.self) }
    let words = (text ?? "").split(whereSeparator: \.isWhitespace).map(String.init)
    let known = DirectoryIdentity(words.dropFirst()).flatMap { kept -> String? in
      guard kept.isSame(as: identity), words[0].wholeMatch(of: /[0-9a-z]{16,32}/) != nil else { return nil }
      return words[0]
    }
    let id = known ?? Self.random()
    self.init(id: id, host: ProcessInfo.processInfo.hostName, place: place)
    let new = "\(id) \(identity)\n"
    guard new != text else { return }
    do {
      try Data(new.utf8).write(to: URL(fileURLWithPath: file), options: .atomic)
      try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file)
    } catch {
      // The disk may be full: an id that is known counts all the same, and the rest is written at the next start.
      if known == nil { throw error }
    }
  }

  /// The record as it is to be written next: `<id> <host> <place> <count>`, other than the one before.
  func record(_ count: UInt64) -> String { "\(id) \(host) \(place) \(count)" }

  func isOwner(of record: String) -> Bool { record.hasPrefix("\(id) \(host) ") }

  /// The host in the record of another.
  static func host(in record: String) -> String {
    let words = record.split(separator: " ")
    return words.count == 4 ? String(words[1]) : "a host that its damaged owner record does not name"
  }

  private static func random() -> String {
    String(UInt64.random(in: .min ... .max), radix: 36) + String(UInt64.random(in: 1 << 63 ... .max), radix: 36)
  }

  private static func word(_ text: String) -> String {
    let bytes = text.utf8.prefix(64).map { byte -> UInt8 in
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "."), UInt8(ascii: "-"):
        byte
      default: UInt8(ascii: "_")
      }
    }
    return bytes.isEmpty ? "-" : String(decoding: bytes, as: UTF8.self)
  }

  /// The same path in another container or after another boot is another place.
  private static func place(of directory: String) -> String {
    func link(_ path: String) -> String { (try? FileManager.default.destinationOfSymbolicLink(atPath: path)) ?? "" }
    let boot = FileManager.default.contents(atPath: "/proc/sys/kernel/random/boot_id") ?? Data()
    let path = URL(fileURLWithPath: directory).resolvingSymlinksInPath().path
    let words = [String(decoding: boot, as: UTF8.self), link("/proc/self/ns/pid"), link("/proc/self/ns/mnt"), path]
    let hash = words.joined(separator: "\n").utf8.reduce(UInt64(0xcbf2_9ce4_8422_2325)) {
      ($0 ^ UInt64($1)) &* 0x100_0000_01b3
    }
    return String(hash, radix: 36)
  }
}

/// What a server's sweeps have said of who owns its root.
struct RootClaim: Sendable, Equatable {
  /// The record of another, as it was last read, since when it is unchanged, and how many sweeps have read it so.
  private(set) var foreign: (record: String, since: ContinuousClock.Instant, sweeps: Int)?
  private var count = UInt64.random(in: 1 << 20..<1 << 52)

  /// What the next sweep writes.
  mutating func next(_ owner: RootOwner) -> String {
    count += 1
    return owner.record(count)
  }

  /// The record that the next sweep replaces; empty for none.
  func stale(_ patience: RootOwner.Patience, at now: ContinuousClock.Instant = .now) -> String {
    guard let foreign, foreign.sweeps >= patience.sweeps, now - foreign.since >= patience.time else { return "" }
    return foreign.record
  }

  /// - Returns: whether the root has become ours with this, so that what is there is to be listed again.
  mutating func note(_ record: String, _ owner: RootOwner, at now: ContinuousClock.Instant = .now) -> Bool {
    if owner.isOwner(of: record) {
      defer { foreign = nil }
      return foreign != nil
    }
    if foreign?.record == record { foreign?.sweeps += 1 } else { foreign = (record, now, 1) }
    return false
  }

  /// Why no job can start there; nil when the root is ours.
  var obstacle: String? {
    switch foreign?.record {
    case nil: nil
    case "none": "its job root cannot be claimed: no file can be written there"
    case let record?:
      "its job root is in use by Weir on \(RootOwner.host(in: record)): set another root in the servers file; "
        + "if that Weir is gone, this one takes over within two minutes"
    }
  }

  static func == (one: Self, other: Self) -> Bool {
    one.foreign?.record == other.foreign?.record && one.count == other.count
  }
}
