import CPrctl
import Glibc

/// What keeps secrets in memory from leaving it.
enum Hardening {
  /// No core is written, no report of a crash shows memory, and no other process of the same user may look into this one
  /// (prctl(2), PR_SET_DUMPABLE).
  static func keepMemoryPrivate() {
    var none = rlimit(rlim_cur: 0, rlim_max: 0)
    setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
    _ = set_dumpable(0)
    // Swift's runtime writes such a report where the environment says so; it was asked before this.
    guard getenv("SWIFT_BACKTRACE") == nil else { return }
    for number in [SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGQUIT] { signal(number, SIG_DFL) }
  }

  /// Overwrites variables where /proc/PID/environ shows them, and removes them: nothing that this process starts or
  /// that may read its environment finds them.
  static func remove(fromEnvironment names: [String]) {
    for name in names {
      guard let value = getenv(name) else { continue }
      memset(value, 0, strlen(value))
      unsetenv(name)
    }
  }
}
