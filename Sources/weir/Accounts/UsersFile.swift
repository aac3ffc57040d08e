import Access
import Foundation
import Support

extension Users {
  /// Reads the file that the settings name. One that cannot be read as a whole is a fault of the settings.
  static func read(_ path: String, passphrase: String, _ faults: inout [SettingsFault]) -> Users {
    func fault(_ sentence: String) -> Users {
      faults.append(.init(name: "WEIR_USERS_FILE", sentence: "\(path): \(sentence)"))
      return .none
    }
    let contents: [UInt8]
    do { contents = try BoundedFile.read(path, most: NamedFile.users) } catch { return fault("the file \(error)") }
    do { return try Users(Data(contents), path: path, passphrase: passphrase) } catch { return fault(error.sentence) }
  }
}
