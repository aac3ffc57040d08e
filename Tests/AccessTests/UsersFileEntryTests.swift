import Access
import Foundation
import SSH
import Support
import Testing

@Suite("Entries of the users file")
struct UsersFileEntryTests {
  private func disabled(_ entries: [String]) throws -> [String] {
    let text = "users_id_mapping:\n" + entries.map { "  - {\($0), ssh_private_key_b64: x}\n" }.joined()
    return try Users(Data(text.utf8), path: "u", readKey: PrivateKey.reader(passphrase: "")).disabled
      .filter { !$0.contains("ssh_private_key_b64") }
  }

  @Test(
    "A field without a value is named",
    arguments: ["~", "", "null", "Null", "NULL"].flatMap { [("mail", $0), ("mapped_user", $0)] }
      + [("mail", "\"\""), ("mail", "''")])
  func missing(field: String, value: String) throws {
    let other = field == "mail" ? "mapped_user: kirby" : "mail: a@x"
    let found = try disabled(["\(field): \(value), \(other)"])
    #expect(found.count == 1, "\(found)")
    #expect(found.first?.hasPrefix("u: users_id_mapping, entry 1, \(field): a value is missing") == true, "\(found)")
  }

  @Test("A user that is called null is one, when the text says so")
  func quoted() throws {
    let text = "users_id_mapping: [{mail: 'null', mapped_user: kirby, ssh_private_key_b64: x}]"
    let users = try Users(Data(text.utf8), path: "u", readKey: PrivateKey.reader(passphrase: ""))
    #expect(users.account(of: "null") == "kirby")
  }

  @Test("Both entries of an address are named, also of three")
  func doubled() throws {
    let found = try disabled(["mail: a@x, mapped_user: a", "mail: b@x, mapped_user: b", "mail: a@x, mapped_user: c"])
    #expect(found == ["u: entry 3 (a@x): a@x is in entry 1 too; Weir ignores both"])
    let three = try disabled(Array(repeating: "mail: a@x, mapped_user: a", count: 3))
    #expect(three.map { $0.contains("entry 1 too") } == [true, true])
  }
}
