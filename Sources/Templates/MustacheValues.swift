import Mustache

// How values look to Mustache. It finds a child by protocol or else by reflection, and renders what it does not find, and what
// cannot be a text, as nothing or as a debug description. These types leave nothing to reflection and note each such case.

/// How `{{name}}` is escaped.
struct ShellContentType: MustacheContentType {
  let quote: @Sendable (String) -> String

  func escapeText(_ text: String) -> String { quote(text) }
}

/// What went wrong while one template was rendered; used by one thread.
final class Faults {
  private(set) var first: (name: String, message: String)?

  func note(_ name: String, _ message: String) {
    if first == nil { first = (name, message) }
  }
}

/// The values of a template, or of one element of a list.
struct Scope: MustacheParent, MustacheCustomRenderable {
  let values: [String: TemplateValue]
  /// Mustache asks from the innermost scope outwards, so only the last one knows that a name does not exist.
  let isOutermost: Bool
  let faults: Faults

  func child(named name: String) -> Any? {
    switch values[name] {
    case .text(let text): return Text(renderText: text)
    case .flag(let flag): return flag
    case .list(let elements): return Elements(name: name, scopes: elements.map(inner), faults: faults)
    case nil:
      if isOutermost { faults.note(name, "there is no value for '\(name)'") }
      return nil
    }
  }

  private func inner(_ values: [String: TemplateValue]) -> Scope {
    Scope(values: values, isOutermost: false, faults: faults)
  }

  // The protocol's own default for this is not public.
  var isNull: Bool { false }

  var renderText: String {
    faults.note(".", "'{{.}}' has no text here")
    return ""
  }
}

/// A text; empty, it counts as false.
struct Text: MustacheParent, MustacheCustomRenderable {
  let renderText: String

  var isNull: Bool { renderText.isEmpty }
  func child(named name: String) -> Any? { nil }
}

/// The elements of a list.
struct Elements: MustacheParent, MustacheSequence, MustacheCustomRenderable {
  let name: String
  let scopes: [Scope]
  let faults: Faults

  func makeIterator() -> IndexingIterator<[Scope]> { scopes.makeIterator() }
  func child(named name: String) -> Any? { nil }

  var isNull: Bool { scopes.isEmpty }

  var renderText: String {
    faults.note(name, "'\(name)' is a list, which only a section can render")
    return ""
  }
}
