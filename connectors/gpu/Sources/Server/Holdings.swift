import ConnectorAPI
import JobModel

/// The jobs that hold something of a server: cores, memory, GPUs. A job holds what it has from the moment that it is given
/// it until it is over.
struct Holdings: Sendable {
  /// The jobs that the server was given and that are not over.
  let jobs: Shared<[JobID: Job]>
  let status: Shared<ServerStatus>
  /// The controllers of other places of the same server: what their jobs hold is of the same machine.
  let neighbors: Shared<[ServerController]>

  /// The jobs that live there and that the store does not know.
  var strangers: [AttemptID: ServerStatus.Stranger] {
    let known = Set(jobs.value.values.map(\.submissionToken))
    return status.value.strangers.filter { $0.value.isLive && !known.contains($0.key.job) }
  }

  /// What each of them holds.
  var needs: [Need] {
    allJobs.map { Need($0.resources, $0.devices) }
      + strangers.values.map { Need($0.report.resources, $0.report.devices ?? []) }
  }

  /// The GPUs that are held.
  var gpus: [GPUHold] {
    var held = allJobs.flatMap { job in
      job.devices.map { GPUHold(device: $0, job: job.submissionToken) }
    }
    for (id, stranger) in strangers {
      held += (stranger.report.devices ?? []).map { GPUHold(device: $0, job: id.job) }
    }
    return held
  }

  private var allJobs: [Job] {
    jobs.value.values + neighbors.value.flatMap { Array($0.jobs.value.values) }
  }
}

extension Need {
  init(_ needs: ResourceRequest?, _ devices: [Device] = [], _ input: JobInput? = nil) {
    self.init(
      gpus: needs?.gpus ?? devices.count, cores: needs?.cores ?? 0, memoryGB: needs?.memory ?? 0,
      needsPax: input?.needsPax ?? false)
  }
}
