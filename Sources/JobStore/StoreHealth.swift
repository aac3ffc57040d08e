import Synchronization

/// What is wrong with the store though it can be used, for administrators: one sentence for each subject.
package final class StoreHealth: Sendable {
  package static let decryption = "decryption"
  private static let limit = 20

  private let sentences = Mutex<[String: String]>([:])

  package init() {}

  /// - Parameter sentence: nil when nothing is wrong with the subject any more.
  package func note(_ subject: String, _ sentence: String?) {
    sentences.withLock { sentences in
      guard sentences[subject] != nil || sentences.count < 1000 else { return }
      sentences[subject] = sentence
    }
  }

  package func isNoted(_ subject: String) -> Bool { sentences.withLock { $0[subject] != nil } }

  package var warnings: [String] {
    let all = sentences.withLock { $0.sorted { $0.key < $1.key }.map(\.value) }
    guard all.count > Self.limit else { return all }
    return all.prefix(Self.limit) + ["\(all.count - Self.limit) more problems of the store; the log has all of them"]
  }
}
