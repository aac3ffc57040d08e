import JobModel
import Jobs

extension ServerController {
  /// What the server has, and what of it is free.
  /// - Parameter isOpen: whether new jobs may start there at all.
  nonisolated func capacity(isOpen: Bool) -> ServerCapacity {
    let status = status.value
    let running =
      allJobs.map { Need($0.needs, $0.devices) }
      + strangers.values.map { Need($0.sighting.needs, $0.sighting.devices ?? []) }
    return spec.value.capacity(
      inventory, status.facts, running: running,
      isUsable: isOpen && status.obstacle() == nil && status.lastLook != nil
        && (!hasGPUs || gpuStatus.value.reading != nil))
  }

  /// The state of each of its GPUs. A job holds its GPUs from the moment that it is given them until it is over.
  nonisolated var inventory: Inventory { inventory(gpuStatus.value.reading) }

  /// The state of each of its GPUs as a reading shows them.
  nonisolated func inventory(_ reading: NVIDIASMI.Reading?) -> Inventory {
    let gpus = gpuStatus.value
    var held = allJobs.flatMap { job in
      job.devices.map { GPUHold(device: $0, job: job.submissionToken) }
    }
    for (id, stranger) in strangers {
      held += (stranger.sighting.devices ?? []).map { GPUHold(device: $0, job: id.job) }
    }
    return Inventory(spec.value, reading: reading, held: held, released: gpus.released, previous: gpus.known)
  }

  /// The GPUs of these indices, as jobs hold them.
  nonisolated func devices(_ indices: [Int]) -> [Device] {
    let gpus = inventory.gpus
    return indices.map { index in Device(index: index, uuid: gpus.first { $0.index == index }?.uuid) }
  }

  /// Its jobs, and those that it has in its earlier places: these hold what they have of the machine.
  private nonisolated var allJobs: [Job] {
    jobs.value.values + neighbors.value.flatMap { Array($0.jobs.value.values) }
  }

  /// The jobs that live there and that the store does not know.
  nonisolated var strangers: [AttemptID: ServerStatus.Stranger] {
    let known = Set(jobs.value.values.map(\.submissionToken))
    return status.value.strangers.filter { $0.value.isLive && !known.contains($0.key.job) }
  }
}

extension Need {
  init(_ needs: Needs?, _ devices: [Device] = [], _ input: JobInput? = nil) {
    self.init(
      gpus: needs?.gpus ?? devices.count, cores: needs?.cores ?? 0, memoryGB: needs?.memory ?? 0,
      needsPax: input?.needsPax ?? false)
  }
}
