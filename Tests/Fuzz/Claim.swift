import Glibc

/// What libFuzzer calls with each input. `FUZZ_TARGET` in the environment names the target, one of the program's
/// ``FuzzTarget``.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  chosenTarget.run(UnsafeRawBufferPointer(start: start, count: count))
  return 0
}

private let chosenTarget: FuzzTarget = {
  let name = getenv("FUZZ_TARGET").map { String(cString: $0) } ?? ""
  guard let target = FuzzTarget(rawValue: name) else { preconditionFailure("FUZZ_TARGET is not set") }
  return target
}()

/// What a target claims of every input. A finding is a trap, as a fault that address sanitizer sees is.
func claim(_ holds: Bool, _ sentence: @autoclosure () -> String) {
  guard !holds else { return }
  let text = sentence()
  var line = "\(text)\n"
  _ = line.withUTF8 { write(STDERR_FILENO, $0.baseAddress, $0.count) }
  abort()
}
