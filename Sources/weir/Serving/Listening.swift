import HTTP
import Logging

extension Server {
  /// For how long the address may be in use: a process that has just been killed, or one that it started, may still have it.
  private static let patience = Duration.seconds(5)

  /// Starts the server. While another process listens on the address, tries again for some seconds.
  /// - Parameter isEnding: whether to give up, without an error.
  /// - Throws: ``ServerError``.
  func start(logger: Logger, within patience: Duration = patience, unless isEnding: () -> Bool) async throws {
    let deadline = ContinuousClock.now + patience
    var isFirst = true
    while !isEnding() {
      do { return try start() } catch {
        guard case .addressInUse? = error as? ServerError, ContinuousClock.now < deadline else {
          throw error
        }
        if isFirst { logger.notice("\(error); trying again for \(patience.components.seconds) seconds") }
        isFirst = false
      }
      try await Task.sleep(for: .milliseconds(100))
    }
  }
}
