import ConnectorAPI
import ConnectorSupport
import JobModel

/// Where the jobs of a server are: an account there, and the directory below which each has its own. The servers file may
/// give a server another one while jobs run; they are looked for where they were started.
struct ServerPlace: Sendable, Hashable, CustomStringConvertible {
  let user: String
  let host: String
  let port: Int
  /// Absolute, or as seen from the account's home directory.
  let root: String

  /// `weir@[alpha.example.com]:22:.weir`
  var description: String { "\(user)@[\(host)]:\(port):\(root)" }

  init(user: String, host: String, port: Int, root: String) {
    (self.user, self.host, self.port, self.root) = (user, host, port, root)
  }

  init?(_ text: some StringProtocol) {
    guard let match = String(text).wholeMatch(of: /([^@ ]+)@\[([^\] ]+)\]:([0-9]{1,5}):([^: ]+)/),
      let port = MachineNumber.count(match.3, upTo: 65_535)
    else { return nil }
    self.init(user: String(match.1), host: String(match.2), port: port, root: String(match.4))
  }

  /// What the store keeps as the output's path of a job that was placed here.
  func outputPath(server: String, token: String) -> String { "\(server) \(self)/jobs/\(token)" }
}

extension Job {
  /// Where it was started on the server that it has; nil where that is not written: in a store of an earlier release,
  /// or on this machine.
  var place: ServerPlace? {
    guard let server = nodes.first, let path = outputPath, path.hasPrefix(server + " ") else { return nil }
    let rest = path.dropFirst(server.count + 1)
    let end = "/jobs/" + submissionToken
    return rest.hasSuffix(end) ? ServerPlace(rest.dropLast(end.count)) : nil
  }
}

extension ServerSpec {
  /// Nil for this machine.
  var place: ServerPlace? {
    login.map { ServerPlace(user: $0.user, host: $0.host, port: $0.port, root: root) }
  }

  /// The server as it is reached in an earlier place of its: with the key that counts now, and no new jobs. Its GPUs are
  /// watched in the present place.
  func former(at place: ServerPlace) -> ServerSpec {
    guard let login else { return self }
    var spec = self
    spec.login = Login(host: place.host, port: place.port, user: place.user, key: login.key)
    spec.root = place.root
    spec.gpus = .count(0)
    return spec
  }
}
