import JobModel

extension JobSpec {
  /// SHA-256 over what was asked, each part with its length before it so that no two submissions share a fingerprint.
  /// The site's settings are not in it: they may change before the same submission is sent again.
  public var fingerprint: String {
    var parts = [name, String(number), owner, String(nodes), String(held), request]
    if let input { parts += [input.sha256, entryPoint ?? ""] }
    return sha256(delimited(parts))
  }
}

/// Parts with each one's length before it, so that no two lists of parts give the same bytes.
func delimited(_ parts: [String]) -> [UInt8] { parts.flatMap { Array("\($0.utf8.count):\($0)".utf8) } }
