import JobModel

// What is done to a job, beside the cancel that every connector has.

/// A connector whose jobs can be submitted as held, and be released then (``Capability/releasing``).
public protocol ReleasingConnector: Connector {
  /// Lets a held job start.
  func release(_ job: Job) async throws(BackendError)
}

/// A connector that can hold jobs that wait (``Capability/holding``).
public protocol HoldingConnector: ReleasingConnector {
  /// Keeps a job that waits from starting until it is released.
  /// - Throws: ``BackendError/refused(_:)`` when the job has started.
  func hold(_ job: Job) async throws(BackendError)
}

/// A connector that can stop running jobs for a while (``Capability/suspending``).
public protocol SuspendingConnector: Connector {
  /// Stops a running job's processes where they are.
  func suspend(_ job: Job) async throws(BackendError)
  /// Lets a suspended job's processes go on.
  func resume(_ job: Job) async throws(BackendError)
}

/// A connector that can send signals to jobs (``Capability/signalling``).
public protocol SignallingConnector: Connector {
  /// Sends a signal to all processes of a running job.
  /// - Parameter signal: its name without SIG.
  func signal(_ job: Job, _ signal: String) async throws(BackendError)
}

/// A connector whose jobs can be reached by a user while they run (``Capability/interactive``).
public protocol InteractiveConnector: Connector {
  /// Whether the settings allow such jobs. If not, the connector does not have the capability.
  var runsInteractiveJobs: Bool { get }

  /// Where an interactive job is reached, once it is.
  func url(of job: Job) -> String?
}
