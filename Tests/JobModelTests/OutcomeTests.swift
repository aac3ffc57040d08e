import JobModel
import Testing

@Suite("How a job ended")
struct OutcomeTests {
  @Test(
    "A failure is explained by what is known of it",
    arguments: [
      (Outcome.failed, nil, nil, Outcome.Cause.none), (.failed, 0, nil, .none), (.failed, 3, nil, .exitCode),
      (.failed, 137, nil, .exitCode), (.failed, nil, 9, .signal), (.failed, 3, 9, .signal),
      (.outOfMemory, 137, 9, .outOfMemory), (.timeLimit, nil, 15, .timeLimit), (.succeeded, 0, nil, .none),
      (.canceled, 143, 15, .canceledByUser), (.lost, nil, nil, .lost),
    ] as [(Outcome, Int?, Int?, Outcome.Cause)])
  func cause(outcome: Outcome, code: Int?, signal: Int?, cause: Outcome.Cause) {
    let known = outcome.with(exitCode: code, signal: signal)
    #expect(known.cause == cause && known.exitCode == code && known.signal == signal)
    #expect(known.agrees(with: outcome) && known.with(exitCode: nil, signal: nil) == outcome)
  }

  @Test("Codes that no process has are not taken", arguments: [Int.min, .max, 1 << 31, -1 << 32])
  func bounds(number: Int) {
    let outcome = Outcome(.failed, exitCode: number, signal: number)
    #expect(outcome == .failed)
  }

  @Test("Only the same end agrees; who canceled a job need not be known")
  func agreement() {
    let all = [
      Outcome.succeeded, .failed, .outOfMemory, .timeLimit, .nodeFailure, .preempted, .deadline, .launchFailed,
      .canceled, .lost,
    ]
    for one in all { for other in all { #expect(one.agrees(with: other) == (one == other)) } }
    #expect(Outcome.canceled.agrees(with: Outcome(.canceled, .canceledByAdmin)))
  }

  @Test("Every cause has its word in the API")
  func words() {
    let words = """
      exit_code signal out_of_memory time_limit node_failure preempted deadline launch_failed staging_failed \
      prolog_failed dependency_failed quota canceled_by_user canceled_by_admin canceled_by_scheduler lost none
      """
    #expect(Outcome.Cause.allCases.map(\.rawValue).joined(separator: " ") == words)
  }
}
