/// Why the job store cannot be used.
public enum StoreError: Error, Sendable, Equatable, CustomStringConvertible {
  /// Something in the state directory is not ours to use.
  case notOurs(String)
  /// The database holds what no store of ours would: it cannot be trusted.
  case damaged(String)
  /// A newer Weir has changed the database; the names of its changes.
  case newer([String])
  /// The file system takes no more: it is full, read-only or failing. May heal by itself.
  case unwritable(String)
  case unusable(String)
  /// What is asked for is gone, or cannot be decrypted: trying again does not help.
  case missing(String)

  /// What any failure of a store is to its callers.
  package init(_ error: any Error) { self = error as? StoreError ?? .unusable("\(error)") }

  /// What is wrong, without what to do.
  public var summary: String { String(description.prefix { $0 != "\n" }) }

  /// For those who have just looked for all damage: without the advice to do that.
  public var descriptionOfCheck: String { advice(checked: true) }

  private func advice(checked: Bool) -> String {
    guard case .damaged(let reason) = self else { return description }
    var steps = ["Keep a copy of the whole directory."]
    if !checked { steps.append("`weir store check` lists all that is wrong.") }
    steps.append(
      """
      Replace weir.sqlite with a file that `weir store backup` made, and remove weir.sqlite-wal and
           weir.sqlite-shm. Without such a file, move the directory away: Weir then starts with an empty store.
      """)
    let list = steps.enumerated().map { "\n  \($0.offset + 1). \($0.element)" }
    return "the database weir.sqlite is damaged: \(reason)" + list.joined()
  }

  public var description: String {
    switch self {
    case .notOurs(let reason), .unusable(let reason), .missing(let reason): reason
    case .unwritable(let reason): "nothing can be written: \(reason)"
    case .damaged: advice(checked: false)
    case .newer(let changes):
      "weir.sqlite was changed by a newer Weir (\(changes.joined(separator: ", "))): run that version, or put the copy weir.sqlite.before-\(changes.first ?? "") that it kept in the place of weir.sqlite"
    }
  }
}
