import Foundation

/// The contents of a known hosts file (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT), read as ssh reads it.
///
/// libssh2 reads these too, but passes over wildcards, negation and the markers, and treats a revoked key as trusted.
/// A host is looked up by the name it is configured with, which may be an address; as ssh does since 8.5
/// (`CheckHostIP no`), the addresses behind a name are not looked up.
struct KnownHosts {
  /// A public key as a server shows it: an algorithm's name and the parameters, in one string of bytes.
  struct Key: Equatable {
    let kind: String
    let blob: [UInt8]

    /// `ssh-ed25519 SHA256:...`
    var fingerprint: String { "\(kind) \(Digest.fingerprint(blob))" }

    /// All kinds of keys are a name and one or more strings, and nothing else (RFC 4253, section 6.6).
    init?(blob: [UInt8]) {
      var reader = WireReader(blob)
      guard let name = reader.string(), reader.string() != nil else { return nil }
      while reader.string() != nil {}
      guard reader.isAtEnd else { return nil }
      kind = String(decoding: name, as: UTF8.self)
      self.blob = blob
    }
  }

  /// What the file says about a key that a host offers.
  enum Verdict: Equatable {
    case trusted
    /// Marked so, whatever other lines say.
    case revoked
    /// Other keys are known, of the same kind or not.
    case changed(known: [String])
    /// Nothing is known of this host.
    case unknown
    /// Only an authority is known, which signs host certificates; those are not supported.
    case certificateAuthorityOnly
  }

  private var entries: [Entry] = []

  /// Lines that are not entries are skipped, as ssh does.
  init(_ bytes: [UInt8]) { entries = bytes.split(separator: UInt8(ascii: "\n")).compactMap(Entry.init) }

  /// The name under which a host's keys are kept.
  static func name(host: String, port: Int) -> String {
    port == 22 ? host.lowercased() : "[\(host.lowercased())]:\(port)"
  }

  /// The kinds of the keys by which a host can be trusted, in the order of the file.
  func kinds(host: String, port: Int) -> [String] {
    Self.names(host: host, port: port).flatMap { name in
      let matching = matching(name)
      let revoked = matching.filter { $0.marker == .revoked }.map(\.key)
      return matching.filter { $0.marker == .none && !revoked.contains($0.key) }.map(\.key.kind)
    }
  }

  /// What is known under the name with the port counts; if nothing is, a key that is known of the name alone is
  /// trusted all the same, as ssh does it.
  func verdict(on offered: Key, host: String, port: Int) -> Verdict {
    let verdicts = Self.names(host: host, port: port).map { verdict(on: offered, name: $0) }
    guard let first = verdicts.first, let last = verdicts.last else { return .unknown }
    let knowsNothing = first == .unknown || first == .certificateAuthorityOnly
    return knowsNothing && (last == .trusted || last == .revoked) ? last : first
  }

  private static func names(host: String, port: Int) -> [String] {
    port == 22 ? [name(host: host, port: 22)] : [name(host: host, port: port), name(host: host, port: 22)]
  }

  private func verdict(on offered: Key, name: String) -> Verdict {
    let matching = matching(name)
    if matching.contains(where: { $0.marker == .revoked && $0.key == offered }) { return .revoked }
    let known = matching.filter { $0.marker == .none }.map(\.key)
    if known.contains(offered) { return .trusted }
    if !known.isEmpty { return .changed(known: known.map(\.fingerprint)) }
    return matching.contains { $0.marker == .certificateAuthority } ? .certificateAuthorityOnly : .unknown
  }

  private func matching(_ name: String) -> [Entry] { entries.filter { $0.hosts.match(name) } }
}

extension KnownHosts {
  /// A line of the file.
  fileprivate struct Entry {
    enum Marker { case none, revoked, certificateAuthority }

    let marker: Marker
    let hosts: HostPatterns
    let key: Key

    init?(_ line: ArraySlice<UInt8>) {
      // Spaces and tabs, and the CR of files that were made elsewhere.
      var fields = line.split { $0 == 0x20 || $0 == 0x09 || $0 == 0x0d }[...]
      switch fields.first.map({ String(decoding: $0, as: UTF8.self) }) {
      case "@revoked"?: marker = .revoked
      case "@cert-authority"?: marker = .certificateAuthority
      default: marker = .none
      }
      if marker != .none { fields.removeFirst() }
      // A second or another marker: who knows what was meant.
      guard fields.count >= 3, let hosts = fields.popFirst(), let first = hosts.first,
        first != UInt8(ascii: "@"), first != UInt8(ascii: "#"),
        let kind = fields.popFirst(), let base64 = fields.popFirst(),
        let blob = Data(base64Encoded: Data(base64)), let key = Key(blob: Array(blob)),
        key.kind.utf8.elementsEqual(kind)
      else { return nil }
      self.hosts = HostPatterns(hosts)
      self.key = key
    }
  }
}
