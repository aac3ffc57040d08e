import CProcess
import Glibc
import Support

/// A process that was started, and our ends of its pipes.
///
/// It has a session and a process group of its own, no descriptor but 0, 1 and 2, no signal blocked and none ignored,
/// whatever holds here.
struct Child {
  let pid: pid_t
  /// Readable when the process has ended.
  let handle: Int32
  /// Non-blocking, as the next two; nil if its standard input is /dev/null.
  let stdin: Int32?
  let stdout: Int32
  let stderr: Int32

  struct Failure: Error {
    let code: Int32
    var reason: String { SystemError.text(code) }
  }

  /// Starts `/bin/sh -c script`.
  init(_ script: String, directory: String, environment: [String: String], hasInput: Bool) throws(Failure) {
    var pipes: [(reading: Int32, writing: Int32)] = []
    var isStarted = false
    defer {
      // Of those that the child has got, ours is the other end.
      for (index, pipe) in pipes.enumerated() {
        if !isStarted || index == 2 { close(pipe.reading) }
        if !isStarted || index != 2 { close(pipe.writing) }
      }
    }
    for _ in 0..<(hasInput ? 3 : 2) {
      var ends: [Int32] = [-1, -1]
      guard pipe2(&ends, O_CLOEXEC) == 0 else { throw Failure(code: errno) }
      pipes.append((ends[0], ends[1]))
    }
    pid = try Self.spawn(
      ["/bin/sh", "-c", script], directory: directory, environment: environment.map { "\($0)=\($1)" },
      streams: (hasInput ? pipes[2].reading : nil, pipes[0].writing, pipes[1].writing))
    handle = open_process(pid)
    guard handle >= 0 else {
      let failure = Failure(code: errno)
      kill(-pid, SIGKILL)
      while waitpid(pid, nil, 0) < 0, errno == EINTR {}
      throw failure
    }
    isStarted = true
    (stdout, stderr, stdin) = (pipes[0].reading, pipes[1].reading, hasInput ? pipes[2].writing : nil)
    for descriptor in [stdout, stderr, stdin ?? stdout] { _ = fcntl(descriptor, F_SETFL, O_NONBLOCK) }
  }

  private static func spawn(
    _ arguments: [String], directory: String, environment: [String],
    streams: (stdin: Int32?, stdout: Int32, stderr: Int32)
  ) throws(Failure) -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    if let stdin = streams.stdin {
      posix_spawn_file_actions_adddup2(&actions, stdin, 0)
    } else {
      posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    }
    posix_spawn_file_actions_adddup2(&actions, streams.stdout, 1)
    posix_spawn_file_actions_adddup2(&actions, streams.stderr, 2)
    posix_spawn_file_actions_addclosefrom_np(&actions, 3)
    posix_spawn_file_actions_addchdir_np(&actions, directory)

    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    sigfillset(&signals)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | spawn_in_new_session))

    var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
    var variables: [UnsafeMutablePointer<CChar>?] = environment.map { strdup($0) } + [nil]
    defer { for word in words + variables { free(word) } }
    var pid: pid_t = 0
    let code = posix_spawn(&pid, "/bin/sh", &actions, &attributes, &words, &variables)
    guard code == 0 else { throw Failure(code: code) }
    return pid
  }
}
