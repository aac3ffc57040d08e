/// Who a request was authenticated as.
public enum Caller: Sendable, Equatable {
  /// The upstream platform, by its service key: all jobs.
  case service
  /// The holder of a valid token with the administrators' claim: all jobs. With the user it names.
  case admin(String)
  /// The holder of any other valid token: the jobs of that owner.
  case user(String)
  /// Anybody, where authentication is switched off: all jobs.
  case anybody

  /// The name under which what it does is recorded.
  public var name: String {
    switch self {
    case .service: "service"
    case .admin(let name), .user(let name): name
    case .anybody: "anybody"
    }
  }

  /// Whether it may do what is for administrators alone: where authentication is switched off, anybody may.
  public var isAdmin: Bool {
    switch self {
    case .admin, .anybody: true
    case .service, .user: false
    }
  }

  /// Whether it may see and touch everybody's jobs.
  public var seesAllJobs: Bool {
    switch self {
    case .service, .admin, .anybody: true
    case .user: false
    }
  }

  /// Whether it may see and touch the jobs of an owner.
  public func mayAccess(jobsOf owner: String) -> Bool {
    guard case .user(let name) = self else { return true }
    // Byte by byte, as the store compares: Swift's own equality takes different spellings of an accent for one.
    return name.utf8.elementsEqual(owner.utf8)
  }

  /// Whether a token's claim can name a user: text that is short, fits on one line of a log, and is not a name that
  /// means somebody else there.
  static func canBeNamed(_ name: String) -> Bool {
    guard (1...256).contains(name.utf8.count), ![Caller.service.name, Caller.anybody.name].contains(name) else {
      return false
    }
    return name.unicodeScalars.allSatisfy {
      switch $0.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator, .unassigned: false
      default: true
      }
    }
  }
}
