import Foundation
import Support

/// What the pool knows of one destination and one key.
///
/// Kept apart by key, so that a key that was refused says nothing about its successor, and a caller without the right
/// key gets no connection that another made.
struct Lane {
  struct Link {
    let connection: Connection
    var used = 0
    var capacity: Int
    var idleSince = ContinuousClock.now
  }

  struct Waiter {
    let id: UInt64
    let continuation: CheckedContinuation<Result<Connection, SSHError>, Never>
  }

  struct Outage {
    var error: SSHError
    let since: Date
    var attempts = 1
    var retryAt: ContinuousClock.Instant
  }

  enum Admission {
    case granted(Connection)
    case denied(SSHError)
    case wait
  }

  let key: PrivateKey
  let configuration: PoolConfiguration
  private(set) var links: [Link] = []
  private(set) var queue: [Waiter] = []
  private(set) var isConnecting = false
  private(set) var outage: Outage?
  var refusal: (error: SSHError, since: Date)?
  private(set) var logins = 0
  var lastUsed = ContinuousClock.now

  init(key: PrivateKey, configuration: PoolConfiguration) {
    self.key = key
    self.configuration = configuration
  }

  // MARK: Channels

  /// What a newcomer gets.
  /// - Parameter barrier: why nobody may connect to the host now, if that is so.
  mutating func admit(to destination: Destination, barrier: SSHError?) -> Admission {
    lastUsed = .now
    if let refusal { return .denied(refusal.error) }
    if queue.isEmpty, let connection = take() { return .granted(connection) }
    if links.isEmpty, !isConnecting, let error = barrier ?? pause { return .denied(error) }
    return queue.count < configuration.queueLimit ? .wait : .denied(.busy(destination))
  }

  mutating func enqueue(_ waiter: Waiter) { queue.append(waiter) }

  mutating func dequeue(_ id: UInt64) -> Waiter? {
    queue.firstIndex { $0.id == id }.map { queue.remove(at: $0) }
  }

  /// Gives free channels to those who wait, the first come first.
  mutating func serve(barrier: SSHError?) {
    while !queue.isEmpty, let connection = take() {
      queue.removeFirst().continuation.resume(returning: .success(connection))
    }
    // The last connection went while a pause was in force: nobody would come for those who wait.
    if links.isEmpty, !isConnecting, let error = barrier ?? pause { failAll(error) }
  }

  /// Why no connection is tried now, if one was in vain a short while ago.
  private var pause: SSHError? { outage.flatMap { $0.retryAt > .now ? $0.error : nil } }

  mutating func failAll(_ error: SSHError) {
    for waiter in queue { waiter.continuation.resume(returning: .failure(error)) }
    queue = []
  }

  /// The first connection with a free channel, so that those past need fall idle.
  private mutating func take() -> Connection? {
    guard let index = links.firstIndex(where: { $0.used < $0.capacity }) else { return nil }
    links[index].used += 1
    return links[index].connection
  }

  mutating func release(_ connection: Connection) {
    guard let index = links.firstIndex(where: { $0.connection === connection }) else { return }
    links[index].used -= 1
    links[index].idleSince = .now
  }

  /// The server opens no more channels than are in use now. Whether the connection is of any use then.
  mutating func limit(_ connection: Connection) -> Bool {
    release(connection)
    guard let index = links.firstIndex(where: { $0.connection === connection }) else { return true }
    links[index].capacity = min(links[index].capacity, links[index].used)
    guard links[index].capacity == 0 else { return true }
    links.remove(at: index)
    return false
  }

  /// Whether the connection was still one of this lane's.
  mutating func remove(_ connection: Connection) -> Bool {
    guard let index = links.firstIndex(where: { $0.connection === connection }) else { return false }
    links.remove(at: index)
    return true
  }

  /// Takes the connection out if nobody has used it for long. Whether that was so.
  mutating func removeIfIdle(_ connection: Connection) -> Bool {
    let index = links.firstIndex { link in
      link.connection === connection && link.used == 0 && link.idleSince + configuration.idleClose <= .now
    }
    guard let index else { return false }
    links.remove(at: index)
    if links.isEmpty { outage = nil }
    return true
  }

  // MARK: Connecting

  /// Whether a connection shall be made now; who asks must make it.
  mutating func beginConnecting(barrier: SSHError?) -> Bool {
    guard !queue.isEmpty, !isConnecting, refusal == nil, links.count < configuration.connectionsPerDestination,
      barrier == nil, pause == nil
    else { return false }
    isConnecting = true
    return true
  }

  /// The outage that has ended with this.
  mutating func connected(_ connection: Connection) -> Outage? {
    isConnecting = false
    logins += 1
    links.append(Link(connection: connection, capacity: max(1, configuration.channelsPerConnection)))
    defer { outage = nil }
    return outage
  }

  /// Whether this is news: the first failure, or one for another reason than the last.
  mutating func failed(_ error: SSHError) -> Bool {
    isConnecting = false
    var outage = self.outage ?? Outage(error: error, since: Date(), attempts: 0, retryAt: .now)
    let isNews = outage.attempts == 0 || outage.error != error
    outage.error = error
    outage.attempts += 1
    let doubled = configuration.backoff.lowerBound.inSeconds * pow(2, Double(min(outage.attempts - 1, 30)))
    let bounded = min(doubled, configuration.backoff.upperBound.inSeconds)
    outage.retryAt = .after(.seconds(bounded * Double.random(in: 0.5...1)))
    self.outage = outage
    if links.isEmpty { failAll(error) }
    return isNews
  }

  mutating func refuse(_ error: SSHError) {
    refusal = (error, Date())
    giveUp(error)
  }

  /// An attempt has failed for a reason that is not this lane's.
  mutating func giveUp(_ error: SSHError) {
    isConnecting = false
    if links.isEmpty { failAll(error) }
  }

  mutating func forgetFailures() {
    refusal = nil
    outage = nil
  }

  func status(of route: ConnectionPool.Route, hostKey: HostKeyTrouble?) -> DestinationStatus {
    // With a connection up, these only mean that another could not be made.
    let outage = links.isEmpty ? self.outage : nil
    let hostKey = links.isEmpty ? hostKey : nil
    let retryAt = hostKey?.retryAt ?? outage?.retryAt
    return DestinationStatus(
      destination: route.destination, fingerprint: route.fingerprint, connections: links.count,
      lastError: (refusal?.error ?? hostKey?.error ?? outage?.error)?.description,
      failingSince: refusal?.since ?? hostKey?.since ?? outage?.since,
      needsAttention: refusal != nil || hostKey != nil, logins: logins,
      nextAttempt: refusal == nil ? retryAt.map { Date(timeIntervalSinceNow: ($0 - .now).inSeconds) } : nil)
  }
}
