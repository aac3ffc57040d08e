import Glibc

/// Compiled together with the sources that read what others send by `deploy/fuzz.sh`, into one program; the environment's
/// `FUZZ_TARGET` says which of the targets libFuzzer feeds.
enum FuzzTarget: String {
  case request, chunked, form, multipart, percent, host, header, token, knownhosts, archive

  static let chosen: FuzzTarget = {
    let name = getenv("FUZZ_TARGET").map { String(cString: $0) } ?? ""
    guard let target = FuzzTarget(rawValue: name) else { preconditionFailure("FUZZ_TARGET is not set") }
    return target
  }()

  func run(_ input: UnsafeRawBufferPointer) {
    switch self {
    case .request: requestProperty(input)
    case .chunked: chunkedProperty(input)
    case .form: formProperty(input)
    case .multipart: multipartProperty(input)
    case .percent: percentProperty(input)
    case .host: hostProperty(input)
    case .header: headerProperty(input)
    case .token: tokenProperty(input)
    case .knownhosts: knownHostsProperty(input)
    case .archive: archiveProperty(input)
    }
  }
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  FuzzTarget.chosen.run(UnsafeRawBufferPointer(start: start, count: count))
  return 0
}

/// What a target claims of every input. A finding is a trap, as a fault that address sanitizer sees is.
func claim(_ holds: Bool, _ sentence: @autoclosure () -> String) {
  guard !holds else { return }
  let text = sentence()
  var line = "\(text)\n"
  _ = line.withUTF8 { write(STDERR_FILENO, $0.baseAddress, $0.count) }
  abort()
}
