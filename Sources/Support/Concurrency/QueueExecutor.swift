import Dispatch

/// Runs an actor on a serial queue, where its Dispatch sources deliver their events too.
package final class QueueExecutor: SerialExecutor {
  package let queue: DispatchQueue

  package init(label: String) {
    // On the shared workers: a queue without a target may get a thread of its own.
    queue = DispatchQueue(label: label, target: .global())
  }

  package func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    queue.async { @Sendable in job.runSynchronously(on: self.asUnownedSerialExecutor()) }
  }

  package func checkIsolated() { dispatchPrecondition(condition: .onQueue(queue)) }
}
