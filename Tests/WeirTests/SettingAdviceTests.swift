import Foundation
import HTTP
import Testing

@testable import weir

@Suite("What is said of files and addresses that cannot be used")
struct SettingAdviceTests {
  private static let dummy = ["JARVICE_BAREMETAL_CONNECTOR": "dummy", "HOME": "/nonexistent"]

  @Test(
    "A setting whose file cannot be read is one fault, and is not called missing too",
    arguments: [
      ("JARVICE_SCHED_SERVER_KEY_FILE", "/nonexistent/key", "cannot be read: no such file or directory"),
      ("JARVICE_SCHED_SERVER_KEY_FILE", "/tmp", "cannot be read: it is a directory"),
    ])
  func unread(name: String, path: String, reason: String) {
    #expect(faults(Self.dummy.merging([name: path]) { $1 }) == ["\(name): \(path) \(reason)"])
  }

  @Test("The key of the cluster too")
  func unreadClusterKey() {
    let found = faults(["JARVICE_BAREMETAL_CONNECTOR": "slurm", "JARVICE_SLURM_SSH_PKEY_FILE": "/nonexistent"])
    #expect(found.filter { $0.contains("SSH_PKEY") }.map { $0.contains("no such file") } == [true], "\(found)")
  }

  @Test(
    "Addresses and names, by their form",
    arguments: [
      ("127.0.0.1", true), ("0.0.0.0", true), ("::1", true), ("::", true), ("localhost", true), ("192.0.2.1", true),
      ("fe80::1%eth0", true), ("weir.example.com", true), ("node-1", true), ("300.0.0.1", false), ("1.2.3", false),
      ("127.0.0.1:5000", false), ("http://127.0.0.1", false), ("a..b", false), ("a b", false),
    ])
  func addresses(address: String, isRight: Bool) {
    let fault = BindAddress.fault(address)
    #expect((fault == nil) == isRight && fault?.hasPrefix("'\(address)' is wrong: ") != false, "\(fault ?? "")")
  }

  @Test(
    "A server that cannot listen names the setting",
    arguments: [
      (ServerError.addressInUse("a:1"), "a", "WEIR_PORT: ", 1), (.permissionDenied("a:1"), "a", "WEIR_PORT: ", 1),
      (.addressNotUsable("a:1", reason: "none"), "a", "WEIR_BIND_ADDRESS: ", 78),
      (.addressNotUsable("a:1", reason: "none"), "192.0.2.1", "WEIR_BIND_ADDRESS: ", 1),
    ] as [(ServerError, String, String, Int32)])
  func listening(error: ServerError, address: String, name: String, status: Int32) {
    let failure = StartError(listening: error, on: address)
    #expect(failure.description.hasPrefix(name + "cannot listen on a:1: ") && failure.status == status)
  }

  @Test("Names of this machine are looked up, IP addresses are not", arguments: ["localhost", "192.0.2.1", "::1"])
  func lookUp(address: String) { #expect(BindAddress.lookUp(address) == nil) }
}
