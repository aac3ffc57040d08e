import ArgumentParser
import Foundation
import JobStoreSQLite
import Jobs

/// `weir store`
struct Store: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Look after the job store.",
    discussion: "Its commands may be used while a Weir runs, and need no setting but the directory.",
    subcommands: [Check.self, Backup.self])

  struct Directory: ParsableArguments {
    @Option(
      name: .customLong("state-dir"),
      help: "The directory of the job store. Standard: WEIR_STATE_DIR, or what `weir serve` takes without it.")
    var path: String?

    /// The directory that is meant; it must exist, and nothing is made.
    func resolve() throws -> String {
      let environment = ProcessInfo.processInfo.environment
      let set = environment["WEIR_STATE_DIR"].flatMap { $0.isEmpty ? nil : $0 }
      return path ?? set ?? Settings.stateDirectory(environment)
    }
  }

  /// `weir store check`
  struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Look for damage in the job store.",
      discussion: """
        Compares every page, every index and every reference of the database, reads every record, decrypts the scripts \
        of waiting jobs with seal.key, and looks for their archives. Prints what is wrong, a line each, and exits with \
        1; with 0 when all is well. Changes nothing.
        """)

    @OptionGroup var directory: Directory

    func run() throws {
      let path = try directory.resolve()
      let faults: [String]
      do { faults = try SQLiteJobStore.check(directory: path) } catch {
        try fail("\(path): \(error.descriptionOfCheck)", status: 1)
      }
      guard faults.isEmpty else {
        for fault in faults { print(fault) }
        throw ExitCode(1)
      }
      print("\(path): all is well")
    }
  }

  /// `weir store backup`
  struct Backup: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Copy the database of the job store to a file.",
      discussion: """
        The copy is whole and of one moment, also while a Weir writes. A file that is there is never overwritten. To go \
        back to it, end Weir, put the copy in the place of weir.sqlite, and remove weir.sqlite-wal and weir.sqlite-shm. \
        Scripts of waiting jobs are encrypted in it with seal.key of the state directory: a restore on another disk \
        needs that file too. What else a restore needs and the copy does not hold is printed to standard error.
        """)

    @OptionGroup var directory: Directory

    @Argument(help: "The file to write; it must not be there yet.", completion: .file())
    var file: String

    @Flag(
      help: "Write seal.key to FILE.seal.key too; whoever has both can read the passwords in waiting jobs' scripts.")
    var withKey = false

    func run() throws {
      umask(0o077)
      let path = try directory.resolve()
      let lacks: [String]
      do { lacks = try SQLiteJobStore.backup(directory: path, to: file, withKey: withKey) } catch {
        try fail("\(path): \(error)", status: 1)
      }
      for sentence in lacks {
        FileHandle.standardError.write(Data("weir: warning: \(file) does not hold \(sentence)\n".utf8))
      }
    }
  }
}
