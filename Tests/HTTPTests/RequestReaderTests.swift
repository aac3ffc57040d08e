import Testing

@testable import HTTP

@Suite("Reading requests")
struct RequestReaderTests {
  private static let timeouts = Timeouts(Limits())

  private static func make() -> RequestReader { RequestReader(limits: Limits(), timeouts: timeouts) }

  /// Shows the reader everything it keeps, and has it consume what it can.
  /// - Returns: the bodies of the requests that are there.
  private static func read(_ reader: inout RequestReader) throws -> [[UInt8]] {
    var bodies: [[UInt8]] = []
    var offset = 0
    let rest = Array(reader.rest)
    try rest.withUnsafeBytes { window in
      while let event = try reader.next(in: window, from: &offset) {
        switch event {
        case .head: try reader.expectBody(limit: 1000)
        case .end(let body): bodies.append(body)
        }
      }
    }
    reader.consume(offset)
    return bodies
  }

  @Test("Requests are found however the bytes were cut, and what is consumed is forgotten")
  func cuts() throws {
    let stream = Array("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\(get)".utf8)
    for cut in 0...stream.count {
      var reader = Self.make()
      var bodies: [[UInt8]] = []
      for part in [stream[..<cut], stream[cut...]] {
        reader.keep(part)
        bodies += try Self.read(&reader)
      }
      #expect(bodies == [Array("abc".utf8), []])
      #expect(reader.isIdle && !reader.hasInput)
    }
  }

  @Test("A long input is moved to the front once much of it is consumed")
  func compaction() throws {
    var reader = Self.make()
    for _ in 0..<3000 { reader.keep(get.utf8) }
    reader.keep("GET".utf8)
    #expect(try Self.read(&reader).count == 3000)
    #expect(reader.inputCount == 3)
    #expect(reader.takeRest().elementsEqual("GET".utf8))
    #expect(!reader.hasInput)
  }

  @Test("A head has one time for all of it; between requests each wait begins again")
  func headTime() throws {
    var reader = Self.make()
    let first = reader.deadline(Self.timeouts)
    reader.keep("GET / HTTP".utf8)
    _ = try Self.read(&reader)
    #expect(reader.deadline(Self.timeouts) == first)
    reader.keep("/1.1\r\nHost: a\r\n\r\n".utf8)
    #expect(try Self.read(&reader).count == 1)
    #expect(reader.deadline(Self.timeouts) >= .deadline(in: Self.timeouts.keepAliveIdle) - 1_000_000_000)
  }

  @Test("Each byte of a body prolongs its time once, by what the rate allows")
  func bodyTime() throws {
    var limits = Limits()
    limits.bodyRate = 1
    let timeouts = Timeouts(limits)
    var reader = RequestReader(limits: limits, timeouts: timeouts)
    reader.keep("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n".utf8)
    _ = try Self.read(&reader)
    #expect(reader.isInBody)
    let first = reader.deadline(timeouts)
    #expect(reader.deadline(timeouts) == first, "no byte has come")
    reader.keep("a".utf8)
    _ = try Self.read(&reader)
    #expect(reader.bodyCount == 1)
    let second = reader.deadline(timeouts)
    #expect(second >= first && second <= first + 1_000_000_000)
    #expect(reader.deadline(timeouts) == second, "the byte counts once")
  }
}
