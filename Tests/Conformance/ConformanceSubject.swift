import ConnectorAPI
import JobModel

/// A connector to be examined, and what the suite must know of its backend.
package struct ConformanceSubject: Sendable {
  package let connector: any Connector
  /// The account that jobs run as.
  package var account = "kirby"
  /// Whether scripts really run. Where jobs only pretend, what scripts do is not examined.
  package var runsScripts = true
  /// Whether the connector judges every job by its output, whatever ``JobSpec/isJudgedByOutput`` says, and prints lines of
  /// its own around that output: a job that fails has the exit code 1 then.
  package var isJudgedByOutput = false
  /// An id in the form of the backend's that it has given to no job.
  package var unknownID = "01J00000000000000000000000"
  /// What every job asks for beside its script.
  package var adapt: @Sendable (inout JobSpec) -> Void = { _ in }
  /// A connector of the same kind whose backend cannot be reached, and a machine of its jobs; nil where a backend is
  /// always there.
  package var unreachable: (connector: any Connector, machine: String)?
  /// Time between two polls.
  package var pollInterval = Duration.milliseconds(300)
  /// Lets time pass for a backend whose clock the test drives; the cases must then be examined one by one.
  package var passTime: @Sendable (Duration) -> Void = { _ in }
  /// How many cases are examined at the same time.
  package var casesAtOnce = 8
  /// How long each change of a job may take.
  package var patience = Duration.seconds(60)

  package init(_ connector: any Connector) { self.connector = connector }
}
