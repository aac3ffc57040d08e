/// A job's identity: a ULID, which no other job ever has. Sorts by the time of the submit.
public struct JobID: RawRepresentable, Hashable, Comparable, Sendable, Codable {
  public let rawValue: String

  public init(rawValue: String) { self.rawValue = rawValue }

  public static func < (one: JobID, other: JobID) -> Bool { one.rawValue < other.rawValue }
}

extension JobID: CustomStringConvertible, ExpressibleByStringLiteral {
  public var description: String { rawValue }

  public init(stringLiteral text: String) { self.init(rawValue: text) }
}
