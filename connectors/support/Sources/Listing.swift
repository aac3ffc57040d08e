import ConnectorAPI
import Foundation
import Shell

/// Listing a directory of the cluster that is below one of the roots, wherever symbolic links lead.
///
/// The shell on the cluster enters the directory, which resolves every link once, asks the kernel where it then is, and
/// lists `.` only if that is below a root. So what was checked is what is listed: a link that is turned elsewhere in
/// between changes nothing. What remains is a directory that somebody moves out of the root in that moment, who could
/// as well have shown what was in it.
package enum Listing {
  /// Exit statuses of the script, beside those of find(1).
  private static let cannotEnter: Int32 = 3
  private static let outside: Int32 = 4

  package static func command(_ path: String, roots: [String]) throws(BackendError) -> Command {
    // A command substitution drops the line ends at the end of a name: hence the character after it. In the patterns, what
    // is in quotes is literal.
    try .checkedScript(
      """
      cd -P -- "$1" 2>/dev/null || exit 3
      here=$(pwd -P && echo .) || exit 3
      here=${here%??}
      shift
      for root; do
        root=$(cd -P -- "$root" 2>/dev/null && pwd -P && echo .) || continue
        root=${root%??}
        case $here in
        "$root" | "${root%/}"/*)
          exec find . -maxdepth 1 -ignore_readdir_race '(' -type d -o -type f ')' -printf '\\0%y %T@ %s %P' ;;
        esac
      done
      exit 4
      """, [path] + roots)
  }

  /// - Parameter path: what was asked for, and what the entries' paths begin with.
  package static func entries(of path: String, _ result: CommandResult) throws(BackendError) -> [DirectoryEntry] {
    switch result.exitStatus {
    case 0 where result.signal == nil: break
    // Users do not learn whether there is something elsewhere.
    case cannotEnter, outside: throw .notFound("there is no directory \(path), or it cannot be entered")
    case 1: throw .notFound("\(path) cannot be listed: \(result.message)")
    default: throw .unavailable("\(path) cannot be listed: \(result.message)")
    }
    guard !result.stdoutTruncated else { throw .refused("\(path) has too many entries to be listed") }
    return entries(of: path, result.stdout)
  }

  /// What find(1) printed with `-printf '\0%y %T@ %s %P'`; `%P` of the directory itself is empty. What a login shell said
  /// before that is a record of its own, and none of these.
  package static func entries(of path: String, _ output: [UInt8]) -> [DirectoryEntry] {
    let directory = Array(path.utf8)
    let prefix = directory.last == UInt8(ascii: "/") ? directory : directory + [UInt8(ascii: "/")]
    return output.split(separator: 0).compactMap { record in
      let fields = record.split(separator: UInt8(ascii: " "), maxSplits: 3, omittingEmptySubsequences: false)
      guard fields.count == 4, let seconds = Double(String(decoding: fields[1], as: UTF8.self)),
        let size = MachineNumber.count(String(decoding: fields[2], as: UTF8.self), upTo: .max), abs(seconds) < 1e15
      else { return nil }
      return DirectoryEntry(
        kind: fields[0].elementsEqual("d".utf8) ? .directory : .file,
        path: fields[3].isEmpty ? directory : prefix + fields[3], modified: Int(seconds), size: size)
    }
  }
}
