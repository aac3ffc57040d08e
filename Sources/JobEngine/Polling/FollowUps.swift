import JobModel

/// Finds out about what earlier calls, or an earlier run, left open; beside polling, which it never holds up.
struct FollowUps: Sendable {
  let recovery: Recovery
  let resolver: InDoubtResolver
  let verifier: AbsenceVerifier
  let cancels: CancelFollower
  let clock: JobClock
  let pause: Duration

  /// Does so again and again until the task is canceled.
  func run() async {
    while !Task.isCancelled {
      await recovery.searchRecords()
      await resolve()
      await cancels.sendDue()
      try? await clock.sleep(for: pause)
    }
  }

  /// Asks for jobs in doubt and for jobs that polls do not show, at once.
  func resolve() async {
    async let inDoubt: Void = resolver.resolveDue()
    async let absent: Void = verifier.verifyDue()
    _ = await (inDoubt, absent)
  }
}
