import Callers
import HTTP
import JobEngine
import JobModel

/// `/request/pvcls`: what lies in a directory of the cluster.
extension LegacyAPI {
  /// Lists a directory below one of the vault roots, with the rights of the caller: a user's account, or the one that
  /// observes for the service.
  func listDirectory(_ request: Request, caller: Caller) throws -> Answer {
    guard !vaultRoots.isEmpty else {
      throw HTTPError(
        .init(403), code: "listing_off", "listing directories is disabled",
        hint: "an administrator can enable it: WEIR_VAULT_ROOTS names the allowed directories")
    }
    let account = try account(of: caller)
    let asked = try argument(.directory, of: request) ?? ""
    let parts = asked.split(separator: "/").filter { $0 != "." }
    let path = "/" + parts.joined(separator: "/")
    let details = try argument(.details, of: request).flatMap(ValueRule.flag) ?? false
    // What a path leads to is for the cluster to say; one that is not even written as below a root is not asked for, so
    // that nobody learns what there is elsewhere.
    guard vaultRoots.contains(where: { Self.contains(path, $0) }) else {
      throw HTTPError(
        .init(403), code: "forbidden", "\(path) is outside the allowed directories",
        hint: "WEIR_VAULT_ROOTS names the allowed directories")
    }
    return later {
      let entries = try await service.entries(of: path, account: account, roots: vaultRoots)
      let lines = (entries.filter { $0.kind == .directory } + entries.filter { $0.kind == .file }).map { entry in
        let name = String(
          decoding: entry.path.map { $0 < 0x20 || $0 == 0x7f ? UInt8(ascii: "?") : $0 }, as: UTF8.self)
        let shown = "/data" + name + (entry.kind == .directory && !name.hasSuffix("/") ? "/" : "")
        return details ? "\(entry.modified) \(entry.size) \(shown)\n" : shown + "\n"
      }
      return .text(lines.joined())
    }
  }

  /// The account whose rights count; nil for the one that observes.
  private func account(of caller: Caller) throws -> String? {
    guard case .user(let owner) = caller else { return nil }
    guard let account = accountOf(owner) else { throw userNotMapped(owner) }
    return account
  }

  /// Whether a path, as it is written, is a root or below it.
  private static func contains(_ path: String, _ root: String) -> Bool {
    let root = "/" + root.split(separator: "/").joined(separator: "/")
    return path == root || root == "/" || path.utf8.starts(with: (root + "/").utf8)
  }
}
