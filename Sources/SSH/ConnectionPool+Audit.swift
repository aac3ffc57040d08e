import Logging

extension ConnectionPool {
  /// Does something with a file, and says so on the log: one line of level info with the metadata `host`, `user`,
  /// `path`, `bytes` and `ms`, or `error` in place of `bytes`.
  func audited<T>(
    _ operation: Logger.Message, _ path: String, on destination: Destination, _ count: (T) -> Int,
    _ body: () async throws(SSHError) -> T
  ) async throws(SSHError) -> T {
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
      log("bytes", "\(count(result))")
      return result
    } catch {
      log("error", LogText.line(error.description))
      throw error
    }
  }
}
