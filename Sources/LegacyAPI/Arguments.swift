import Foundation
import HTTP

/// The arguments of a legacy call: the JSON object in the form field `args`, or the JSON body itself.
struct Arguments {
  private let values: [String: Any]

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
    guard let object = try? JSONSerialization.jsonObject(with: Data(text)) else {
      throw HTTPError(.init(400), code: "args_not_json", "'args' is not JSON")
    }
    guard let values = object as? [String: Any] else {
      throw HTTPError(.init(422), code: "args_not_object", "'args' is JSON, but not an object")
    }
    self.values = values
  }

  func string(_ name: String) throws -> String {
    guard let text = values[name] as? String else { throw wrong(name, "a text is expected") }
    return text
  }

  /// A whole number, also one that was sent as text.
  func integer(_ name: String) throws -> Int {
    switch values[name] {
    case let number as NSNumber where !isBool(number):
      guard let whole = Int(exactly: number.doubleValue) else { throw wrong(name, "a whole number is expected") }
      return whole
    case let text as String:
      guard let whole = Int(text) else { throw wrong(name, "a whole number is expected") }
      return whole
    default: throw wrong(name, "a whole number is expected")
    }
  }

  /// An id, also one that was sent as a number.
  func identifier(_ name: String) throws -> String {
    switch values[name] {
    case let text as String: return text
    case let number as NSNumber where !isBool(number): return number.stringValue
    default: throw wrong(name, "a text is expected")
    }
  }

  /// A truth value; false when it is absent.
  func flag(_ name: String) throws -> Bool {
    guard let value = values[name], !(value is NSNull) else { return false }
    guard let number = value as? NSNumber, isBool(number) else { throw wrong(name, "true or false is expected") }
    return number.boolValue
  }

  func object(_ name: String) throws -> [String: Any] {
    guard let object = values[name] as? [String: Any] else { throw wrong(name, "an object is expected") }
    return object
  }

  /// The first value of a query argument: `{"qs": {"lines": ["20"]}}`.
  func query(_ name: String) -> String? {
    guard let value = (values["qs"] as? [String: Any])?[name] else { return nil }
    let first = (value as? [Any])?.first ?? value
    if let number = first as? NSNumber { return isBool(number) ? String(number.boolValue) : number.stringValue }
    return first as? String
  }

  private func isBool(_ number: NSNumber) -> Bool { String(cString: number.objCType) == "c" }

  private func wrong(_ name: String, _ expected: String) -> HTTPError {
    let state = values[name] == nil ? "is missing" : "is wrong"
    return HTTPError(.init(422), code: "argument_wrong", "'\(name)' \(state): \(expected)")
  }
}
