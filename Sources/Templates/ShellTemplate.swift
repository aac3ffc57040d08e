import Mustache
import Synchronization

/// A shell script template: `{{name}}` is quoted for the shell, `{{{name}}}` is pasted as it is.
///
/// ```swift
/// let template = try ShellTemplate("{{#verbose}}\nset -x\n{{/verbose}}\ncd {{directory}}\n", quote: quoted)
/// try template.render(["verbose": false, "directory": "/home/a b"])  // "cd '/home/a b'\n"
/// ```
///
/// The syntax is that part of Mustache which a script needs: `{{name}}`, `{{{name}}}` (or `{{&name}}`), sections
/// `{{#name}}...{{/name}}`, inverted sections `{{^name}}...{{/name}}`, `{{.}}` for a section's own text, and comments `{{! ... }}`. Anything
/// else (partials, inheritance, other delimiters, dotted names, transforms) is an error when the template is made, since Mustache
/// would render most of it as nothing. Names are ASCII letters, digits, `_` and `-`.
///
/// To know when writing a template:
/// - A quoted value is a whole shell word or a part of one (`"$HOME"/{{name}}`). Inside quotes, comments or here-documents it is
///   not safe, for the shell reads the added quotes as text there.
/// - A section tag that is alone on its line takes the line with it, blanks and line end included.
/// - Blanks after the last line end of a template are dropped.
/// - `{{` always begins a tag, in a script's own braces and comments too.
/// - Values are never read as templates: `{{` in a value stays as it is.
public struct ShellTemplate: Sendable {
  private let template: MustacheTemplate
  /// Where each name occurs first, for errors.
  private let places: [String: TextPosition]

  /// Parses a template.
  /// - Parameters:
  ///   - text: the template.
  ///   - quote: makes one shell word of any text; it is applied to every `{{name}}`.
  /// - Throws: a ``TemplateError`` for the first tag that cannot be read, or a section that is not closed.
  public init(_ text: String, quote: @escaping @Sendable (String) -> String) throws(TemplateError) {
    places = try TagScanner.names(in: text)
    template = try Self.parse(text, quote: quote)
  }

  /// Renders the template.
  ///
  /// A section is rendered for a flag that is true, a text that is not empty, and once for each element of a list. A name is
  /// looked up in the element first, then further out.
  /// - Throws: a ``TemplateError`` if a name that rendering meets is not in `values`, or is a list where a text is needed. What a
  ///   skipped section holds is ignored.
  public func render(_ values: [String: TemplateValue]) throws(TemplateError) -> String {
    let faults = Faults()
    let rendered = template.render(Scope(values: values, isOutermost: true, faults: faults))
    if let fault = faults.first {
      let place = places[fault.name]
      throw TemplateError(line: place?.line ?? 1, column: place?.column ?? 1, message: fault.message)
    }
    return rendered
  }

  /// Mustache finds the way of escaping by a name in a registry of the whole process, but resolves that name while it parses.
  /// So one name serves all templates, if only one is parsed at a time.
  private static let registry = Mutex(())
  private static let contentType = "SHELL"

  private static func parse(
    _ text: String, quote: @escaping @Sendable (String) -> String
  ) throws(TemplateError) -> MustacheTemplate {
    let parsed = registry.withLock { _ in
      Result {
        MustacheContentTypes.register(ShellContentType(quote: quote), named: contentType)
        // The pragma takes this line end with it, so that it takes none of the template's own.
        return try MustacheTemplate(string: "{{% CONTENT_TYPE: \(contentType)}}\n" + text)
      }
    }
    switch parsed {
    case .success(let template):
      return template
    case .failure(let error as MustacheTemplate.ParserError):
      throw TemplateError(
        line: max(1, error.context.lineNumber - 1), column: error.context.columnNumber,
        message: sentence(for: error.error))
    case .failure(let error):
      throw TemplateError(line: 1, column: 1, message: "\(error)")
    }
  }

  private static func sentence(for error: any Error) -> String {
    switch error as? MustacheTemplate.Error {
    case .sectionCloseNameIncorrect: "this closes a section that is not the innermost open one"
    case .expectedSectionEnd: "a section is not closed"
    case .unfinishedName: "a tag is not closed"
    default: "\(error)"
    }
  }
}

/// A value for a ``ShellTemplate``.
public enum TemplateValue: Sendable, Equatable {
  /// A text; as a section, true when it is not empty.
  case text(String)
  /// Whether a section is rendered; as a text, `true` or `false`.
  case flag(Bool)
  /// A section is rendered once for each element, with the element's values before those further out.
  case list([[String: TemplateValue]])
}

extension TemplateValue: ExpressibleByStringLiteral, ExpressibleByStringInterpolation, ExpressibleByBooleanLiteral {
  public init(stringLiteral value: String) { self = .text(value) }
  public init(booleanLiteral value: Bool) { self = .flag(value) }
}

/// What is wrong in a template, or with the values given to it, and where in the template.
public struct TemplateError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The line, from 1.
  public let line: Int
  /// The column, from 1, in characters.
  public let column: Int
  /// What is wrong; without the place.
  public let message: String

  public var description: String { "line \(line), column \(column): \(message)" }
}
