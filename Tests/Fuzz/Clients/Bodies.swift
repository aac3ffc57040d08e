/// The chunked transfer coding: the same in any cut, and whatever is cut into chunks comes out whole.
func chunkedProperty(_ input: UnsafeRawBufferPointer) {
  let head = Array("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".utf8)
  sameInEveryCut([0] + head + input)

  var coded = head
  var start = 0
  while start < input.count {
    let end = min(input.count, start + 1 + Int(input[start]) % 40)
    coded.append(number: end - start, radix: 16)
    coded += Array("\r\n".utf8) + input[start..<end] + Array("\r\n".utf8)
    start = end
  }
  coded += Array("0\r\n\r\n".utf8)
  let events = coded.withUnsafeBytes { outcome(of: $0, cutAfter: { _ in 7 }, limits: Limits()) }
  claim(events.count == 2 && events[1] == .body(Array(input)), "chunks lost what they carry")
}

/// `application/x-www-form-urlencoded`: any bytes survive being encoded, and no input says more than its length.
func formProperty(_ input: UnsafeRawBufferPointer) {
  let bytes = Array(input)
  if let form = try? FormFields(urlEncoded: bytes) {
    claim(form.fields.count <= FormFields.limit, "more fields than the limit")
    claim(form.fields.allSatisfy { $0.filename == nil }, "a file in a form that has none")
    claim(form.fields.reduce(0) { $0 + $1.name.utf8.count + $1.value.count } <= bytes.count, "fields out of nothing")
    // Taken apart, put together, and taken apart again it has to be the same.
    let again = form.fields.map { escaped(Array($0.name.utf8)) + "=" + escaped($0.value) }.joined(separator: "&")
    guard let second = try? FormFields(urlEncoded: Array(again.utf8)) else {
      return claim(false, "a form that was taken is refused when it is written plainly")
    }
    claim(same(form, second), "a form is another when it is written plainly")
  }
  let form = try? FormFields(urlEncoded: Array("a=\(escaped(bytes))".utf8))
  claim(form?.bytes(of: "a") == bytes, "a value was changed on its way")
}

/// `multipart/form-data`: any value that does not hold the boundary survives; any input at all is taken or refused.
func multipartProperty(_ input: UnsafeRawBufferPointer) {
  let bytes = Array(input)
  if let form = try? FormFields(multipart: bytes, boundary: "b") {
    claim(form.fields.count <= FormFields.limit, "more fields than the limit")
  }
  let type = MediaType(String(decoding: bytes.prefix(200), as: UTF8.self))
  if let boundary = type.parameters["boundary"] { _ = try? FormFields(multipart: bytes, boundary: boundary) }

  // Behind the empty line a boundary needs no line end of its own.
  guard input.firstOffset(of: Byte.carriageReturn) == nil, !bytes.starts(with: Array("--b".utf8)) else { return }
  let form = Array("--b\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\n".utf8) + bytes
  let parsed = try? FormFields(multipart: form + Array("\r\n--b--\r\n".utf8), boundary: "b")
  claim(parsed?.fields.count == 1 && parsed?.bytes(of: "n") == bytes, "a value was changed on its way")
}

/// Percent-encoding: decoded once, as the plainest decoder would.
func percentProperty(_ input: UnsafeRawBufferPointer) {
  for plusIsBlank in [false, true] {
    let decoded = try? Percent.decode(input, plusIsBlank: plusIsBlank)
    claim(decoded == plainlyDecoded(Array(input), plusIsBlank: plusIsBlank), "decoded otherwise than by the letter")
  }
  _ = try? Percent.decodeText(input, what: "it")
  _ = try? Percent.decodePairs(input, what: "it")
  let back = try? Array(escaped(Array(input)).utf8).withBytes { bytes throws(HTTPError) in try Percent.decode(bytes) }
  claim(back == Array(input), "bytes were changed on their way")
}

/// nil where a percent sign is not followed by two hexadecimal digits.
private func plainlyDecoded(_ bytes: [UInt8], plusIsBlank: Bool) -> [UInt8]? {
  var decoded: [UInt8] = []
  var rest = bytes[...]
  while let byte = rest.popFirst() {
    switch byte {
    case UInt8(ascii: "%"):
      let digits = rest.prefix(2)
      let isHexadecimal = digits.allSatisfy { Character(UnicodeScalar($0)).isHexDigit && $0 < 0x80 }
      guard digits.count == 2, isHexadecimal, let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
      else { return nil }
      decoded.append(value)
      rest = rest.dropFirst(2)
    case UInt8(ascii: "+") where plusIsBlank: decoded.append(UInt8(ascii: " "))
    default: decoded.append(byte)
    }
  }
  return decoded
}

private func escaped(_ bytes: [UInt8]) -> String {
  bytes.map { "%" + String(0x100 + Int($0), radix: 16).dropFirst() }.joined()
}

private func same(_ one: FormFields, _ other: FormFields) -> Bool {
  one.fields.count == other.fields.count
    && zip(one.fields, other.fields).allSatisfy { $0.name == $1.name && $0.value == $1.value }
}
