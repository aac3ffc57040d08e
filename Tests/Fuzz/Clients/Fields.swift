import Glibc

/// The Host field and the request target: whoever is named, it holds no byte that parts one thing from another.
func hostProperty(_ input: UnsafeRawBufferPointer) {
  let isValid = Host.isValid(input)
  if isValid {
    let partings = Array("/?#@\\<>\"^`{|}".utf8)
    claim(input.allSatisfy { $0 > 0x20 && $0 < 0x7F && !partings.contains($0) }, "a Host with a byte that no host has")
    claim(input.count { $0 == UInt8(ascii: "[") } <= 1, "a Host with two brackets")
  }
  // What is a good Host is good in a request, and the other way round.
  let head = Array("GET / HTTP/1.1\r\nHost: ".utf8) + input + Array("\r\n\r\n".utf8)
  if input.firstOffset(of: Byte.lineFeed) == nil, input.trimmed.count == input.count {
    let events = head.withUnsafeBytes { outcome(of: $0, cutAfter: { _ in head.count }, limits: Limits()) }
    claim((events.last == .body([])) == isValid, "a request thinks otherwise of its Host")
  }
  // What stands in a request line has none of these.
  guard input.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { return }
  let target = input.string
  for method in ["GET", "OPTIONS", "CONNECT"] {
    guard let request = try? Request(method: method, target: target) else { continue }
    claim(!request.path.utf8.contains(0), "a NUL in a path")
    claim(request.query.allSatisfy { !$0.name.utf8.contains(0) && !$0.value.utf8.contains(0) }, "a NUL in a query")
  }
}

/// A field line, and the readers of fields' values.
func headerProperty(_ input: UnsafeRawBufferPointer) {
  if let (name, value) = try? HeadBuilder.field(input) {
    claim(!name.isEmpty && name.allSatisfy(\.isTokenByte), "a field name that is no token")
    claim(value.allSatisfy(\.isFieldByte) && value.trimmed.count == value.count, "a value that is none")
  }
  let text = input.string
  _ = Gzip.isAccepted(by: [text])
  _ = Gzip.isWorthwhile(contentType: text)
  claim(MediaType(text).parameters.count <= text.utf8.count, "parameters out of nothing")

  // A value that a handler sets can never part the response into two.
  var headers = Headers()
  headers.append("X", text)
  headers.append(text, "x")
  let response = Response(headers: headers, body: .bytes([]))
  var output = OutputBuffer()
  let framing = ResponseFraming(isHead: false, isHTTP10: false, keepsAlive: true)
  _ = output.append(response, id: RequestID(given: "fuzz"), framing: framing, date: [])
  let sent = Wire.carry(&output)
  // Those that the server writes itself, Connection for example, are left out.
  claim(sent.count { $0 == Byte.lineFeed } <= 5 + headers.count, "a field's value made a line of its own")
}

/// What an ``OutputBuffer`` sends: only a socket takes it.
private enum Wire {
  private static let ends: (sender: Int32, receiver: Int32) = {
    var ends: [Int32] = [0, 0]
    let outcome = socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends)
    claim(outcome == 0, "there is no pair of sockets")
    return (ends[0], ends[1])
  }()

  static func carry(_ output: inout OutputBuffer) -> [UInt8] {
    let count = output.count
    var received = [UInt8](repeating: 0, count: count)
    var done = 0
    while done < count {
      _ = output.send(to: ends.sender)
      let length = recv(ends.receiver, &received[done], count - done, 0)
      claim(length > 0, "fewer bytes were sent than counted")
      done += length
    }
    claim(output.isEmpty, "more bytes were sent than counted")
    return received
  }
}
