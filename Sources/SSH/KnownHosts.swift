import Foundation

/// The contents of a known hosts file (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT).
///
/// libssh2 reads these too, but passes over wildcards, negation and the markers, and treats a revoked key as trusted.
struct KnownHosts {
  /// A public key as a server shows it: an algorithm's name and the parameters, in one string of bytes.
  struct Key: Equatable {
    let kind: String
    let blob: [UInt8]

    /// `ssh-ed25519 SHA256:...`
    var fingerprint: String { "\(kind) \(Digest.fingerprint(blob))" }

    init?(blob: [UInt8]) {
      guard let name = WireReader(blob).firstString() else { return nil }
      kind = String(decoding: name, as: UTF8.self)
      self.blob = blob
    }
  }

  /// What the file says about a key that a host offers.
  enum Verdict: Equatable {
    case trusted
    case revoked
    /// Other keys of the same kind are known.
    case changed(known: [String])
    /// No key of this kind is known; perhaps there are others.
    case unknown(others: [String])
    /// Only an authority is known, which signs host certificates; those are not supported.
    case certificateAuthorityOnly
  }

  private struct Entry {
    enum Marker { case none, revoked, certificateAuthority }
    let marker: Marker
    let patterns: [Substring]
    let key: Key
  }

  private var entries: [Entry] = []

  /// Lines that are no entries are passed over, as ssh does.
  init(_ text: String) {
    for line in text.split(whereSeparator: \.isNewline) {
      var fields = line.split(whereSeparator: { $0 == " " || $0 == "\t" })[...]
      guard let first = fields.first, !first.hasPrefix("#") else { continue }
      var marker = Entry.Marker.none
      if first.hasPrefix("@") {
        switch first {
        case "@revoked": marker = .revoked
        case "@cert-authority": marker = .certificateAuthority
        default: continue
        }
        fields.removeFirst()
      }
      guard fields.count >= 3, let data = Data(base64Encoded: String(fields[fields.startIndex + 2])),
        let key = Key(blob: Array(data)), key.kind == fields[fields.startIndex + 1]
      else { continue }
      let patterns = fields[fields.startIndex].split(separator: ",")
      entries.append(Entry(marker: marker, patterns: patterns, key: key))
    }
  }

  /// The name under which a host's keys are kept.
  static func name(host: String, port: Int) -> String {
    port == 22 ? host.lowercased() : "[\(host.lowercased())]:\(port)"
  }

  /// The kinds of the keys known for a host, in the order of the file.
  func kinds(host: String, port: Int) -> [String] {
    matching(host: host, port: port).filter { $0.marker == .none }.map(\.key.kind)
  }

  func verdict(on offered: Key, host: String, port: Int) -> Verdict {
    let matching = matching(host: host, port: port)
    if matching.contains(where: { $0.marker == .revoked && $0.key == offered }) { return .revoked }
    let known = matching.filter { $0.marker == .none }.map(\.key)
    if known.contains(offered) { return .trusted }
    let sameKind = known.filter { $0.kind == offered.kind }
    if !sameKind.isEmpty { return .changed(known: sameKind.map(\.fingerprint)) }
    if known.isEmpty && matching.contains(where: { $0.marker == .certificateAuthority }) {
      return .certificateAuthorityOnly
    }
    return .unknown(others: known.map(\.fingerprint))
  }

  private func matching(host: String, port: Int) -> [Entry] {
    let name = Self.name(host: host, port: port)
    return entries.filter { entry in
      var matched = false
      for pattern in entry.patterns {
        if pattern.hasPrefix("!") {
          if Self.matches(name, pattern.dropFirst()) { return false }
        } else if !matched {
          matched = Self.matches(name, pattern)
        }
      }
      return matched
    }
  }

  private static func matches(_ name: String, _ pattern: Substring) -> Bool {
    if pattern.hasPrefix("|1|") {
      let parts = pattern.split(separator: "|")
      guard parts.count == 3, let salt = Data(base64Encoded: String(parts[1])),
        let hash = Data(base64Encoded: String(parts[2]))
      else { return false }
      return Digest.hmacSHA1(name, salt: Array(salt)) == Array(hash)
    }
    return matches(Array(name.utf8)[...], Array(pattern.lowercased().utf8)[...])
  }

  /// `*` and `?`. Goes back to the last star only, so that no pattern takes more than length times length.
  private static func matches(_ name: ArraySlice<UInt8>, _ pattern: ArraySlice<UInt8>) -> Bool {
    var (at, position) = (pattern.startIndex, name.startIndex)
    var star: (after: Int, resume: Int)?
    while position < name.endIndex {
      if at < pattern.endIndex, pattern[at] == UInt8(ascii: "*") {
        star = (at + 1, position)
        at += 1
      } else if at < pattern.endIndex, pattern[at] == name[position] || pattern[at] == UInt8(ascii: "?") {
        at += 1
        position += 1
      } else if let (after, resume) = star {
        star = (after, resume + 1)
        (at, position) = (after, resume + 1)
      } else {
        return false
      }
    }
    return pattern[at...].allSatisfy { $0 == UInt8(ascii: "*") }
  }
}
