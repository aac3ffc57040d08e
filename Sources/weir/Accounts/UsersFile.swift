import Access
import Foundation

extension Users {
  /// Reads the file that the settings name. One that cannot be read as a whole is a fault of the settings.
  static func read(_ path: String, passphrase: String, _ faults: inout [SettingsFault]) -> Users {
    func fault(_ sentence: String) -> Users {
      faults.append(.init(name: "WEIR_USERS_FILE", sentence: "\(path): \(sentence)"))
      return .none
    }
    guard let data = FileManager.default.contents(atPath: path) else { return fault("the file cannot be read") }
    do { return try Users(data, path: path, passphrase: passphrase) } catch { return fault(error.sentence) }
  }
}
