extension JobService {
  /// What a submit answers, the first time and every time after.
  public struct Receipt: Sendable, Equatable {
    public let backendID: String
    /// The script as it was sent, secrets masked.
    public let shownScript: String
  }
}
