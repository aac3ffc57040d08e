import Access
import Foundation
import SSH
import Support
import Testing

@Suite("What is wrong with a users file names the place")
struct UsersFileFaultTests {
  private func users(_ text: String) throws -> Users {
    try Users(Data(text.utf8), path: "u.yaml", readKey: PrivateKey.reader(passphrase: ""))
  }

  @Test(
    "An entry that is none is named by its number, whatever it is",
    arguments: ["7", "x", "[]", "[x]", "{}", "~", "", "{mail: [a]}", "{mail: {a: b}}", "!!binary x", "{? [a] : b}"])
  func entries(entry: String) throws {
    let users = try users(
      "users_id_mapping:\n  - {mail: a@x, mapped_user: kirby, ssh_private_key_b64: x}\n  - \(entry)\n")
    #expect(users.disabled.count == 2 && users.account(of: "a@x") == "kirby")
    #expect(users.disabled.last?.hasPrefix("u.yaml: users_id_mapping, entry 2") == true, "\(users.disabled)")
  }

  @Test("A key that is set twice is named by its line, without its value")
  func twice() throws {
    let error = #expect(throws: Users.Unreadable.self) {
      try users("users_id_mapping:\n  - mail: a@x\n    ssh_private_key_b64: SECRET\n    mail: SECRET\n")
    }
    #expect(error?.sentence == "line 2: a key is set twice in one entry")
  }

  @Test("Names are shown so that a log stays readable", arguments: ["mail", "user"])
  func names(field: String) throws {
    let name = "\\x7f\\u202E" + String(repeating: "e\\u0301", count: 1000)
    let other = field == "mail" ? "" : ", mail: a"
    let entry = "  - {\(field): \"\(name)\"\(other), mapped_user: \"\(name)\", ssh_private_key_b64: x}\n"
    let users = try users("users_id_mapping:\n" + entry)
    let sentence = try #require(users.disabled.first)
    #expect(users.disabled.count == 1 && sentence.utf8.count < 500)
    #expect(sentence.contains("\\u{7F}\\u{202E}") && !sentence.unicodeScalars.contains("\u{202E}"))
  }

  @Test("Aliases in a key, each of which may double what is hashed, are refused")
  func aliasesInKeys() throws {
    let levels = (1...40).map { "&a\($0) [*a\($0 - 1), *a\($0 - 1)]" }.joined(separator: ",\n  ")
    let error = #expect(throws: Users.Unreadable.self) {
      try users("users_id_mapping:\n- ? [&a0 [x, x],\n  \(levels)]\n  : y\n")
    }
    #expect(error?.sentence == "the file has aliases in keys that are lists or mappings")
  }

  @Test("Merges of merges, each of which may double what is decoded, are refused")
  func mergesOfMerges() throws {
    let levels = (1...40).map { "- &a\($0) {<<: [*a\($0 - 1), *a\($0 - 1)]}\n" }.joined()
    let error = #expect(throws: Users.Unreadable.self) { try users("users_id_mapping:\n- &a0 {b: c}\n" + levels) }
    #expect(error?.sentence == "the file has more than 500000 values once its aliases are expanded")
  }

  @Test("Entries may have parts in common by aliases and merges")
  func aliases() throws {
    let entries = ["b@x", "c@x", "d@x"].map { "- {<<: *common, mail: \($0)}\n" }.joined()
    let users = try users(
      "users_id_mapping:\n- &common {mail: &mail a@x, mapped_user: kirby, ssh_private_key_b64: x}\n" + entries)
    #expect(users.account(of: "d@x") == "kirby" && users.account(of: "a@x") == "kirby")
  }
}
