/// Something that only some connectors can do. A connector has it if it conforms to the protocol of that name.
public enum Capability: String, CaseIterable, Sendable {
  case releasing
  case holding
  case suspending
  case signalling
  case interactive
  case describing
  case readingOutput
  case removingOutput
  case streamingFiles
  case keepingFiles
  case listingDirectories
  case ownQueue
  case stagingInputs
  case recovering
  case delayedExitCodes

  /// Whether a connector has it.
  func isProvided(by connector: any Connector) -> Bool {
    switch self {
    case .releasing: connector is any ReleasingConnector
    case .holding: connector is any HoldingConnector
    case .suspending: connector is any SuspendingConnector
    case .signalling: connector is any SignallingConnector
    case .interactive: (connector as? any InteractiveConnector)?.runsInteractiveJobs ?? false
    case .describing: connector is any DescribingConnector
    case .readingOutput: connector is any OutputReadingConnector
    case .removingOutput: connector is any OutputRemovingConnector
    case .streamingFiles: connector is any FileStreamingConnector
    case .keepingFiles: connector is any FileKeepingConnector
    case .listingDirectories: connector is any DirectoryListingConnector
    case .ownQueue: connector is any QueueingConnector
    case .stagingInputs: connector is any InputStagingConnector
    case .recovering: connector is any RecoveringConnector
    case .delayedExitCodes: connector is any DelayedExitCodeConnector
    }
  }

  /// What a connector without it cannot do: the end of a sentence.
  private var action: String {
    switch self {
    case .releasing: "release jobs"
    case .holding: "hold jobs"
    case .suspending: "suspend jobs"
    case .signalling: "send signals to jobs"
    case .interactive: "run interactive jobs"
    case .describing: "describe jobs"
    case .readingOutput: "read the output of jobs"
    case .removingOutput: "remove the output of jobs"
    case .streamingFiles: "fetch files of jobs"
    case .keepingFiles: "keep files of jobs"
    case .listingDirectories: "list directories"
    case .ownQueue: "find machines for jobs"
    case .stagingInputs: "take archives with jobs"
    case .recovering: "recover ended jobs"
    case .delayedExitCodes: "report exit codes later"
    }
  }

  /// The error for a call that needs it.
  /// - Parameter connector: the name of the connector that does not have it.
  public func refusal(by connector: String) -> BackendError { .refused("the connector \(connector) cannot \(action)") }
}

/// What a connector can do: its row of the table that stands behind every refusal.
public func capabilities(of connector: any Connector) -> Set<Capability> {
  Set(Capability.allCases.filter { $0.isProvided(by: connector) })
}

extension Connector {
  /// Whether the connector can do that.
  public func has(_ capability: Capability) -> Bool { capability.isProvided(by: self) }
}

// The connector as one that has a capability; the error is the refusal.
extension Connector {
  public var releasing: any ReleasingConnector { get throws(BackendError) { try able(.releasing) } }
  public var holding: any HoldingConnector { get throws(BackendError) { try able(.holding) } }
  public var suspending: any SuspendingConnector { get throws(BackendError) { try able(.suspending) } }
  public var signalling: any SignallingConnector { get throws(BackendError) { try able(.signalling) } }
  public var describing: any DescribingConnector { get throws(BackendError) { try able(.describing) } }
  public var readingOutput: any OutputReadingConnector { get throws(BackendError) { try able(.readingOutput) } }
  public var streamingFiles: any FileStreamingConnector { get throws(BackendError) { try able(.streamingFiles) } }

  /// - Throws: ``BackendError/notFound(_:)``, since a place without directories has none of that name.
  public func listing(_ path: String) throws(BackendError) -> any DirectoryListingConnector {
    do { return try able(.listingDirectories) } catch { throw .notFound("\(path): \(error)") }
  }

  private func able<Kind>(_ capability: Capability) throws(BackendError) -> Kind {
    guard let able = self as? Kind else { throw capability.refusal(by: name) }
    return able
  }
}
