import Foundation
import SSH
import Support

/// The users file that an administrator wrote. What is wrong with one user disables that user alone, and names the entry.
func usersProperty(_ input: [UInt8]) {
  anyFile(input)
  oneEntry(input)
}

/// The input is the file: it is read, or refused with a reason.
private func anyFile(_ input: [UInt8]) {
  do throws(Users.Unreadable) {
    let users = try Users(Data(input), path: "users.yaml", readKey: PrivateKey.reader(passphrase: ""))
    for sentence in users.disabled { claim(namesItsEntry(sentence), "a refusal that names no entry: \(sentence)") }
  } catch {
    claim(!error.sentence.isEmpty, "refused without a reason")
    claim(error.sentence.utf8.count < 1000, "a reason of \(error.sentence.utf8.count) bytes")
  }
}

/// The input is the values of one entry, parted by NUL, between two that are right but for their keys.
private func oneEntry(_ input: [UInt8]) {
  let values = input.split(separator: 0, omittingEmptySubsequences: false).prefix(4).map(quoted)
  let names = ["mail", "mapped_user", "ssh_private_key_b64", "user"]
  let fields = zip(names, values).map { "\($0): \($1)" }
  let text = """
    users_id_mapping:
      - {mail: first@example.com, mapped_user: kirby, ssh_private_key_b64: x}
      - {\(fields.joined(separator: ", "))}
      - {mail: last@example.com, mapped_user: mario, ssh_private_key_b64: x}
    """
  do throws(Users.Unreadable) {
    let users = try Users(Data(text.utf8), path: "users.yaml", readKey: PrivateKey.reader(passphrase: ""))
    for (mail, account) in [("first@example.com", "kirby"), ("last@example.com", "mario")] {
      let isTaken = values.first == "\"\(mail)\""
      claim(isTaken || users.account(of: mail) == account, "\(mail) has another's fault")
    }
    claim(users.disabled.allSatisfy(namesItsEntry), "a refusal that names no entry: \(users.disabled)")
    claim(users.disabled.contains { $0.contains("entry 1 ") }, "a wrong key is not told of: \(users.disabled)")
  } catch {
    claim(false, "one entry's values spoil the file: \(error.sentence)")
  }
}

private func namesItsEntry(_ sentence: String) -> Bool {
  sentence.contains(/^users\.yaml: (users_id_mapping, )?entry [0-9]+/) && sentence.utf8.count < 1000
}

/// A value as YAML's double quotes hold it.
private func quoted(_ bytes: ArraySlice<UInt8>) -> String {
  let scalars = String(decoding: bytes, as: UTF8.self).unicodeScalars.map { scalar in
    switch scalar {
    case "\"", "\\": "\\\(scalar)"
    case " "..."~": String(scalar)
    default:
      "\\U" + String(repeating: "0", count: 8 - String(scalar.value, radix: 16).count) + String(scalar.value, radix: 16)
    }
  }
  return "\"" + scalars.joined() + "\""
}
