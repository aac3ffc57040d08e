import Shell

/// Why a command or a transfer failed.
///
/// A description is one clause for an administrator: what happened, where, and what to do about it.
public enum SSHError: Error, Sendable, Equatable {
  /// No connection: name resolution, TCP, key exchange; or an attempt failed just now and its pause has not ended.
  case unreachable(Destination, reason: String)

  /// The known hosts file has no key of the host.
  case hostKeyUnknown(Destination, offered: String, file: String)

  /// The host offers another key than the known hosts file has for it: a reinstalled server, or an attack.
  case hostKeyChanged(Destination, offered: String, known: [String], file: String)

  /// The host's key is not to be trusted, or cannot be judged.
  case hostKeyRefused(Destination, reason: String)

  /// The server did not accept the key. Nothing more is tried with this key until ``ConnectionPool/retryLogins()``,
  /// for sites lock out clients that keep trying.
  case loginRefused(Destination, reason: String)

  /// Too many calls wait already, or none of the channels became free in time.
  case busy(Destination)

  /// The account's login files (`.bashrc` and the like) did not let the command begin. It certainly did not run.
  case loginFiles(Destination, reason: String)

  /// The command printed far more than was asked for, and was interrupted.
  case flooded(Destination)

  /// The time was up, or the calling task was cancelled. `started`: the command may have reached the server.
  case timedOut(Destination, started: Bool)

  /// The connection broke. `started`: the command may have reached the server.
  case disconnected(Destination, started: Bool)

  /// The server refused a file operation.
  case sftp(path: String, reason: String)

  /// Whether the command may have run, wholly or in part. If not, trying again cannot run it twice.
  public var mayHaveRun: Bool {
    switch self {
    case .timedOut(_, let started), .disconnected(_, let started): started
    case .flooded: true
    case .unreachable, .hostKeyUnknown, .hostKeyChanged, .hostKeyRefused, .loginRefused, .loginFiles, .busy, .sftp:
      false
    }
  }

  /// Whether it is about the host's key, and so about everybody who would log in there.
  var isAboutHostKey: Bool {
    switch self {
    case .hostKeyUnknown, .hostKeyChanged, .hostKeyRefused: true
    case .unreachable, .loginRefused, .loginFiles, .flooded, .busy, .timedOut, .disconnected, .sftp: false
    }
  }
}

extension SSHError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .unreachable(let destination, let reason):
      return "\(destination) cannot be reached: \(reason)"
    case .hostKeyUnknown(let destination, let offered, let file):
      let scan = "ssh-keyscan -p \(destination.port) \(destination.host)"
      return "the host key of \(destination.endpoint), \(offered), is not in \(file): compare it with the server's and"
        + " add it, for example with `\(scan) >> \(file)`"
    case .hostKeyChanged(let destination, let offered, let known, let file):
      let isOfKnownKind = known.contains { $0.prefix { $0 != " " } == offered.prefix { $0 != " " } }
      let wayOut =
        isOfKnownKind
        ? "if the server was reinstalled, replace its line in \(file)"
        : "if this is one more key of the same server, add it to \(file)"
      return
        "the host key of \(destination.endpoint) is \(offered), but \(file) has \(known.joined(separator: " and ")):"
        + " this may be a man-in-the-middle attack; \(wayOut)"
    case .hostKeyRefused(let destination, let reason):
      return "the host key of \(destination.endpoint) is refused: \(reason)"
    case .loginRefused(let destination, let reason):
      return "\(destination) refuses the login: \(reason)"
    case .loginFiles(let destination, let reason):
      return
        "the login files of \(destination) (.bashrc, .zshenv, config.fish and the like) keep commands from running:"
        + " \(reason)"
    case .flooded(let destination):
      return
        "a command on \(destination) printed \(OutputLimits.dropped >> 20) MiB more than Weir keeps, and was"
        + " interrupted; it may have run"
    case .busy(let destination):
      return "\(destination) is busy: all channels are in use and too many commands wait; try again later"
    case .timedOut(let destination, let started):
      return "a command on \(destination) timed out\(Self.trace(started))"
    case .disconnected(let destination, let started):
      return "the connection to \(destination) broke\(Self.trace(started))"
    case .sftp(let path, let reason):
      return "the file \(path) could not be transferred: \(reason)"
    }
  }

  private static func trace(_ started: Bool) -> String {
    started ? "; the command may have run" : "; the command was not sent and can be repeated"
  }
}
