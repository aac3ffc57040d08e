import Archives
import ConnectorAPI
import JobModel

extension ConformanceCase {
  /// The names of the files that a job makes, some of which no shell text survives.
  private static let names: Set<[UInt8]> = Set(
    ["-dash", " blank ", "new\nline", "*", "$(touch x)", "'quote\"", "deep/plain"].map { Array($0.utf8) }
      + [[0xff, 0xfe]])

  private static let script = #"""
    mkdir deep && : >deep/plain && : >-dash && : >' blank ' && : >'*' && : >'$(touch x)' || exit
    : >"$(printf 'new\nline')" && : >"$(printf '\377\376')" && echo 12345 >"'quote\""
    """#

  /// What becomes of files.
  static let files: [ConformanceCase] = [
    .init("files are listed by any name", .streamingFiles) { bench in
      let ended = try await bench.end(of: bench.submit(bench.spec("files", script)))
      let all = try await list(bench, ended, [])
      try expect(Set(all.map(\.path)) == names, "the files are \(all.map { String(decoding: $0.path, as: UTF8.self) })")
      try expect(all.first { $0.path == Array("'quote\"".utf8) }?.size == 6, "the size of a file is wrong")
      let deep = try await list(bench, ended, [ResultGlob("deep")])
      try expect(deep.map(\.path) == [Array("deep/plain".utf8)], "a directory means other files than those in it")
    },
    .init("files are fetched as a tar.gz, also while the job runs", .streamingFiles) { bench in
      let job = try await bench.reach(
        .running, of: bench.submit(bench.spec("fetch", script + "\n" + CaseScript.lasting)))
      try await bench.wait(until: "the job makes its files") { try await list(bench, job, []).count == names.count }
      let (matched, found) = try await fetch(bench, job)
      try expect(matched == names.count, "\(matched) files were announced, not \(names.count)")
      let expected = Set(names.map { Array("work/".utf8) + $0 } + ["stdout", "stderr"].map { Array($0.utf8) })
      try expect(found == expected, "the archive has \(found.map { String(decoding: $0, as: UTF8.self) })")
      try await bench.cancel(job)
    },
    .init("files stay when the output is removed, until they are removed too", .keepingFiles, needs: [.streamingFiles])
    {
      bench in
      let ended = try await bench.end(of: bench.submit(bench.spec("kept", script)))
      try await (bench.connector as? any OutputRemovingConnector)?.removeOutput(ended)
      try expect(try await list(bench, ended, []).count == names.count, "the files went with the output")
      let keeper = bench.connector as? any FileKeepingConnector
      try await keeper?.removeFiles(ended)
      try await keeper?.removeFiles(ended)
      let left = try? await list(bench, ended, [])
      try expect(left?.isEmpty ?? true, "the files are still there")
    },
    .init("an archive is unpacked before the job starts", .stagingInputs, needs: [.readingOutput]) { bench in
      var spec = bench.spec("input", "cat 'data/in put'\n")
      spec.input = StagedArchive.input
      let ended = try await bench.end(of: bench.submit(spec, archive: StagedArchive.bytes))
      let output = try await bench.connector.readingOutput.output(ended, lines: 10)
      try expect(
        output == Array("staged\n".utf8), "it read \(String(decoding: output, as: UTF8.self).debugDescription)")
    },
  ]

  private static func list(_ bench: Workbench, _ job: Job, _ globs: [ResultGlob]) async throws -> [JobFile] {
    let found = Collected<JobFile>()
    try await bench.connector.streamingFiles.files(of: job, matching: globs) { await found.add($0) }
    return await found.items
  }

  private static func fetch(_ bench: Workbench, _ job: Job) async throws -> (matched: Int, names: Set<[UInt8]>) {
    let (bytes, matched) = (Collected<UInt8>(), Collected<Int>())
    try await bench.connector.streamingFiles.results(
      of: job, matching: [], withOutput: true, onMatched: { await matched.add([$0]) }, onOutput: { await bytes.add($0) }
    )
    var names: Set<[UInt8]> = []
    let reader = try ArchiveReader()
    try reader.read(await bytes.items) { names.insert($0.path) }
    try reader.finish()
    return (await matched.items.first ?? 0, names)
  }
}

private actor Collected<Item: Sendable> {
  private(set) var items: [Item] = []
  func add(_ more: [Item]) { items += more }
}
