import ScriptTemplates
import Testing

@testable import Shell

@Suite("The scripts of GPU servers as they are sent")
struct ScriptSizeTests {
  static let scripts: [ScriptText] = [
    GPUScript.prepare, GPUScript.start, GPUScript.sweep, GPUScript.cancel, GPUScript.void, GPUScript.signal,
    GPUScript.watch, GPUScript.list, GPUScript.recall, GPUScript.output, GPUScript.size, GPUScript.describe,
    GPUScript.remove, GPUScript.input, GPUScript.results, GPUScript.files,
  ]

  /// Where no shell can be kept, the text is quoted for the command of one request, of which libssh2 sends 32 KiB at most.
  /// The names of some hundred attempts need room beside it.
  @Test("Each fits into one request, quoted", arguments: scripts)
  func size(script: ScriptText) {
    let quoted = script.text.utf8.count + 3 * script.text.utf8.count { $0 == UInt8(ascii: "'") }
    #expect(quoted <= 22_000, "\(script.name ?? "?"): \(quoted) bytes")
  }

  @Test("Comments are left out, and nothing else", arguments: scripts)
  func comments(script: ScriptText) {
    let lines = script.text.split(separator: "\n")
    #expect(!lines.isEmpty && !lines.contains { $0.drop { $0 == " " }.hasPrefix("#") })
  }
}
