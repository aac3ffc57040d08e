import Logging
import Support

extension ConnectionPool {
  /// Does something with a file, and says so on the log: one line of level info with the metadata `host`, `user`,
  /// `path`, `bytes` and `ms`, or `error` in place of `bytes`. The inner failure is that of a caller's closure.
  func audited(
    _ operation: Logger.Message, _ path: String, on destination: Destination,
    _ body: () async throws(SSHError) -> Result<Int, any Error>
  ) async throws(SSHError) -> Result<Int, any Error> {
    let start = ContinuousClock.now
    func log(_ outcome: String, _ value: String) {
      logger.info(
        operation,
        metadata: [
          "host": "\(destination.host)", "user": "\(destination.user)", "path": "\(LogText.line(path))",
          outcome: "\(value)", "ms": "\((ContinuousClock.now - start).milliseconds)",
        ])
    }
    do {
      let result = try await body()
      switch result {
      case .success(let count): log("bytes", "\(count)")
      case .failure(let error): log("error", LogText.line("\(error)"))
      }
      return result
    } catch {
      log("error", LogText.line(error.description))
      throw error
    }
  }
}
