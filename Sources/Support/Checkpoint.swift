#if WEIR_CHECKPOINTS
  import Foundation
  import Synchronization
#endif

/// Named moments in a job's life at which a test can have the process killed, to prove that none of them loses or
/// doubles a job.
///
/// There is something behind them only in a build with `WEIR_CHECKPOINTS=1` in its environment (see Package.swift).
/// `CHECKPOINT_KILL_AT=name[:nth][+milliseconds]` then kills the process with SIGKILL when that moment is reached for
/// the nth time, or so long after it, while things go on. `CHECKPOINT_STOP_FILE` is a file that a test may write a name
/// to: when that moment is reached next, the file is removed and the process stopped with SIGSTOP.
package enum Checkpoint {
  #if WEIR_CHECKPOINTS
    private final class Target: Sendable {
      let name: String
      let delay: Int
      let remaining: Mutex<Int>

      init?(_ text: String) {
        let timed = text.split(separator: "+", maxSplits: 1)
        let counted = timed.first?.split(separator: ":", maxSplits: 1) ?? []
        guard let first = counted.first else { return nil }
        name = String(first)
        delay = timed.count == 2 ? Int(timed[1]) ?? 0 : 0
        remaining = Mutex(counted.count == 2 ? Int(counted[1]) ?? 1 : 1)
      }
    }

    private static let target = ProcessInfo.processInfo.environment["CHECKPOINT_KILL_AT"].flatMap(Target.init)

    private static let stopFile = ProcessInfo.processInfo.environment["CHECKPOINT_STOP_FILE"]

    /// Stops the process if a test waits for that moment.
    private static func stop(at name: String, if condition: () -> Bool) {
      guard let stopFile, let awaited = try? String(contentsOfFile: stopFile, encoding: .utf8), awaited == name,
        condition(), unlink(stopFile) == 0
      else { return }
      kill(getpid(), SIGSTOP)
    }

    package static func reach(_ name: @autoclosure () -> StaticString, if condition: @autoclosure () -> Bool = true) {
      stop(at: "\(name())", if: condition)
      guard let target, "\(name())" == target.name, condition() else { return }
      let isDue = target.remaining.withLock { remaining in
        remaining -= 1
        return remaining == 0
      }
      guard isDue else { return }
      if target.delay == 0 { kill(getpid(), SIGKILL) }
      Thread.detachNewThread {
        usleep(UInt32(clamping: target.delay * 1000))
        kill(getpid(), SIGKILL)
      }
    }
  #else
    @_transparent
    package static func reach(_ name: @autoclosure () -> StaticString, if condition: @autoclosure () -> Bool = true) {}
  #endif
}
