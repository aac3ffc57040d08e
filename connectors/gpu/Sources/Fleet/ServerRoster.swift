import ConnectorAPI
import JobModel
import Shell

/// The controllers of all servers. A server of the file has one for the place that the file names, and one for each
/// earlier place in which it still has jobs.
///
/// Anybody reads it; only the ``Fleet`` changes it.
final class ServerRoster: Sendable {
  struct Member: Sendable {
    let controller: ServerController
    /// Whether the servers file names it, in this place.
    var isListed: Bool
  }

  /// How long one that is not listed is looked after once it has no jobs: their output is asked for.
  private static let afterlife = Duration.seconds(3600)

  private let makeRunner: @Sendable (ServerSpec) -> any Runner
  private let makeController: @Sendable (ServerSpec, any Runner) -> ServerController
  private let all = Shared<[Member]>([])
  /// Those that nobody serves yet.
  private let new = Shared<[ServerController]>([])
  /// Since when those that are not listed have no jobs.
  private let drained = Shared<[ObjectIdentifier: ContinuousClock.Instant]>([:])

  init(
    makeRunner: @escaping @Sendable (ServerSpec) -> any Runner,
    makeController: @escaping @Sendable (ServerSpec, any Runner) -> ServerController
  ) {
    self.makeRunner = makeRunner
    self.makeController = makeController
  }

  // MARK: Reading

  /// In the order of preference, those that are leaving, and earlier places, at the end.
  var members: [Member] { all.value }

  /// Those that the servers file names.
  var listed: [ServerController] { all.value.filter(\.isListed).map(\.controller) }

  /// The first controller of a server.
  func controller(_ name: String?) -> ServerController? {
    all.value.first { $0.controller.name == name }?.controller
  }

  /// The controller that looks after a job, or did: that of the place where it was started, else the server's first.
  func controller(of job: Job) -> ServerController? {
    guard let name = job.nodes.first else { return nil }
    let controllers = all.value.map(\.controller).filter { $0.name == name }
    return job.place.flatMap { place in controllers.first { $0.spec.value.place == place } } ?? controllers.first
  }

  /// Whether a job's server is in the servers file, or answers.
  func isPresent(_ job: Job) -> Bool {
    guard let controller = controller(of: job) else { return false }
    return controller.status.value.failure == nil
      || all.value.contains { $0.controller === controller && $0.isListed }
  }

  /// The controllers of other places of a server.
  func formerControllers(of spec: ServerSpec) -> [ServerController] {
    all.value.map(\.controller).filter { $0.name == spec.name && $0.spec.value.place != spec.place }
  }

  // MARK: Changing

  /// Makes the servers those of the file.
  func use(_ specs: [ServerSpec]) {
    let known = all.value
    var ordered: [Member] = []
    for spec in specs {
      let former = formerControllers(of: spec)
      if let same = known.first(where: {
        $0.controller.name == spec.name && $0.controller.spec.value.place == spec.place
      }) {
        same.controller.use(spec, makeRunner: makeRunner)
        ordered.append(Member(controller: same.controller, isListed: true))
      } else {
        ordered.append(Member(controller: make(spec), isListed: true))
      }
      for controller in former {
        guard let place = controller.spec.value.place else { continue }
        controller.use(spec.former(at: place), makeRunner: makeRunner)
      }
    }
    let listed = ordered.map(\.controller)
    let rest = known.filter { entry in !listed.contains { $0 === entry.controller } }
      .map { Member(controller: $0.controller, isListed: false) }
    let members = ordered + rest
    all.change { $0 = members }
    introduce()
  }

  /// As ``controller(of:)``, with a controller for an earlier place where there was none: after a restart.
  func home(of job: Job) -> ServerController? {
    guard let found = controller(of: job) else { return nil }
    guard let place = job.place, let present = found.spec.value.place, present != place else { return found }
    let former = make(found.spec.value.former(at: place))
    all.change { $0.append(Member(controller: former, isListed: false)) }
    introduce()
    return former
  }

  /// Whether there are controllers that nobody serves.
  var hasNew: Bool { !new.value.isEmpty }

  /// Those controllers, which the caller serves from now on.
  func takeNew() -> [ServerController] {
    new.change { new in
      defer { new = [] }
      return new
    }
  }

  /// Retires those that the file does not name and that have had no jobs for an hour.
  func retire(at now: ContinuousClock.Instant = .now) {
    let leavers = all.value.filter { !$0.isListed && $0.controller.jobs.value.isEmpty }.map(\.controller)
    let since = drained.change { drained in
      drained = Dictionary(
        uniqueKeysWithValues: leavers.map { leaver in
          let id = ObjectIdentifier(leaver)
          return (id, drained[id] ?? now)
        })
      return drained
    }
    for leaver in leavers {
      guard let since = since[ObjectIdentifier(leaver)], now - since > Self.afterlife else { continue }
      leaver.retire()
      all.change { $0.removeAll { $0.controller === leaver } }
      introduce()
    }
  }

  private func make(_ spec: ServerSpec) -> ServerController {
    let controller = makeController(spec, makeRunner(spec))
    new.change { $0.append(controller) }
    return controller
  }

  /// Lets all controllers of one server know of each other: they have one machine.
  private func introduce() {
    let all = all.value.map(\.controller)
    for controller in all {
      let others = all.filter { $0.name == controller.name && $0 !== controller }
      controller.neighbors.change { $0 = others }
    }
  }

  // MARK: Removing jobs

  /// Removes what a job has left on its server, and what attempts that were put back have left on others.
  /// - Parameters:
  ///   - home: the controller of its server; nil where that is gone.
  ///   - keepingWork: whether the files of the job stay, and only the rest goes.
  /// - Throws: the first failure, once all servers were tried.
  func remove(_ job: Job, from home: ServerController?, keepingWork: Bool) async throws(BackendError) {
    var places = home.map { [$0] } ?? []
    if job.attempt > 1 {
      // What no file names and nobody reaches may never come back.
      places += all.value.filter { $0.isListed || $0.controller.status.value.failure == nil }.map(\.controller)
        .filter { $0.name != job.nodes.first }
    }
    var failure: BackendError?
    for controller in places {
      do throws(BackendError) { try await controller.files.remove(job, keepingWork: keepingWork) } catch {
        failure = failure ?? error
      }
    }
    if let failure { throw failure }
  }
}
