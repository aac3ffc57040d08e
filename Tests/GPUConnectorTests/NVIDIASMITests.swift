import JobModel
import Testing

@testable import GPUConnector

private let a = "GPU-8f6d2c1a-94b3-4a7e-b0c5-2d1e3f4a5b6c"
private let b = "GPU-0d3c5e7f-1122-4334-9556-77889900aabb"

/// A text of nvidia-smi's with what is to be read from it.
struct SMICase: Sendable, CustomTestStringConvertible {
  let name: String
  var status = 0
  var gpus = ""
  var appStatus = 0
  var apps = ""
  /// Each GPU as `index used/total temperature utilization`, `-` for what is not told, or `index: fault`.
  var seen: [String] = []
  /// Each process as `pid memory user`.
  var processes: [String] = []
  var faults: [NVIDIASMI.Message.Subject: String] = [:]
  var failure: String?
  var warnings: [String] = []
  var isInstalled = true

  var testDescription: String { name }

  func reading(at time: ContinuousClock.Instant = .now) -> NVIDIASMI.Reading {
    func lines(_ text: String) -> [String] { text.split(separator: "\n").map(String.init) }
    return NVIDIASMI.Reading(
      .init(gpuStatus: status, gpuLines: lines(gpus), appStatus: appStatus, appLines: lines(apps)), at: time)
  }
}

extension NVIDIASMI.GPU {
  fileprivate var text: String {
    if let fault { return "\(index): \(fault)" }
    func text(_ value: Int?) -> String { value.map(String.init) ?? "-" }
    return "\(index) \(text(memoryUsed))/\(text(memoryTotal)) \(text(temperature)) \(text(utilization))"
  }
}

extension NVIDIASMI.App {
  fileprivate var text: String { "\(pid.map(String.init) ?? "-") \(memory.map(String.init) ?? "-") \(user ?? "-")" }
}

@Suite("What nvidia-smi prints")
struct NVIDIASMITests {
  private static let noDriver =
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA"
    + " driver is installed and running."

