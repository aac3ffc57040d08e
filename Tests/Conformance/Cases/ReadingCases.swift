import ConnectorAPI
import JobModel

extension ConformanceCase {
  /// What is read of jobs.
  static let reading: [ConformanceCase] = [
    .init("an account of the job names it", .describing, runsScript: false) { bench in
      let job = try await bench.reach(.running, of: bench.submit(bench.spec("described", CaseScript.lasting)))
      let text = try await bench.connector.describing.describe(job)
      try expect(
        text.contains(job.name) || text.contains(job.submissionToken) || text.contains(job.backendID ?? job.name),
        "the text does not name the job: \(text.prefix(200))")
      try await bench.cancel(job)
    },
    .init("an account of a job that the backend does not have is an error", .describing, unless: [.ownQueue]) { bench in
      var job = bench.job(bench.spec("nobody", CaseScript.short))
      try? job.apply(.accepted(backendID: bench.subject.unknownID, held: false), at: job.submittedAt)
      let text = try? await bench.connector.describing.describe(job)
      try expect(text.map { !$0.contains(job.name) } ?? true, "there is an account of it: \(text ?? "")")
    },
    .init("output is read after the end, and is empty before the start", .readingOutput, runsScript: false) { bench in
      if bench.connector.has(.releasing) {
        let waits = try await bench.submit(bench.spec("silent", CaseScript.short, held: true))
        try expect(try await bench.connector.readingOutput.output(waits, lines: 10).isEmpty, "a held job has output")
        try await bench.cancel(waits)
      }
      let ended = try await bench.end(of: bench.submit(bench.spec("says", "echo something\n")))
      try expect(
        try await !bench.connector.readingOutput.output(ended, lines: 10).isEmpty, "an ended job has no output")
    },
    .init("output is read while the job runs", .readingOutput) { bench in
      let job = try await bench.reach(.running, of: bench.submit(bench.spec("tail", CaseScript.lasting)))
      try await bench.wait(until: "its output is shown") {
        bench.isPrinted(Array("begun\n".utf8), in: try await bench.connector.readingOutput.output(job, lines: 10))
      }
      try await bench.cancel(job)
    },
    .init("the last lines of the output are byte by byte as printed", .readingOutput) { bench in
      let script = #"printf 'one\ntwo\n\377\376 \033[0m\nfour\n'"# + "\n"
      let ended = try await bench.end(of: bench.submit(bench.spec("bytes", script)))
      let last = Array("two\n".utf8) + [0xff, 0xfe, 0x20, 0x1b] + Array("[0m\nfour\n".utf8)
      let reader = try bench.connector.readingOutput
      let all = try await reader.output(ended, lines: 100)
      try expect(bench.isPrinted(Array("one\n".utf8) + last, in: all), "all lines are other bytes")
      try expect(try await reader.output(ended, lines: 3).elementsEqual(all.lastLines(3)), "three lines are others")
      let size = try await reader.outputSize(ended)
      try expect(size == nil || size == all.count, "the size is \(size ?? 0) bytes, not \(all.count)")
    },
    .init("output is removed, and again without an error", .removingOutput, needs: [.readingOutput]) { bench in
      let ended = try await bench.end(of: bench.submit(bench.spec("removed", "echo something\n")))
      let remover = bench.connector as? any OutputRemovingConnector
      try await remover?.removeOutput(ended)
      try await remover?.removeOutput(ended)
      let output = try? await bench.connector.readingOutput.output(ended, lines: 10)
      try expect(output?.isEmpty ?? true, "the output is still there")
    },
    .init("a directory is listed below the roots, and nowhere else", .listingDirectories) { bench in
      func list(_ path: String, _ roots: [String]) async throws(BackendError) -> [DirectoryEntry] {
        try await bench.connector.listing(path).list(path, account: bench.subject.account, roots: roots)
      }
      try await bench.wait(until: "the backend can be asked") { (try? await list("/", ["/"])) != nil }
      let top = try await list("/", ["/"])
      try expect(top.contains { $0.path == Array("/etc".utf8) && $0.kind == .directory }, "/etc is not in /")
      for (path, roots) in [("/etc", ["/usr"]), ("/usr/../etc", ["/usr"]), ("/usr/no such", ["/usr"])] {
        do throws(BackendError) {
          throw .interrupted("\(path) was listed: \(try await list(path, roots).count) entries")
        } catch {
          guard case .notFound = error else { throw Deviation("\(path): \(error)") }
        }
      }
    },
  ]
}

extension [UInt8] {
  /// The last lines, each with its line end.
  fileprivate func lastLines(_ count: Int) -> ArraySlice<UInt8> {
    let ends = indices.filter { self[$0] == UInt8(ascii: "\n") }
    return ends.count <= count ? self[...] : self[(ends[ends.count - count - 1] + 1)...]
  }
}
