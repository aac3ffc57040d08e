/// A known hosts file of any contents: a key is trusted only if it stands there, and what is revoked stays so.
func knownHostsProperty(_ input: UnsafeRawBufferPointer) {
  let text = input.string
  let base64 = "AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
  let blob: [UInt8] = [0, 0, 0, 11] + Array("ssh-ed25519".utf8) + [0, 0, 0, 32] + (0..<32)
  guard let key = KnownHosts.Key(blob: blob) else { return }
  let hosts = KnownHosts(Array(input))
  let more = KnownHosts(Array(input) + Array("\n@revoked * ssh-ed25519 \(base64)\n".utf8))
  for (host, port) in [("node1", 22), ("node1.example.org", 2222), ("::1", 22), ("", 0), (String(text.prefix(40)), 22)]
  {
    _ = hosts.kinds(host: host, port: port)
    if hosts.verdict(on: key, host: host, port: port) == .trusted {
      claim(text.contains(base64), "a key is trusted that is not there")
    }
    claim(more.verdict(on: key, host: host, port: port) == .revoked, "a revoked key is not refused")
  }
  // Any bytes may be offered as a key.
  if let offered = KnownHosts.Key(blob: Array(input)) {
    claim(!offered.fingerprint.isEmpty, "a key without a fingerprint")
    _ = hosts.verdict(on: offered, host: "node1", port: 22)
  }
}
