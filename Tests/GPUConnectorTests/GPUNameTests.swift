import JobEngine
import JobModel
import Testing

@testable import GPUConnector

private let a = "GPU-8f6d2c1a-94b3-4a7e-b0c5-2d1e3f4a5b6c"
private let b = "GPU-0d3c5e7f-1122-4334-9556-77889900aabb"

private func reading(_ uuids: String...) -> NVIDIASMI.Reading {
  let lines = uuids.enumerated().map { "\($0), \($1), 00000000:0\($0 + 1):00.0, NVIDIA A100, 0, 81920, 30, 0" }
  return .init(.init(gpuStatus: 0, gpuLines: lines, appStatus: 0, appLines: []), at: .now)
}

/// A GPU has an index and a UUID; which of them is known changes with every look.
@Suite("A GPU that a job holds is held by any of its names")
struct GPUNameTests {
  private enum Look: String, CaseIterable {
    case both, noTool, failure, noReading, unreadable

    var reading: NVIDIASMI.Reading? {
      switch self {
      case .both: GPUConnectorTests.reading(a, b)
      case .noTool: .init(.init(gpuStatus: 127, gpuLines: [], appStatus: 127, appLines: []), at: .now)
      case .failure: .init(.init(gpuStatus: 9, gpuLines: ["no driver"], appStatus: 9, appLines: []), at: .now)
      case .noReading: nil
      case .unreadable: GPUConnectorTests.reading("[Unknown Error]", b)
      }
    }
  }

  private static let choices: [GPUChoice] = [
    .count(2), .these([.index(0), .index(1)]), .these([.uuid(a), .uuid(b)]), .these([.index(0), .uuid(a), .index(1)]),
    .auto,
  ]

  /// Whatever is known of it now and was before, the first GPU is not given out.
  @Test("Whatever nvidia-smi says, or said before", arguments: choices)
  func held(choice: GPUChoice) {
    var spec = ServerSpec(name: "alpha")
    spec.gpus = choice
    for device in [Device(index: 0, uuid: a), Device(index: 0), Device(index: 0, uuid: a.uppercased())] {
      let hold = [GPUHold(device: device, job: "J")]
      for before in [nil] + Look.allCases.map(Optional.some) {
        let previous = before.map { Inventory(spec, reading: $0.reading, held: hold) }
        for now in Look.allCases {
          let inventory = Inventory(spec, reading: now.reading, held: hold, previous: previous)
          let what: Comment = "\(device) \(before?.rawValue ?? "-") \(now.rawValue)"
          #expect(!inventory.free.contains(0), what)
          // The other is not taken for it.
          if now == .both { #expect(inventory.free == [1], what) }
        }
      }
    }
  }

  @Test("Not by an index that another GPU has by now")
  func shifted() {
    var spec = ServerSpec(name: "alpha")
    spec.gpus = .count(2)
    let hold = [GPUHold(device: Device(index: 0, uuid: a), job: "J")]
    #expect(Inventory(spec, reading: reading(b, a), held: hold).free == [0])
    #expect(Inventory(spec, reading: reading(b), held: hold).free == [0])
  }

  @Test("A GPU that a job has left is given out only after a later reading, by any of its names")
  func released() {
    var spec = ServerSpec(name: "alpha")
    spec.gpus = .count(2)
    for device in [Device(index: 0, uuid: a), Device(index: 0)] {
      let look = reading(a, b)
      func free(after duration: Duration) -> [Int] {
        Inventory(spec, reading: look, released: [GPURelease(device: device, time: look.time + duration)]).free
      }
      #expect(free(after: .zero) == [1] && free(after: .seconds(1)) == [1] && free(after: .seconds(-1)) == [0, 1])
    }
  }
}
