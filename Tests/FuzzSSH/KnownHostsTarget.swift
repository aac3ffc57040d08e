import Glibc

// Compiled together with the reader of known hosts files by deploy/fuzz-ssh.sh.

/// The key that the host offers: another one each run, so that no input trusts it.
private let offered = KnownHosts.Key(
  blob: [0, 0, 0, 1, 0x6b, 0, 0, 0, 32] + (0..<32).map { _ in UInt8.random(in: 0...255) })

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeRawBufferPointer(start: start, count: count))
  guard let offered else { abort() }
  let known = KnownHosts(bytes)
  for port in [22, 2222] {
    let host = "kart.example.org"
    let kinds = known.kinds(host: host, port: port)
    switch known.verdict(on: offered, host: host, port: port) {
    case .trusted, .revoked: abort()
    case .changed(let keys): if keys.isEmpty { abort() }
    case .unknown, .certificateAuthorityOnly: if port == 22 && !kinds.isEmpty { abort() }
    }
  }
  _ = KnownHosts.Key(blob: bytes)
  return 0
}
