import GPUConnector
import SSH
import Shell
import Support

/// Reaches the servers of the connector gpu over SSH.
struct SSHServers: ServerConnections {
  let pool: ConnectionPool

  func runner(host: String, port: Int, key: PrivateKey?, via jump: Login?) -> any Runner {
    SSHRunner(
      pool: pool, host: host, port: port,
      via: jump.map { JumpHost(host: $0.host, port: $0.port, user: $0.user, key: $0.key) }, keys: { _ in key })
  }

  func retryLogins() { pool.retryLogins() }
}
