import Foundation
import Glibc
import Support

/// Makes TCP connections, on a thread for each: looking up a name blocks, and nothing that blocks may hold up a queue.
enum Dialer {
  struct Failure: Error {
    let reason: String
  }

  /// A connected, non-blocking socket to the first of the host's addresses that answers.
  ///
  /// Looking up the name takes as long as the system's resolver allows; `timeout` is for what follows.
  static func dial(host: String, port: Int, timeout: Duration) async -> Result<Int32, Failure> {
    await withCheckedContinuation { continuation in
      let thread = Thread { continuation.resume(returning: connect(host: host, port: port, timeout: timeout)) }
      thread.name = "ssh-dial"
      thread.start()
    }
  }

  private static func connect(host: String, port: Int, timeout: Duration) -> Result<Int32, Failure> {
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    hints.ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG
    var list: UnsafeMutablePointer<addrinfo>?
    let code = getaddrinfo(host, String(port), &hints, &list)
    guard code == 0 else {
      return .failure(Failure(reason: "the name cannot be resolved (\(String(cString: gai_strerror(code))))"))
    }
    defer { freeaddrinfo(list) }
    let addresses = Array(sequence(first: list, next: { $0?.pointee.ai_next }).compactMap(\.?.pointee))
    let deadline = ContinuousClock.now + timeout
    var reason = "the name has no address"
    for (index, address) in addresses.enumerated() {
      // Each address gets its share of the time, so that a dead first one leaves some for the others.
      let share = (deadline - .now) / (addresses.count - index)
      switch connect(to: address, timeout: share) {
      case .success(let descriptor): return .success(descriptor)
      case .failure(let failure): reason = failure.reason
      }
    }
    return .failure(Failure(reason: reason))
  }

  private static func connect(to address: addrinfo, timeout: Duration) -> Result<Int32, Failure> {
    let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
    let descriptor = socket(address.ai_family, type, 0)
    guard descriptor >= 0 else { return failure(errno) }
    var on: Int32 = 1
    let size = socklen_t(MemoryLayout<Int32>.size)
    setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, size)
    var silence = Int32(clamping: ConnectionPool.longestSilence.milliseconds)
    setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, &silence, size)
    var code: Int32 = 0
    if Glibc.connect(descriptor, address.ai_addr, address.ai_addrlen) != 0 {
      code = errno
      if code == EINPROGRESS {
        var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        var length = size
        switch poll(&waiting, 1, Int32(clamping: timeout.milliseconds)) {
        case 0: code = ETIMEDOUT
        case 1: getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length)
        default: code = errno
        }
      }
    }
    guard code == 0 else {
      close(descriptor)
      return failure(code)
    }
    return .success(descriptor)
  }

  private static func failure(_ code: Int32) -> Result<Int32, Failure> {
    .failure(Failure(reason: SystemError.text(code)))
  }
}
