import Shell

/// The scripts that are run on GPU servers, from `gpu/`. The head of each says what it takes and prints.
public enum GPUScript {
  public static let prepare = text(PackageResources.prepare_sh, "prepare")
  public static let start = text(PackageResources.records_sh + PackageResources.start_sh, "start")
  public static let sweep = text(PackageResources.records_sh + PackageResources.sweep_sh, "sweep")
  public static let cancel = text(PackageResources.records_sh + PackageResources.cancel_sh, "cancel")
  public static let void = text(PackageResources.records_sh + PackageResources.void_sh, "void")
  public static let signal = text(PackageResources.records_sh + PackageResources.signal_sh, "signal")
  public static let watch = text(PackageResources.watch_sh, "watch")
  public static let list = text(PackageResources.records_sh + PackageResources.list_sh, "list")
  public static let recall = text(PackageResources.recall_sh, "recall")
  public static let output = text(PackageResources.output_sh, "output")
  public static let size = text(PackageResources.size_sh, "size")
  public static let describe = text(PackageResources.records_sh + PackageResources.describe_sh, "describe")
  public static let remove = text(PackageResources.records_sh + PackageResources.remove_sh, "remove")
  public static let input = text(PackageResources.input_sh, "input")
  public static let results = text(PackageResources.results_sh, "results")
  public static let files = text(PackageResources.files_sh, "files")

  /// What runs the file that `WEIR_ENTRYPOINT` names.
  public static let entryPoint = String(decoding: PackageResources.entrypoint_sh, as: UTF8.self)

  /// What runs a job on a server; put there once.
  public static let wrapper = String(
    decoding: PackageResources.records_sh + PackageResources.run_sh, as: UTF8.self)

  /// By which a server that has this very wrapper is known: its FNV-1a hash.
  public static let wrapperHash: String = {
    let hash = wrapper.utf8.reduce(UInt64(0xcbf2_9ce4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    return String(hash, radix: 16)
  }()

  /// What cksum(1) says of the wrapper, by which one is known that somebody has changed.
  public static let wrapperSum: String = {
    var sum: UInt32 = 0
    func add(_ byte: UInt8) {
      sum ^= UInt32(byte) << 24
      for _ in 0..<8 { sum = sum & 0x8000_0000 == 0 ? sum << 1 : (sum << 1) ^ 0x04C1_1DB7 }
    }
    for byte in wrapper.utf8 { add(byte) }
    let size = wrapper.utf8.count
    var rest = size
    while rest > 0 {
      add(UInt8(truncatingIfNeeded: rest))
      rest >>= 8
    }
    return "\(~sum) \(size)"
  }()

  /// A script without its comments. On servers with login files that spoil a kept shell the text travels in a request of
  /// its own, of which libssh2 sends 32 KiB at most (measured: more breaks the connection).
  private static func text(_ bytes: [UInt8], _ name: String) -> ScriptText {
    let lines: [ArraySlice<UInt8>] = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    let code = lines.filter { $0.first { $0 != UInt8(ascii: " ") } != UInt8(ascii: "#") }
    return ScriptText(
      trusted: String(decoding: Array(code.joined(separator: [UInt8(ascii: "\n")])), as: UTF8.self),
      name: "weir-\(name)")
  }
}
