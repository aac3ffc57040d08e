import Foundation
import Logging
import Shell
import Support

/// All that is wrong in the servers file.
public struct ServersFault: Error, Sendable, CustomStringConvertible {
  /// One sentence each, with its line.
  public let sentences: [String]
  public var description: String { sentences.joined(separator: "\n") }
}

/// The servers, as the file says now: a broken new file changes nothing but a warning.
final class ServersSource: Sendable {
  private let place: GPUConnector.Place
  private let logger: Logger
  private let state: Shared<State>
  private let queue = DispatchQueue(label: "weir.servers")
  /// How commands are run on a server.
  let makeRunner: @Sendable (ServerSpec) -> any Runner

  private struct State: Sendable {
    var servers: [ServerSpec]
    var stamp: FileStamp?
    var warning: String?
    /// The one that counts now, if it has changed since the start.
    var readKey: KeyReader?
  }

  /// Has the file read again, and its keys by this reader.
  func reload(readKey: @escaping KeyReader) {
    state.change { state in
      state.readKey = readKey
      state.stamp = nil
    }
  }

  init(_ place: GPUConnector.Place, logger: Logger) throws(ServersFault) {
    self.place = place
    self.logger = logger
    switch place {
    case .servers(let path, let readKey, let connections):
      makeRunner = { spec in
        // Every server of a file has a login.
        connections.runner(
          host: spec.login?.host ?? "", port: spec.login?.port ?? 22, key: spec.login?.key, via: spec.jump)
      }
      let stamp = FileStamp(path: path)
      do throws(ServersFile.Invalid) {
        state = Shared(State(servers: try ServersFile(path: path, readKey: readKey).servers, stamp: stamp))
      } catch {
        throw ServersFault(sentences: error.faults.map(\.description))
      }
    case .thisMachine(let root, let gpus):
      let runner: LocalRunner
      // An account that only runs Weir may have no home of its own, or HOME may be somebody else's.
      var home = ProcessInfo.processInfo.environment["HOME"] ?? ""
      if access(home + "/.", X_OK) != 0 { home = (root as NSString).deletingLastPathComponent }
      do { runner = try LocalRunner(home: home, logger: logger) } catch { throw ServersFault(sentences: ["\(error)"]) }
      makeRunner = { _ in runner }
      var spec = ServerSpec.local(root: root)
      if let gpus { spec.gpus = .count(gpus) }
      state = Shared(State(servers: [spec]))
    }
  }

  var servers: [ServerSpec] { state.value.servers }
  var warnings: [String] { state.value.warning.map { [$0] } ?? [] }

  /// Looks every other second whether the file has changed.
  func watch(_ onChange: @escaping @Sendable ([ServerSpec]) async -> Void) async {
    guard case .servers(let path, let readKey, let connections) = place else { return }
    while !Task.isCancelled {
      try? await Task.sleep(for: .seconds(2))
      // Not on a thread of the tasks: the file may lie on a server that does not answer.
      let servers = await withCheckedContinuation { done in
        queue.async { done.resume(returning: self.refresh(path, readKey)) }
      }
      guard let servers else { continue }
      // Whoever wrote the file may have mended more than that.
      connections.retryLogins()
      await onChange(servers)
    }
  }

  /// - Returns: the new servers, if there are any.
  private func refresh(_ path: String, _ readKey: @escaping KeyReader) -> [ServerSpec]? {
    let stamp = FileStamp(path: path)
    guard stamp != state.value.stamp else { return nil }
    let readKey = state.value.readKey ?? readKey
    do throws(ServersFile.Invalid) {
      let servers = try ServersFile(path: path, readKey: readKey).servers
      state.change { state in
        state.servers = servers
        state.stamp = stamp
        state.warning = nil
      }
      logger.notice("the servers file was read again", metadata: ["file": "\(path)", "servers": "\(servers.count)"])
      return servers
    } catch {
      let warning = "the changed servers file is wrong, so Weir keeps the previous state: \(error)"
      state.change { state in
        state.stamp = stamp
        state.warning = warning
      }
      logger.warning("\(warning)")
      return nil
    }
  }
}
