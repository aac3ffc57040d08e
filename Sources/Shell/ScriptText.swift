/// The text of a POSIX shell script that is part of the program.
///
/// There is no way to make one by adding to another: a script gets its values by its arguments and its standard
/// input. See ``Command/script(_:_:)-(ScriptText,_)``.
public struct ScriptText: Sendable, Equatable {
  let text: String
  /// What the log calls it, in place of its text.
  let name: String?

  /// - Parameter text: compiled into the program, with nothing pasted into it.
  public init(trusted text: String, name: String? = nil) {
    self.text = text
    self.name = name
  }
}
