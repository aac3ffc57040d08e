import Foundation
import Testing

@testable import weir

private let dummy = [
  "JARVICE_BAREMETAL_CONNECTOR": "dummy", "JARVICE_SCHED_SERVER_KEY": "user:password", "HOME": "/home/kirby",
]

private func faults(_ name: String, _ value: String) -> [String] { faults(dummy.merging([name: value]) { $1 }) }

@Suite("Settings that are refused at the start")
struct RefusedSettingsTests {
  @Test(
    "A service key without a user or without a password is refused, and no part of it is shown",
    arguments: [
      "hunter2:", ":hunter2", ":", "a:hunter2,:", "hunter2:,a:b", "a:b,c:", " :hunter2", "hunter2: ", "hunter2:\t",
      "hunter2:\n", "\t:hunter2", "::", "hunter2", "a:b,hunter2", ",", " , ",
    ])
  func keys(value: String) throws {
    let found = faults("JARVICE_SCHED_SERVER_KEY", value)
    #expect(found.count == 1 && found.first?.hasPrefix("JARVICE_SCHED_SERVER_KEY: ") == true, "\(found)")
    #expect(!found.joined().contains("hunter2"))
    let files = try Files()
    let file = try files.write("key", value)
    var environment = dummy
    environment["JARVICE_SCHED_SERVER_KEY"] = nil
    environment["JARVICE_SCHED_SERVER_KEY_FILE"] = file
    #expect(!faults(environment).isEmpty)
  }

  @Test("A key may hold more colons and blanks", arguments: ["a:b", "a:b:c", "a b:c d", "a:b,c:d", "a::"])
  func rightKeys(value: String) { #expect(faults("JARVICE_SCHED_SERVER_KEY", value).isEmpty) }

  @Test(
    "A directory is absolute and has no '..'",
    arguments: ["WEIR_STATE_DIR", "WEIR_VAULT_ROOTS"],
    ["relative", "./x", "~/x", "a/../b", "/a/../b", "/..", "/a/..", "/a\n/b", "/a\u{7f}", "../x"])
  func directories(name: String, value: String) {
    let found = faults(name, value)
    #expect(found.count == 1 && found.first?.hasPrefix("\(name): ") == true, "\(found)")
  }

  @Test("One wrong root among several is refused", arguments: ["/a,b", "b,/a", "/a,/b/../c"])
  func roots(value: String) { #expect(faults("WEIR_VAULT_ROOTS", value).count == 1) }

  @Test(
    "A directory that is right is taken", arguments: ["WEIR_STATE_DIR", "WEIR_VAULT_ROOTS"],
    ["/", "/a", "/a/", "/a..b/..c", "/with a blank/ä", "/a//b"])
  func rightDirectories(name: String, value: String) { #expect(faults(name, value).isEmpty) }

  @Test(
    "A state directory that cannot ever be made is refused",
    arguments: ["/proc/x", "/sys/x/y", "/etc/passwd", "/etc/passwd/x"])
  func impossible(path: String) {
    let found = faults("WEIR_STATE_DIR", path)
    #expect(found.count == 1 && found.first?.hasPrefix("WEIR_STATE_DIR: ") == true, "\(found)")
  }

  @Test("A state directory that follows from a relative HOME or STATE_DIRECTORY is refused")
  func standard() {
    for name in ["HOME", "STATE_DIRECTORY"] {
      #expect(faults(name, "x").map { $0.prefix(15) } == ["WEIR_STATE_DIR:"], "\(name)")
    }
  }

  @Test(
    "Directories that the script of a job uses are plain words of the shell",
    arguments: ["JARVICE_SINGULARITY_TMPDIR", "JARVICE_JOB_SCRATCH_DIR", "JARVICE_JOB_GLOBAL_SCRATCH_DIR"],
    ["a b;$(x)", "/a b", "/a;b", "/$(x)", "/a`b`", "relative", "/a/../b", "/a\nb", "/a*", "/a'b", "/ä", "~"])
  func scriptDirectories(name: String, value: String) {
    let found = faults(name, value)
    #expect(found.count == 1 && found.first?.hasPrefix("\(name): ") == true, "\(found)")
  }

  @Test(
    "Those that are right are taken",
    arguments: ["JARVICE_SINGULARITY_TMPDIR", "JARVICE_JOB_SCRATCH_DIR", "JARVICE_JOB_GLOBAL_SCRATCH_DIR"],
    ["/tmp", "/scratch/", "/a-b_c.d/e+f@g=h:i,j%k~l", "/"])
  func rightScriptDirectories(name: String, value: String) { #expect(faults(name, value).isEmpty) }

  @Test(
    "A proxy has a host, and the fault shows nothing of the address",
    arguments: ["JARVICE_BAREMETAL_HTTP_PROXY", "JARVICE_BAREMETAL_HTTPS_PROXY"],
    [
      "::::", "hunter2:", "http://", "http://:3128", "ftp://hunter2:21", "http://hunter2:0", "http://hunter2:65536",
      "http://hunter2:x", "http://me:hunter2@", "http://hunter2 host:1", "hunter2/path", "http://a\nb", "http://[::1",
      "javascript:hunter2", "http://hunter2?x", "-hunter2",
    ])
  func proxies(name: String, value: String) {
    let found = faults(name, value)
    #expect(found.count == 1 && found.first?.hasPrefix("\(name): ") == true, "\(found)")
    #expect(!found.joined().contains("hunter2"))
  }

  @Test(
    "A proxy that is right is taken",
    arguments: [
      "proxy", "proxy:3128", "http://proxy.example.com:3128", "http://proxy.example.com:3128/", "HTTP://proxy",
      "https://me:a/b?c#d@e@proxy.example.com", "http://[::1]:3128", "socks5://10.0.0.1:1080", "socks5h://p_x:1",
    ])
  func rightProxies(value: String) { #expect(faults("JARVICE_BAREMETAL_HTTPS_PROXY", value).isEmpty) }

  @Test("All of them are named at once")
  func together() {
    let wrong = [
      "JARVICE_SCHED_SERVER_KEY": "a:", "WEIR_STATE_DIR": "relative", "WEIR_VAULT_ROOTS": "/a/../b",
      "JARVICE_BAREMETAL_HTTP_PROXY": "::::", "JARVICE_SINGULARITY_TMPDIR": "a b;$(x)", "WEIR_PORT": "x",
    ]
    let found = faults(dummy.merging(wrong) { $1 })
    #expect(Set(found.map { $0.prefix { $0 != ":" } }) == Set(wrong.keys.map { $0[...] }) && found.count == wrong.count)
  }
}
