import Foundation
import JobEngine
import JobModel
import Support

/// The pseudo-devices of a job: settings that the upstream's user may add.
struct Devices {
  /// Megabytes.
  var overlay: Int?
  var partition: String?
  var exclusive = true
  var options: [JobSpec.Option] = []

  /// More than sbatch has options.
  private static let limit = 64

  /// - Parameter text: a JSON list of `key=value`; nil for none.
  init(_ text: String?) throws {
    guard let text else { return }
    guard let list = (try? JSONSerialization.jsonObject(with: Data(text.utf8))) as? [Any] else {
      throw FieldRule.devices.refusal()
    }
    guard list.count <= Self.limit else {
      throw UpstreamScript.wrong(FieldRule.devices.name, "at most \(Self.limit) devices are allowed")
    }
    guard let devices = list as? [String] else { throw FieldRule.devices.refusal() }
    for device in devices {
      let parts = device.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2 else {
        throw UpstreamScript.wrong(FieldRule.devices.name, "'\(device.beginning(atMost: 40))' is not key=value")
      }
      try add(
        parts[0].trimmingCharacters(in: .whitespaces), parts[1].trimmingCharacters(in: .whitespaces))
    }
  }

  private mutating func add(_ key: String, _ value: String) throws {
    switch key {
    case FieldRule.overlay.name: overlay = ValueRule.whole(try checked(value, .overlay))
    case FieldRule.partition.name: partition = try checked(value, .partition)
    case FieldRule.exclusive.name: exclusive = ValueRule.flag(try checked(value, .exclusive)) ?? true
    case _ where key.hasPrefix("sbatch_"):
      options.append(.init(name: String(key.dropFirst("sbatch_".count)), value: try checked(value, .option)))
    default:
      throw UpstreamScript.wrong(
        FieldRule.devices.name,
        "'\(key.beginning(atMost: 40))' is unknown; known are overlay, partition, exclusive and sbatch_<option>")
    }
  }
  private func checked(_ value: String, _ field: FieldRule) throws -> String {
    guard field.accepts(value) else { throw field.refusal(of: value) }
    return value
  }
}
