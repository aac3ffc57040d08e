import CEpoll
import Glibc

/// The other end of a connection.
struct Peer: Sendable {
  /// Such as `127.0.0.1:5321` or `[::1]:5321`.
  var address: String
  var network: ClientNetwork
}

/// The calls of the system that the server makes for a TCP socket.
enum Socket {
  /// A listening socket, not blocking.
  static func listen(address: String, port: Int) throws(ServerError) -> Int32 {
    let name = address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)"
    guard (0...65_535).contains(port) else { throw .addressNotUsable(name, reason: "ports are 0 to 65535") }
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
    var found: UnsafeMutablePointer<addrinfo>?
    let outcome = getaddrinfo(address, String(port), &hints, &found)
    guard outcome == 0, let first = found else {
      throw .addressNotUsable(name, reason: String(cString: gai_strerror(outcome)))
    }
    defer { freeaddrinfo(first) }
    let fd = socket(first.pointee.ai_family, Int32(SOCK_STREAM.rawValue) | O_NONBLOCK | O_CLOEXEC, 0)
    guard fd >= 0 else { throw .system(operation: "socket", errno: errno) }
    do throws(ServerError) {
      set(fd, SOL_SOCKET, SO_REUSEADDR)
      // Inherited by every accepted connection: answers are written whole, waiting would only delay them.
      set(fd, Int32(IPPROTO_TCP), TCP_NODELAY)
      guard bind(fd, first.pointee.ai_addr, first.pointee.ai_addrlen) == 0, Glibc.listen(fd, SOMAXCONN) == 0 else {
        throw error(errno, name: name)
      }
      return fd
    } catch {
      close(fd)
      throw error
    }
  }

  private static func error(_ number: Int32, name: String) -> ServerError {
    switch number {
    case EADDRINUSE: .addressInUse(name)
    case EACCES, EPERM: .permissionDenied(name)
    case EADDRNOTAVAIL: .addressNotUsable(name, reason: "this machine has no such address")
    default: .system(operation: "listen on \(name)", errno: number)
    }
  }

  private static func set(_ fd: Int32, _ level: Int32, _ option: Int32) {
    var on: Int32 = 1
    setsockopt(fd, level, option, &on, socklen_t(MemoryLayout<Int32>.size))
  }

  /// Lets the process have as many descriptors as it may: each connection takes one, and the usual soft limit of 1024
  /// is there for programs that call `select`.
  /// - Returns: how many it may have then.
  static func raiseDescriptorLimit() -> Int {
    let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    var limit = rlimit()
    guard getrlimit(resource, &limit) == 0 else { return .max }
    if limit.rlim_cur < limit.rlim_max {
      limit.rlim_cur = limit.rlim_max
      setrlimit(resource, &limit)
      getrlimit(resource, &limit)
    }
    return Int(clamping: limit.rlim_cur)
  }

  /// Whether there is something to read, or to accept.
  static func hasInput(_ fd: Int32) -> Bool {
    var poll = pollfd(fd: fd, events: Int16(POLLIN), revents: 0)
    return Glibc.poll(&poll, 1, 0) == 1
  }

  /// The port a socket is bound to.
  static func port(of fd: Int32) -> Int {
    withAddress { getsockname(fd, $0, $1) }.map { Int($0.port) } ?? 0
  }

  /// Accepts a connection, not blocking and close-on-exec from its first moment: a command that is started meanwhile
  /// would keep it open; nil with errno set when there is none or it failed.
  static func accept(_ listener: Int32) -> (fd: Int32, peer: Peer)? {
    var fd: Int32 = -1
    let address = withAddress { address, length in
      fd = accept4(listener, address, length, O_NONBLOCK | O_CLOEXEC)
      return fd < 0 ? -1 : 0
    }
    guard fd >= 0 else { return nil }
    return (fd, Peer(address: address.map { "\($0.host):\($0.port)" } ?? "", network: address?.network ?? .unknown))
  }

  /// Resets the connection, so that the client cannot take a part for the whole.
  static func reset(_ fd: Int32) {
    var option = Glibc.linger(l_onoff: 1, l_linger: 0)
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<Glibc.linger>.size))
  }

  /// The address that a call of the system fills in.
  private static func withAddress(
    _ call: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32
  ) -> (host: String, port: UInt16, network: ClientNetwork)? {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    return withUnsafeMutablePointer(to: &storage) { pointer in
      let isFilled = pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { call($0, &length) == 0 }
      guard isFilled else { return nil }
      switch Int32(pointer.pointee.ss_family) {
      case AF_INET:
        return pointer.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { address in
          let number = address.pointee.sin_addr.s_addr
          return (
            text(AF_INET, &address.pointee.sin_addr), UInt16(bigEndian: address.pointee.sin_port),
            ClientNetwork(ipv4: number)
          )
        }
      case AF_INET6:
        return pointer.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { address in
          let host = text(AF_INET6, &address.pointee.sin6_addr)
          // An IPv4 client of an IPv6 socket.
          let mapped = host.hasPrefix("::ffff:") ? String(host.dropFirst(7)) : nil
          return (
            mapped ?? "[\(host)]", UInt16(bigEndian: address.pointee.sin6_port), network(&address.pointee.sin6_addr)
          )
        }
      default: return nil
      }
    }
  }

  /// Of an IPv4 client of an IPv6 socket, that of its own address (RFC 4291 section 2.5.5.2).
  private static func network(_ address: UnsafeRawPointer) -> ClientNetwork {
    let high = UInt64(bigEndian: address.loadUnaligned(as: UInt64.self))
    let middle = UInt32(bigEndian: address.loadUnaligned(fromByteOffset: 8, as: UInt32.self))
    guard high == 0, middle == 0xFFFF else { return ClientNetwork(ipv6: high) }
    return ClientNetwork(ipv4: address.loadUnaligned(fromByteOffset: 12, as: UInt32.self))
  }

  private static func text(_ family: Int32, _ address: UnsafeRawPointer) -> String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(INET6_ADDRSTRLEN)) { buffer in
      guard let base = buffer.baseAddress, inet_ntop(family, address, base, socklen_t(buffer.count)) != nil else {
        return ""
      }
      return String(cString: base)
    }
  }
}
