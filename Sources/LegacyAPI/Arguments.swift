import Foundation
import HTTP
import JSON

/// The arguments of a legacy call: the JSON object in the form field `args`, or the JSON body itself.
struct Arguments {
  private let values: [String: JSONValue]

  init(_ request: Request) throws {
    let text: [UInt8]
    if request.headers["Content-Type"]?.lowercased().hasPrefix("application/json") == true {
      text = request.body
    } else {
      guard let field = try request.form()["args"] else {
        throw HTTPError(
          .init(400), code: "args_missing", "the form field 'args' is missing",
          hint: "send args={...} as application/x-www-form-urlencoded, or the object itself as application/json")
      }
      text = Array(field.utf8)
    }
    do { values = try JSONParser.object(text) } catch { throw Self.refusal(of: text, error) }
  }

  private static func refusal(of text: [UInt8], _ error: JSONError) -> HTTPError {
    let value = try? JSONSerialization.jsonObject(with: Data(text), options: .fragmentsAllowed)
    if let value, !(value is [String: Any]) {
      return HTTPError(.init(422), code: "args_not_object", "'args' is JSON, but not an object")
    }
    return HTTPError(.init(400), code: "args_not_json", "'args' is not JSON: \(error.message)")
  }

  func string(_ name: String) throws -> String {
    guard case .string(let text) = values[name] else { throw wrong(name, "a text is expected") }
    return text
  }

  /// A whole number, also one that was sent as text.
  func integer(_ name: String) throws -> Int {
    let whole: Int? =
      switch values[name] {
      case .number(let number): Int(exactly: number)
      case .string(let text): Int(text)
      default: nil
      }
    guard let whole else { throw wrong(name, "a whole number is expected") }
    return whole
  }

  /// An id, also one that was sent as a number.
  func identifier(_ name: String) throws -> String {
    switch values[name] {
    case .string(let text): return text
    case .number(let number):
      guard let whole = Int(exactly: number) else { throw wrong(name, "a text is expected") }
      return String(whole)
    default: throw wrong(name, "a text is expected")
    }
  }

  /// A truth value; false when it is absent.
  func flag(_ name: String) throws -> Bool {
    switch values[name] {
    case nil, .null: return false
    case .bool(let flag): return flag
    default: throw wrong(name, "true or false is expected")
    }
  }

  func object(_ name: String) throws -> [String: JSONValue] {
    guard case .object(let object) = values[name] else { throw wrong(name, "an object is expected") }
    return object
  }

  /// The first value of a query argument: `{"qs": {"lines": ["20"]}}`.
  func query(_ name: String) -> String? {
    guard case .object(let arguments) = values["qs"], var value = arguments[name] else { return nil }
    if case .array(let list) = value { value = list.first ?? .null }
    switch value {
    case .string(let text): return text
    case .bool(let flag): return String(flag)
    case .number(let number): return Int(exactly: number).map { String($0) }
    default: return nil
    }
  }

  private func wrong(_ name: String, _ expected: String) -> HTTPError {
    let state = values[name] == nil ? "is missing" : "is wrong"
    return HTTPError(.init(422), code: "argument_wrong", "'\(name)' \(state): \(expected)")
  }
}
