/// The attempts that are said to have ended and have not been looked at since.
final class EndHints: Sendable {
  private struct Said {
    var ended: Set<AttemptID> = []
    /// Those whose start has not been answered yet.
    var early: Set<AttemptID> = []
  }

  private let said = Shared(Said())

  var isEmpty: Bool { said.value.ended.isEmpty }

  func insert(_ attempts: Set<AttemptID>) { said.change { $0.ended.formUnion(attempts) } }

  /// Those to be looked at now. What ends before its start was answered is to be looked at once that is.
  /// - Parameter starting: the attempts whose start is under way.
  func take(starting: Set<AttemptID>) -> Set<AttemptID> {
    said.change { said in
      let early = said.ended.intersection(starting)
      defer { said.ended = [] }
      said.early.formUnion(early)
      return said.ended.subtracting(early)
    }
  }

  /// Notes that the start of an attempt has been answered.
  /// - Returns: whether it is said to have ended.
  func startAnswered(_ attempt: AttemptID) -> Bool {
    said.change { said in
      guard said.early.remove(attempt) != nil else { return false }
      said.ended.insert(attempt)
      return true
    }
  }
}
