import Testing

@testable import GPUConnector

private let one = "01J00000000000000000000001"
private let two = "01J00000000000000000000002"

@Suite("Notices of ends")
struct EndNoticesTests {
  private func read(_ text: String, inPiecesOf size: Int) -> (ready: Int, ended: [AttemptID]) {
    var (notices, ready, ended) = (EndNotices(), 0, [AttemptID]())
    let bytes = Array(text.utf8)
    for start in stride(from: 0, to: bytes.count, by: size) {
      let answer = notices.read(Array(bytes[start..<min(start + size, bytes.count)]))
      ready += answer.isReady ? 1 : 0
      ended += answer.ended.sorted { $0.job < $1.job }
    }
    return (ready, ended)
  }

  @Test("Are read however they are cut", arguments: [1, 2, 7, 30, 1000])
  func pieces(size: Int) {
    let answer = read("ready\n\(one) 1\n\(two) 12\n", inPiecesOf: size)
    #expect(answer.ready == 1)
    #expect(answer.ended == [AttemptID(job: one, number: 1), AttemptID(job: two, number: 12)])
  }

  @Test(
    "What is none is passed over, and what follows counts",
    arguments: [
      "", "x", "ready", "\(one)", "\(one) 0", "\(one) -1", "\(one) x", "\(one)  1", "\(one) 1 2", " \(one) 1",
      "\(one) 99999999999999999999", "\(one)x 1", String(repeating: "x", count: 100_000),
      "\(one) 1" + String(repeating: " ", count: 99),
      "\u{0}\u{ff}",
    ])
  func others(line: String) {
    let answer = read("ready\n\(line)\n\(two) 2\n", inPiecesOf: 4096)
    #expect(answer.ready == 1 && answer.ended == [AttemptID(job: two, number: 2)])
  }

  @Test("Begin with one word, which is heard once")
  func ready() { #expect(read(String(repeating: "ready\n", count: 1000), inPiecesOf: 64).ready == 1) }

  /// A debug build takes less than a second for these 2 MB, and took minutes where each piece was searched from its beginning.
  @Test("A line without end, and a flood of short ones, cost what their bytes cost", .timeLimit(.minutes(1)))
  func flood() {
    var notices = EndNotices()
    let endless = [UInt8](repeating: UInt8(ascii: "x"), count: 32_768)
    for _ in 0..<32 { #expect(notices.read(endless).ended.isEmpty) }
    let short = [UInt8](repeating: UInt8(ascii: "\n"), count: 32_768)
    for _ in 0..<32 { #expect(notices.read(short).ended.isEmpty) }
    #expect(notices.read(Array("\(one) 1\n".utf8)).ended.count == 1)
  }

  @Test("Of ends that are none are looked at ever more seldom")
  func pauses() {
    var pause = LookPause(upTo: .seconds(2))
    let first = (0..<12).map { _ in pause.next(cost: .milliseconds(5), isVain: true) }
    #expect(first[0] == .milliseconds(20) && first[1] == .milliseconds(20) && first[3] == .milliseconds(80))
    #expect(first.last == .seconds(2) && first == first.sorted())
    #expect(pause.next(cost: .milliseconds(5), isVain: false) == .milliseconds(20))
    // A look costs at most half of the time, whoever asks for it.
    #expect(pause.next(cost: .seconds(3), isVain: false) == .seconds(3))
  }
}
