import Dispatch

/// Runs an actor on a serial queue, where its Dispatch sources deliver their events too.
package final class QueueExecutor: SerialExecutor {
  package let queue: DispatchQueue

  /// - Parameter mayBlock: whether the actor may keep its thread waiting, for a disk for example. Then the queue has no
  ///   target, and so may get a thread of its own; else it is on the shared workers.
  package init(label: String, mayBlock: Bool = false) {
    queue = mayBlock ? DispatchQueue(label: label) : DispatchQueue(label: label, target: .global())
  }

  package func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    queue.async { @Sendable in job.runSynchronously(on: self.asUnownedSerialExecutor()) }
  }

  package func checkIsolated() { dispatchPrecondition(condition: .onQueue(queue)) }
}
