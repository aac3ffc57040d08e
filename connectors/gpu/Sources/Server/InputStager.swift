import ConnectorAPI
import Foundation
import JobModel
import ScriptTemplates
import Shell
import Support

/// Why the archive of a job is not on its server, unpacked.
enum StagingError: Error {
  /// The server could not be reached.
  case unreachable(String)
  /// The server could not do it.
  case server(String)
  /// The archive cannot be unpacked, and another one can.
  case archive(String)
  /// The archive cannot be read on this machine.
  case unreadable(String)
}

/// Puts the archives of jobs on their server and unpacks them there.
struct InputStager: Sendable {
  let shell: ServerShell
  let board: any JobBoard

  /// Puts the archive of a job on the server and unpacks it, at a place of this try's own, so that nothing an earlier try
  /// may still be doing there can disturb it.
  /// - Returns: the name of the place, for start.sh; empty when the job came without an archive.
  func stage(_ job: Job, _ payload: JobPayload, root: String) async throws(StagingError) -> String {
    guard let input = payload.submission.input else { return "" }
    let place = "\(job.submissionToken)-\(String(UInt64.random(in: .min ... .max), radix: 36))"
    do throws(StagingError) {
      try await send(input, of: job, to: "\(root)/inputs/\(place).tar.gz")
      Checkpoint.reach("input.sent")
      try await unpack(input, of: job, root: root, place: place)
      Checkpoint.reach("input.unpacked")
      guard isStillWanted(job) else { throw .server("the job was canceled") }
      return place
    } catch {
      drop(place, of: job)
      throw error
    }
  }

  private func send(_ input: JobInput, of job: Job, to path: String) async throws(StagingError) {
    let archive: any InputArchive
    do throws(PayloadError) { archive = try board.input(of: job) } catch {
      guard case .lost(let reason) = error else { throw .unreadable("its archive cannot be read: \(error)") }
      throw .archive(reason)
    }
    do {
      try await shell.runner.upload(
        from: {
          guard isStillWanted(job) else { throw CancellationError() }
          return try await archive.next()
        }, to: path, mode: 0o600, as: shell.account,
        // 256 KB a second at least, and a minute for what is small.
        timeout: .seconds(60 + input.size >> 18))
    } catch {
      switch error {
      case RunError.file(let reason): throw .server("its archive cannot be written: \(reason)")
      case is PayloadError: throw .unreadable("its archive cannot be read: \(error)")
      default: throw .unreachable("its archive cannot be sent: \(error)")
      }
    }
  }

  private func unpack(_ input: JobInput, of job: Job, root: String, place: String) async throws(StagingError) {
    let result: CommandResult
    do {
      result = try await shell.runner.run(
        .script(GPUScript.input, [root, job.submissionToken, place]), as: shell.account, stdin: [], limits: .init(),
        // 4 MB and 1,000 files a second at least.
        timeout: .seconds(60 + input.contents >> 22 + input.entries / 1000), purpose: .action)
    } catch {
      throw .unreachable("its archive is not unpacked: \(error)")
    }
    guard result.succeeded else { throw result.exitStatus == 65 ? .archive(result.message) : .server(result.message) }
  }

  /// Whether a job is to start as before: it may have been canceled meanwhile.
  func isStillWanted(_ job: Job) -> Bool { board.job(job.id)?.state == .starting }

  /// Removes what was unpacked for a start that certainly was none. What is left when that fails goes with the next try,
  /// with the job, or after two days.
  func drop(_ place: String, of job: Job) {
    guard !place.isEmpty else { return }
    Task {
      try? await shell.run(
        GPUScript.input, [try shell.root(), job.submissionToken, place, "drop"], timeout: .seconds(300))
    }
  }
}
