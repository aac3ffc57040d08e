import CPrctl
import Glibc

/// What keeps secrets in memory from leaving it.
enum Hardening {
  /// No core is written, and no other process of the same user may look into this one (prctl(2), PR_SET_DUMPABLE).
  static func keepMemoryPrivate() {
    var none = rlimit(rlim_cur: 0, rlim_max: 0)
    setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
    _ = set_dumpable(0)
  }
}
