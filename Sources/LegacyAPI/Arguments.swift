import HTTP
import JSON
import JobEngine
import JobModel

/// The arguments of a legacy call: the JSON object in the form field `args`, or the JSON body itself.
struct Arguments: Sendable {
  private let values: [String: JSONValue]

  init(_ request: Request) throws {
    let text = try Self.text(of: request)
    do {
      values = try JSONParser.object(text, skipsByteOrderMark: true)
    } catch {
      if error.isOtherKind {
        throw HTTPError(.init(422), code: "args_not_object", "'args' is JSON, but not an object")
      }
      throw HTTPError(.init(400), code: "args_not_json", "'args' is not JSON: \(error.message)")
    }
  }

  private static func text(of request: Request) throws -> [UInt8] {
    if request.headers["Content-Type"]?.lowercased().hasPrefix("application/json") == true {
      return try request.plainBody()
    }
    let form = try request.form()
    guard form.fields.count(where: { $0.name == "args" && $0.filename == nil }) <= 1 else {
      throw HTTPError(
        .init(400), code: "args_repeated", "the form field 'args' occurs more than once",
        hint: "send it once, with all arguments in one JSON object")
    }
    guard let field = form.bytes(of: "args") else {
      throw HTTPError(
        .init(400), code: "args_missing", "the form field 'args' is missing",
        hint: "send args={...} as application/x-www-form-urlencoded, or the object itself as application/json")
    }
    return field
  }

  /// A text that has no rule in ``FieldRule`` but one elsewhere.
  func string(_ name: String) throws -> String {
    guard case .string(let text) = values[name] else { throw wrong(name, "expected a string") }
    return text
  }

  func text(_ field: FieldRule) throws -> String {
    guard case .string(let text) = values[field.name], field.accepts(text) else { throw refusal(field) }
    return text
  }

  /// A whole number, also one that was sent as text.
  func whole(_ field: FieldRule) throws -> Int {
    let text = try identifier(field)
    guard let whole = ValueRule.whole(text) else { throw refusal(field) }
    return whole
  }

  /// An id, also one that was sent as a number.
  func identifier(_ field: FieldRule) throws -> String {
    guard let text = values[field.name].flatMap(Self.plainText), field.accepts(text) else { throw refusal(field) }
    return text
  }

  /// A truth value; false when it is absent.
  func flag(_ field: FieldRule) throws -> Bool {
    switch values[field.name] {
    case nil, .null: return false
    case .bool(let flag): return flag
    default: throw refusal(field)
    }
  }

  func object(_ name: String) throws -> [String: JSONValue] {
    guard case .object(let object) = values[name] else { throw wrong(name, "expected an object") }
    return object
  }

  /// The first value of a query argument: `{"qs": {"lines": ["20"]}}`; nil when there is none.
  func query(_ field: FieldRule) throws -> String? {
    switch values["qs"] {
    case nil, .null: return nil
    case .object(let arguments):
      var value = arguments[field.name] ?? .null
      if case .array(let list) = value { value = list.first ?? .null }
      switch value {
      case .null: return nil
      case .bool(let flag): return String(flag)
      default:
        guard let text = Self.plainText(value) else { throw field.refusal() }
        return text
      }
    default: throw wrong("qs", "expected an object")
    }
  }

  /// A text, or a whole number as text.
  private static func plainText(_ value: JSONValue) -> String? {
    switch value {
    case .string(let text): text
    case .number(let number): Int(exactly: number).map { String($0) }
    default: nil
    }
  }

  private func refusal(_ field: FieldRule) -> HTTPError { field.refusal(isMissing: values[field.name] == nil) }

  private func wrong(_ name: String, _ expected: String) -> HTTPError {
    let state = values[name] == nil ? "is missing" : "is wrong"
    return HTTPError(.init(422), code: "argument_wrong", "'\(name)' \(state): \(expected)")
  }
}
