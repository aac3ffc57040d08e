import JobModel

/// Which files of a job are meant: a pattern of paths below its directory.
///
/// `*` and `?` stand for any bytes, `[...]` for one of some, never for a slash; hidden files match too. `**` stands for
/// directories to any depth, after a path without wildcards and before nothing or one name: `**`, `logs/**`,
/// `out/**/*.tsv`. A path without wildcards means the file, or all that is below the directory.
///
/// It never reaches a shell as text: it becomes find(1)'s `-path` and `-name`, which match names and open none.
public struct ResultGlob: Sendable, Equatable {
  /// Tests of find(1) for paths that begin with `work/`, for files alone.
  public let tests: [String]

  private static let longest = 1024

  /// - Throws: ``JobError/refused(_:)`` with what is wrong with it.
  public init(_ text: String) throws(JobError) {
    func fault(_ words: String) -> JobError { .refused("glob \(text.prefix(100).debugDescription): \(words)") }
    guard !text.isEmpty, text.utf8.count <= Self.longest else { throw fault("expected 1 to \(Self.longest) bytes") }
    guard !text.utf8.contains(0) else { throw fault("it holds a NUL byte") }
    guard !text.hasPrefix("/") else { throw fault("expected a path below the job's directory, not an absolute one") }
    let names = text.split(separator: "/").map(String.init).filter { $0 != "." }
    guard !names.contains("..") else { throw fault("it has .. in it") }
    guard let last = names.last else { throw fault("it names nothing") }
    let path = names.joined(separator: "/")
    guard let deep = names.firstIndex(where: { $0.contains("**") }) else {
      tests =
        Self.isLiteral(path)
        ? ["(", "-path", "work/\(path)", "-o", "-path", "work/\(path)/*", ")"]
        // A `*` of find's may stand for a slash. With as many slashes as are in the pattern it does not.
        : ["(", "-path", "work/\(path)", "!", "-path", "work" + String(repeating: "/*", count: names.count + 1), ")"]
      return
    }
    let before = names[..<deep].map { $0 + "/" }.joined()
    guard names[deep] == "**", names.count - deep <= 2, !last.contains("**") || names.count - deep == 1,
      Self.isLiteral(before)
    else { throw fault("expected ** after names without wildcards, and before nothing or one name") }
    tests = ["(", "-path", "work/\(before)*"] + (names.count - deep == 2 ? ["-name", last] : []) + [")"]
  }

  /// Tests for what any of some globs means; for all files when there are none.
  public static func tests(_ globs: [ResultGlob]) -> [String] {
    globs.isEmpty ? ["-path", "work/*"] : Array(globs.map(\.tests).joined(separator: ["-o"]))
  }

  private static func isLiteral(_ path: String) -> Bool { !path.utf8.contains { #"*?[\"#.utf8.contains($0) } }
}