  static let cases = [
    SMICase(
      name: "two idle A100",
      gpus: """
        0, \(a), 00000000:07:00.0, NVIDIA A100-SXM4-80GB, 0, 81920, 33, 0
        1, \(b), 00000000:0F:00.0, NVIDIA A100-SXM4-80GB, 4, 81920, 31, 0
        """, seen: ["0 0/81920 33 0", "1 4/81920 31 0"]),
    SMICase(
      name: "out of order, with blank lines",
      gpus: """
        1, \(b), 00000000:0F:00.0, Tesla V100-PCIE-16GB, 0, 16384, 31, 0

        0, \(a), 00000000:07:00.0, Tesla V100-PCIE-16GB, 0, 16384, 30, 0
        """, seen: ["0 0/16384 30 0", "1 0/16384 31 0"]),
    SMICase(
      name: "processes with their users", gpus: "0, \(a), 00000000:07:00.0, NVIDIA H100 PCIe, 2065, 81559, 41, 97",
      apps: "\(a), 4711, 2048\n\(a), 4712, 16\n\(a), 4713, 1\nuser 4711 ada\nuser 4712 grace",
      seen: ["0 2065/81559 41 97"], processes: ["4711 2048 ada", "4712 16 grace", "4713 1 -"]),
    SMICase(
      name: "memory of a process is not told",
      gpus: "0, \(a), 00000000:01:00.0, NVIDIA GeForce RTX 3090, 500, 24576, 50, 1",
      apps: "\(a), 99, [N/A]\n\(a), [N/A], [Insufficient Permissions]\nuser 99 ada", seen: ["0 500/24576 50 1"],
      processes: ["99 - ada", "- - -"]),
    SMICase(
      name: "a name with a comma", gpus: "0, \(a), 00000000:01:00.0, Quadro RTX, 6000, 1, 24576, 50, 1",
      seen: ["0 1/24576 50 1"]),
    SMICase(
      name: "MIG tells no utilization",
      gpus: "0, \(a), 00000000:07:00.0, NVIDIA A100-SXM4-40GB, 45, 40960, 33, [N/A]", seen: ["0 45/40960 33 -"]),
    SMICase(
      name: "an older driver's words", gpus: "0, \(a), 00000000:01:00.0, GeForce GTX 770, 0, 2004, 44, [Not Supported]",
      appStatus: 0, apps: "[Not Supported]", seen: ["0 0/2004 44 -"]),
    SMICase(
      name: "memory that is the system's too", gpus: "0, \(a), 0000000F:01:00.0, NVIDIA GB10, [N/A], [N/A], 40, 0",
      seen: ["0 -/- 40 0"]),
    SMICase(
      name: "without brackets", gpus: "0, \(a), 00000000:01:00.0, NVIDIA Graphics Device, 3, 2004, N/A, N/A",
      seen: ["0 3/2004 - -"]),
    SMICase(
      name: "unknown utilization is no fault",
      gpus: "0, \(a), 00000000:01:00.0, NVIDIA GeForce RTX 3070, 3, 8192, 40, [Unknown Error]",
      seen: ["0 3/8192 40 -"]),
    SMICase(
      name: "unknown temperature is one",
      gpus: "0, \(a), 00000000:01:00.0, NVIDIA A40, 3, 46068, [Unknown Error], [Unknown Error]",
      seen: ["0: Unknown Error"]),
    SMICase(
      name: "ERR!", gpus: "0, \(a), 00000000:01:00.0, NVIDIA A40, ERR!, 46068, 40, 0", seen: ["0: ERR!"]),
    SMICase(
      name: "a GPU that requires a reset",
      gpus: """
        0, \(a), 00000000:07:00.0, NVIDIA A100-SXM4-80GB, 0, 81920, 33, 0
        1, \(b), 00000000:0F:00.0, NVIDIA A100-SXM4-80GB, [GPU requires reset], [GPU requires reset], \
        [GPU requires reset], [GPU requires reset]
        """, seen: ["0 0/81920 33 0", "1: GPU requires reset"]),
    SMICase(
      name: "a lost GPU among the rows", status: 15,
      gpus: """
        0, [GPU is lost], 00000000:07:00.0, [GPU is lost], [GPU is lost], [GPU is lost], [GPU is lost], [GPU is lost]
        1, \(b), 00000000:0F:00.0, NVIDIA A100-SXM4-80GB, 0, 81920, 31, 0
        """, seen: ["0: GPU is lost", "1 0/81920 31 0"]),
    SMICase(
      name: "a UUID that cannot be read", gpus: "0, [N/A], 00000000:07:00.0, NVIDIA A100-SXM4-80GB, 0, 81920, 33, 0",
      seen: ["0: its UUID cannot be read"]),
    SMICase(
      name: "a lost GPU beside the rows", status: 255,
      gpus: """
        Unable to determine the device handle for GPU0000:0F:00.0: Unknown Error
        0, \(a), 00000000:07:00.0, NVIDIA A100-SXM4-80GB, 0, 81920, 33, 0
        """, appStatus: 255, apps: "Unable to determine the device handle for GPU0000:0F:00.0: Unknown Error",
      seen: ["0 0/81920 33 0"], faults: [.bus("0000:0f:00.0"): "Unknown Error"]),
    SMICase(
      name: "a lost GPU instead of the rows", status: 15,
      gpus:
        "Unable to determine the device handle for GPU 0000:65:00.0: GPU is lost.  Reboot the system to recover this GPU",
      appStatus: 15, faults: [.bus("0000:65:00.0"): "GPU is lost.  Reboot the system to recover this GPU"],
      failure: "GPU 0000:65:00.0: GPU is lost.  Reboot the system to recover this GPU"),
    SMICase(
      name: "the newer form of a lost GPU", status: 255,
      gpus: "Unable to determine the device handle for GPU0: 0000:65:00.0: Unknown Error\nNo devices were found",
      appStatus: 6, apps: "No devices were found", faults: [.bus("0000:65:00.0"): "Unknown Error"],
      failure: "GPU 0000:65:00.0: Unknown Error"),
    SMICase(
      name: "no devices", status: 6, gpus: "No devices were found", appStatus: 6, apps: "No devices were found"),
    SMICase(
      name: "no driver", status: 9, gpus: noDriver, appStatus: 9, apps: noDriver, failure: noDriver),
    SMICase(
      name: "driver and library differ", status: 18,
      gpus: "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 535.54", appStatus: 18,
      failure: "Failed to initialize NVML: Driver/library version mismatch"),
    SMICase(
      name: "no library", status: 12,
      gpus: "NVIDIA-SMI couldn't find libnvidia-ml.so library in your system.", appStatus: 12,
      failure: "NVIDIA-SMI couldn't find libnvidia-ml.so library in your system."),
    SMICase(
      name: "NVML says unknown error", status: 255, gpus: "Failed to initialize NVML: Unknown Error", appStatus: 255,
      failure: "Failed to initialize NVML: Unknown Error"),
    SMICase(
      name: "a column that a driver does not know", status: 2,
      gpus: "Field \"memory.usedd\" is not a valid field to query.", appStatus: 0,
      failure: "Field \"memory.usedd\" is not a valid field to query."),
    SMICase(
      name: "silence", status: 1, appStatus: 1, failure: "nvidia-smi ended with status 1 without a message"),
    SMICase(
      name: "a corrupted infoROM is a warning", status: 14,
      gpus: """
        0, \(a), 00000000:07:00.0, NVIDIA A100-SXM4-80GB, 0, 81920, 33, 0
        WARNING: infoROM is corrupted at gpu 0000:07:00.0
        """, seen: ["0 0/81920 33 0"], warnings: ["WARNING: infoROM is corrupted at gpu 0000:07:00.0"]),
    SMICase(
      name: "it hung", status: 124, gpus: "0, \(a), 00000000:07:00.0, NVIDIA A40, 0, 46068, 33, 0",
      failure: "nvidia-smi did not answer in time"),
    SMICase(name: "it was killed", status: 137, failure: "nvidia-smi did not answer in time"),
    SMICase(
      name: "it hung over the processes", gpus: "0, \(a), 00000000:07:00.0, NVIDIA A40, 0, 46068, 33, 0",
      appStatus: 143, failure: "nvidia-smi does not list the processes: nvidia-smi did not answer in time"),
    SMICase(
      name: "the processes are refused", gpus: "0, \(a), 00000000:07:00.0, NVIDIA A40, 0, 46068, 33, 0",
      appStatus: 4, apps: "Insufficient Permissions",
      failure: "nvidia-smi does not list the processes: Insufficient Permissions"),
    SMICase(
      name: "no processes, in words", gpus: "0, \(a), 00000000:07:00.0, NVIDIA A40, 0, 46068, 33, 0",
      apps: "No running processes found", seen: ["0 0/46068 33 0"]),
    SMICase(name: "there is none", status: 127, appStatus: 127, isInstalled: false),
    SMICase(name: "nothing at all, and no error"),
  ]

  @Test("Is read as it is meant", arguments: cases)
  func reading(smi: SMICase) {
    let reading = smi.reading()
    #expect(reading.gpus.map(\.text) == smi.seen)
    #expect(reading.apps.map(\.text) == smi.processes)
    #expect(reading.faults == smi.faults && reading.failure == smi.failure && reading.warnings == smi.warnings)
    #expect(reading.isInstalled == smi.isInstalled)
  }

  @Test("A UUID and a bus have one form")
  func forms() {
    let gpu = SMICase(
      name: "", gpus: "0, GPU-\(a.dropFirst(4).uppercased()), 00000000:0F:00.0, NVIDIA A40, 0, 46068, 33, 0"
    ).reading().gpus[0]
    #expect(gpu.uuid == a && gpu.bus == "0000:0f:00.0" && gpu.name == "NVIDIA A40")
  }
}
