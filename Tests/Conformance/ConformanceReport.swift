import ConnectorAPI

/// What the suite found of a connector.
package struct ConformanceReport: Sendable, CustomStringConvertible {
  package enum Verdict: Sendable, Equatable {
    case passed
    case failed(String)
  }

  package let connector: String
  package let claimed: Set<Capability>
  /// The cases that apply, in the order of the table.
  package let verdicts: [(case: ConformanceCase, verdict: Verdict)]

  /// Examines a connector by every case that applies to it, some at the same time.
  package static func examine(
    _ subject: ConformanceSubject, by cases: [ConformanceCase] = ConformanceCase.all
  ) async throws -> ConformanceReport {
    let bench = Workbench(subject)
    let cases = cases.filter { $0.applies(to: subject) }
    let verdicts = try await bench.atWork {
      await withTaskGroup(of: (Int, Verdict).self) { group in
        var found: [Int: Verdict] = [:]
        for (index, item) in cases.enumerated() {
          if index >= subject.casesAtOnce, let (earlier, verdict) = await group.next() { found[earlier] = verdict }
          group.addTask {
            do {
              try await item.body(bench)
              return (index, .passed)
            } catch {
              return (index, .failed("\(error)"))
            }
          }
        }
        return await group.reduce(into: found) { $0[$1.0] = $1.1 }
      }
    }
    return ConformanceReport(
      connector: subject.connector.name, claimed: capabilities(of: subject.connector),
      verdicts: cases.enumerated().map { ($1, verdicts[$0] ?? .failed("it was not run")) })
  }

  /// What was claimed and not shown, a sentence each; a claimed capability that no case examines is not shown.
  package var failures: [String] {
    let failed = verdicts.compactMap { item, verdict -> String? in
      guard case .failed(let reason) = verdict else { return nil }
      return "\(connector), \(item.capability?.rawValue ?? "every connector"): \(item.name): \(reason)"
    }
    let examined = Set(verdicts.compactMap(\.case.capability))
    return failed
      + claimed.subtracting(examined).map { "\(connector): no case examines the capability \($0.rawValue)" }.sorted()
  }

  /// The table connector × capability × passed.
  package var description: String {
    let rows = [nil] + Capability.allCases.map(Optional.some)
    return rows.map { capability in
      let own = verdicts.filter { $0.case.capability == capability }
      let passed = own.count { $0.verdict == .passed }
      let isClaimed = capability.map(claimed.contains) ?? true
      let cell = isClaimed ? "\(passed) of \(own.count) passed" : "not claimed"
      let name = capability?.rawValue ?? "every connector"
      return "\(connector)  \(name)\(String(repeating: " ", count: max(1, 20 - name.count)))\(cell)\n"
    }.joined()
  }
}
