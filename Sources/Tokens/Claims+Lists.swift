extension Claims {
  /// The strings of a claim that is one, or an array of them, as of groups or roles; none if it is neither. What is no
  /// string in the array is left out; a string is never split, so that a `scope` of several words is one string.
  public func strings(_ name: String) -> [String] {
    switch members[name] {
    case .string(let text): [text]
    case .array(let elements): elements.compactMap { if case .string(let text) = $0 { text } else { nil } }
    default: []
    }
  }
}
