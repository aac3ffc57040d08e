/// Something that keeps a connector from its work right now.
public struct HealthIssue: Sendable, Equatable {
  public enum Severity: Sendable {
    /// No job at all can start, though jobs are accepted.
    case outage
    /// Some jobs, users or machines are affected.
    case warning
  }

  public let severity: Severity
  /// What it concerns: a server or an account by its name, `SSH`, `servers file`.
  public let subject: String
  /// What is wrong and what to do, for people: a sentence that can be read without the subject.
  public let message: String

  public init(_ severity: Severity, _ subject: String, _ message: String) {
    self.severity = severity
    self.subject = subject
    self.message = message
  }

  public static func warning(_ subject: String, _ message: String) -> Self { .init(.warning, subject, message) }
  public static func outage(_ subject: String, _ message: String) -> Self { .init(.outage, subject, message) }
}

extension Connector {
  /// Why no job at all can start right now; nil when some can.
  public var outage: String? { health.first { $0.severity == .outage }?.message }

  /// What affects some jobs, users or machines, a sentence each.
  public var warnings: [String] { health.filter { $0.severity == .warning }.map(\.message) }
}
