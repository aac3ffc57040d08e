import JobModel

/// The jobs that wait, and which of them start where.
///
/// The order is by priority, the highest first, and within a priority by id, which is that of the submits. The rules:
///
/// 1. **Strict order.** No job starts later because of one behind it.
/// 2. **The first server** in the order of the servers file that has room now; of its free GPUs the lowest indices.
/// 3. **All of a job on one server**: all of its GPUs, cores and memory, or nothing.
/// 4. **A job that waits closes** every usable server that could ever run it to all jobs behind it: what becomes free
///    there is for this job first. Servers that it can never use stay open.
/// 5. **What cannot run blocks nobody**: a job whose servers are all unusable (unreachable, in quarantine, disabled), or
///    have too few GPUs in service, waits without closing anything.
///
/// Jobs of equal need are in one line of their own: once its first job waits, so do the others in it. So planning looks
/// at the jobs that it starts and at the first of each kind that cannot, never at all that wait, and ends as soon as
/// every server is full or closed.
struct PlacementQueue: Sendable {
  /// A job's place in the order.
  private struct Place: Sendable, Comparable {
    let priority: Int
    let id: JobID

    static func < (one: Self, other: Self) -> Bool {
      one.priority == other.priority ? one.id < other.id : one.priority > other.priority
    }
  }

  private var jobs: [JobID: (place: Place, need: Need)] = [:]
  private var lines: [Need: SortedList<Place>] = [:]
  /// The first of each line.
  private var heads = SortedList<Place>()

  var count: Int { jobs.count }
  var isEmpty: Bool { jobs.isEmpty }

  func contains(_ id: JobID) -> Bool { jobs[id] != nil }

  /// The ids of all jobs that wait, in their order.
  var ids: [JobID] { jobs.values.map(\.place).sorted().map(\.id) }

  /// Puts a job in its place; one that is there already gets the new place.
  mutating func insert(_ id: JobID, priority: Int = 0, need: Need) {
    remove(id)
    let place = Place(priority: priority, id: id)
    jobs[id] = (place, need)
    change(need) { $0.insert(place) }
  }

  mutating func remove(_ id: JobID) {
    guard let job = jobs.removeValue(forKey: id) else { return }
    change(job.need) { $0.remove(job.place) }
  }

  private mutating func change(_ need: Need, _ body: (inout SortedList<Place>) -> Void) {
    // Taken out, so that it is changed where it is, not copied.
    var line = lines.removeValue(forKey: need) ?? SortedList()
    let head = line.first
    body(&line)
    if line.first != head {
      if let head { heads.remove(head) }
      if let head = line.first { heads.insert(head) }
    }
    if !line.isEmpty { lines[need] = line }
  }

  /// Which jobs start now, and where, in their order. They stay in the queue until they are removed.
  ///
  /// - Parameter servers: in the order of the servers file.
  func plan(_ servers: [ServerCapacity]) -> [Placement] {
    var placements: [Placement] = []
    var servers = servers.filter(\.isUsable)
    var open = servers.indices.filter { !servers[$0].isFull }
    var heads = heads
    while !open.isEmpty, let place = heads.popFirst(), let need = jobs[place.id]?.need {
      guard let server = open.first(where: { servers[$0].hasRoom(for: need) }) else {
        open.removeAll { servers[$0].limits.fits(need) }
        continue
      }
      let gpus = servers[server].lowestGPUs(need.gpus)
      servers[server].take(need, gpus: gpus)
      if servers[server].isFull { open.removeAll { $0 == server } }
      placements.append(Placement(job: place.id, server: servers[server].name, gpus: gpus))
      if let next = lines[need]?.first(after: place) { heads.insert(next) }
    }
    return placements
  }

  /// Why no server can ever run a job, as a sentence; nil when one can.
  ///
  /// - Parameter servers: what they have when all is well, those included that cannot be used at present.
  static func fault(_ need: Need, _ servers: [ServerLimits]) -> String? {
    let strangers = need.candidates.subtracting(servers.map(\.name)).sorted()
    if let stranger = strangers.first { return "there is no server called \(stranger)" }
    let allowed = servers.filter(need.allows)
    guard !allowed.isEmpty else {
      return servers.isEmpty
        ? "there is no server"
        : "no server that may be chosen has \(need.tags.count == 1 ? "the tag" : "all of the tags") "
          + need.tags.sorted().joined(separator: ", ")
    }
    let shortages = allowed.compactMap { server in server.shortage(need).map { "\(server.name) \($0)" } }
    guard shortages.count == allowed.count else { return nil }
    let more = shortages.count > 8 ? ", and so on" : ""
    return "no server can ever run this job, which needs \(need.phrase): "
      + shortages.prefix(8).joined(separator: ", ") + more
  }
}

extension Need {
  /// `2 GPUs, 16 cores and 64 GB of memory`.
  fileprivate var phrase: String {
    var parts = [gpus.counted("GPU")]
    if cores > 0 { parts.append(cores.counted("core")) }
    if memoryGB > 0 { parts.append("\(memoryGB) GB of memory") }
    return parts.count == 1 ? parts[0] : parts.dropLast().joined(separator: ", ") + " and " + parts[parts.count - 1]
  }
}
