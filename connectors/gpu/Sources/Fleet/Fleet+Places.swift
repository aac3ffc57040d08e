import JobModel
import Jobs

/// Servers and their places. A server of the file has one controller for the place that the file names, and one for each
/// earlier place in which it still has jobs.
extension Fleet {
  /// Makes the servers those of the file. One that is gone from it, or an earlier place of one, is looked after until its
  /// last job is over, and for an hour more, in which its jobs' output is asked for.
  func use(_ specs: [ServerSpec]) async {
    for spec in specs { for entry in formerControllers(of: spec) { await keepPlaces(of: entry.controller) } }
    // From here on nothing is waited for: a controller that was made meanwhile would be lost.
    let known = controllers.value
    var ordered: [Member] = []
    for spec in specs {
      let former = formerControllers(of: spec)
      if let same = known.first(where: {
        $0.controller.name == spec.name && $0.controller.spec.value.place == spec.place
      }) {
        same.controller.use(spec, makeRunner: makeRunner)
        ordered.append(Member(controller: same.controller, isListed: true))
      } else {
        ordered.append(Member(controller: makeController(spec), isListed: true))
      }
      for entry in former {
        guard let place = entry.controller.spec.value.place else { continue }
        entry.controller.use(spec.former(at: place), makeRunner: makeRunner)
      }
    }
    let listed = ordered.map(\.controller)
    ordered += known.filter { entry in !listed.contains { $0 === entry.controller } }
      .map { Member(controller: $0.controller, isListed: false) }
    let all = ordered
    controllers.change { $0 = all }
    introduce()
    for job in board.living where !job.nodes.isEmpty { await take(job) }
    wake()
  }

  /// The controllers of other places of a server.
  private func formerControllers(of spec: ServerSpec) -> [Member] {
    controllers.value.filter { $0.controller.name == spec.name && $0.controller.spec.value.place != spec.place }
  }

  /// Writes down where the jobs of a controller are that were placed by an earlier release.
  private func keepPlaces(of controller: ServerController) async {
    guard let place = controller.spec.value.place else { return }
    for job in controller.jobs.value.values where job.place == nil {
      await board.relocate(job.id, to: place.outputPath(server: controller.name, token: job.submissionToken))
    }
  }

  /// Lets all controllers of one server know of each other: they have one machine.
  func introduce() {
    let all = controllers.value.map(\.controller)
    for controller in all {
      let others = all.filter { $0.name == controller.name && $0 !== controller }
      controller.neighbors.change { $0 = others }
    }
  }

  /// The controller that looks after a job, or did: that of the place where it was started, else the server's first.
  nonisolated func controller(of job: Job) -> ServerController? {
    guard let name = job.nodes.first else { return nil }
    let controllers = controllers.value.map(\.controller).filter { $0.name == name }
    return job.place.flatMap { place in controllers.first { $0.spec.value.place == place } } ?? controllers.first
  }

  /// The same, with a controller for an earlier place where there was none: after a restart.
  func home(of job: Job) -> ServerController? {
    guard let found = controller(of: job) else { return nil }
    guard let place = job.place, let present = found.spec.value.place, present != place else { return found }
    let former = makeController(found.spec.value.former(at: place))
    controllers.change { $0.append(Member(controller: former, isListed: false)) }
    introduce()
    wake()
    return former
  }

  /// Jobs whose server only got another name or address: their earlier place is not reached any more, and the present
  /// one has them.
  func followMoves() async {
    for entry in controllers.value where !entry.isListed && entry.controller.status.value.failure != nil {
      guard let present = controller(entry.controller.name), present !== entry.controller,
        let place = present.spec.value.place
      else {
        continue
      }
      let strangers = present.status.value.strangers
      for job in entry.controller.jobs.value.values {
        guard let stranger = strangers[job.attemptID], stranger.isLive || stranger.sighting.source == "exit file" else {
          continue
        }
        logger.notice("\(job.key): found in the present place of \(present.name)")
        await board.relocate(job.id, to: place.outputPath(server: present.name, token: job.submissionToken))
        await take(job)
        present.poke()
      }
    }
  }
}

extension ServerController {
  /// The server's name and its place.
  nonisolated var identity: String { name + (spec.value.place.map { " at \($0)" } ?? "") }
}
