/// What a stream of bytes was understood as.
enum Understood: Equatable {
  case head([UInt8])
  case body([UInt8])
  case refused(Int)
}

/// What comes of a stream that arrives in pieces, as long as `pieceLength` says for each that begins at an offset.
func outcome(
  of bytes: UnsafeRawBufferPointer, cutAfter pieceLength: (Int) -> Int, limits: Limits
) -> [Understood] {
  var parser = RequestParser(limits: limits)
  var window: [UInt8] = []
  var events: [Understood] = []
  var start = 0
  while start < bytes.count {
    let end = min(bytes.count, start + max(1, pieceLength(start)))
    window.append(contentsOf: bytes[start..<end])
    start = end
    var offset = 0
    do throws(HTTPError) {
      while let event = try window.withBytes({ bytes throws(HTTPError) in try parser.next(in: bytes, from: &offset) }) {
        switch event {
        case .head(let head):
          events.append(.head(words(for: head)))
          try parser.expectBody(limit: limits.body)
        case .end(let body): events.append(.body(body))
        }
      }
    } catch {
      let isTheClients = (400...499).contains(error.status.code) || [501, 505].contains(error.status.code)
      claim(isTheClients, "a client's error became \(error.status.code)")
      return events + [.refused(error.status.code)]
    }
    claim(offset <= window.count, "more was consumed than there is")
    window.removeFirst(offset)
  }
  return events
}

private func words(for head: RequestHead) -> [UInt8] {
  claim(!head.method.isEmpty && head.method.utf8.allSatisfy(\.isTokenByte), "a method that is no token")
  claim(head.target.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7F }, "a control byte in a target")
  var hosts = 0
  let line = "\(head.method) \(head.target) \(head.isHTTP10) \(head.framing) \(head.keepsAlive) \(head.expectsContinue)"
  var words = Array(line.utf8)
  head.headers.forEachField { name, value in
    claim(!name.isEmpty && name.allSatisfy(\.isTokenByte), "a field name that is no token")
    claim(value.allSatisfy(\.isFieldByte), "a control byte in a field's value")
    if name.equalsIgnoringCase("host") { hosts += 1 }
    words += [Byte.lineFeed] + name + [Byte.colon] + value
  }
  claim(hosts == 1 || (hosts == 0 && head.isHTTP10), "\(hosts) Host fields were taken")
  claim(isUnambiguous(head), "the end of a body was guessed")
  return words
}

/// The framing said again, from the fields alone and in the plainest way (RFC 9112 section 6.3).
private func isUnambiguous(_ head: RequestHead) -> Bool {
  let codings = head.headers.values(of: "Transfer-Encoding")
  let lengths = Set(head.headers.values(of: "Content-Length"))
  switch head.framing {
  case .chunked: return codings.count == 1 && codings[0].lowercased() == "chunked" && lengths.isEmpty && !head.isHTTP10
  case .length(let length): return codings.isEmpty && !lengths.isEmpty && lengths.allSatisfy { Int($0) == length }
  case .none: return codings.isEmpty && lengths.allSatisfy { Int($0) == 0 }
  }
}

/// The request parser: every message it takes is well formed, and what comes of a stream does not depend on its cuts.
func requestProperty(_ input: UnsafeRawBufferPointer) { sameInEveryCut(Array(input)) }

/// - Parameter input: a byte that says how the rest, the stream, is treated.
func sameInEveryCut(_ input: [UInt8]) {
  guard let first = input.first else { return }
  // Small limits bring their edges within reach of short inputs.
  var limits = Limits()
  if first & 1 == 1 {
    limits.requestLine = 40
    limits.headerBytes = 120
    limits.headerCount = 5
    limits.body = 30
  }
  let seed = Int(first >> 1)
  input.withUnsafeBytes { bytes in
    let stream = bytes.slice(1..<bytes.count)
    let whole = outcome(of: stream, cutAfter: { _ in stream.count }, limits: limits)
    claim(outcome(of: stream, cutAfter: { _ in 1 }, limits: limits) == whole, "byte by byte something else comes of it")
    let cut = outcome(of: stream, cutAfter: { 1 + ($0 * 31 + seed) % 23 }, limits: limits)
    claim(cut == whole, "in pieces something else comes of it")
  }
}
