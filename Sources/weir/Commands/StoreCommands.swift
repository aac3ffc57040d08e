import ArgumentParser
import Foundation
import JobEngine
import JobStoreSQLite

/// `weir store`
struct Store: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Check and back up the job store.",
    discussion: "These commands can be used while Weir runs, and need no setting except the directory.",
    subcommands: [Check.self, Backup.self])

  struct Directory: ParsableArguments {
    @Option(
      name: .customLong("state-dir"),
      help: "The directory of the job store. Default: WEIR_STATE_DIR, or else the default of `weir serve`.")
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
      abstract: "Check the job store for damage.",
      discussion: """
        Checks every page, index and reference of the database, reads every record, decrypts the scripts of waiting \
        jobs with seal.key, and checks that their archives exist. Prints one line for each problem and exits with \
        status 1, or with 0 if there is none. Changes nothing.
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
      print("\(path): no damage found")
    }
  }

  /// `weir store backup`
  struct Backup: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Copy the database of the job store to a file.",
      discussion: """
        The copy is complete and consistent, also while Weir writes. An existing file is never overwritten. To restore \
        it, stop Weir, replace weir.sqlite by the copy, and remove weir.sqlite-wal and weir.sqlite-shm. \
        The scripts of waiting jobs are encrypted in it with seal.key of the state directory: a restore on another disk \
        needs that file too. Prints to standard error what else a restore needs.
        """)

    @OptionGroup var directory: Directory

    @Argument(help: "The file to write. It must not exist yet.", completion: .file())
    var file: String

    @Flag(
      help: "Write seal.key to FILE.seal.key too. Both files together reveal the passwords in scripts of waiting jobs.")
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
