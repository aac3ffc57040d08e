/// The readers of what machines say, from the bytes to the report of a job that the engine takes, and of the files that
/// administrators write: one program, made by `deploy/fuzz.sh`.
enum FuzzTarget: String {
  case squeue, sacct, scontrol, nodes, sweep, list, smi, servers, users, listing

  func run(_ input: UnsafeRawBufferPointer) {
    let bytes = Array(input)
    switch self {
    case .squeue: squeueProperty(bytes)
    case .sacct: sacctProperty(bytes)
    case .scontrol: scontrolProperty(bytes)
    case .nodes: nodesProperty(bytes)
    case .sweep: sweepProperty(bytes)
    case .list: listProperty(bytes)
    case .smi: smiProperty(bytes)
    case .servers: serversProperty(bytes)
    case .users: usersProperty(bytes)
    case .listing: listingProperty(bytes)
    }
  }
}
