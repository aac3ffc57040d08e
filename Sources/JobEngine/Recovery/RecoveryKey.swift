import ConnectorAPI
import Foundation
import JobModel

/// The key by which jobs in the backend are recovered for a store that was lost: it signs the marks that they carry, and
/// only this installation has it, so that neither a user's own job nor that of another Weir passes for one of ours.
public struct RecoveryKey: Sendable {
  private let key: [UInt8]
  /// The account that an owner's jobs run as now; nil for nobody's.
  let accountOf: @Sendable (_ owner: String) -> String?

  /// - Parameter secret: as hard to guess as a private key, since every user of the cluster sees what is made with it.
  ///   It must outlive the store.
  public init(secret: [UInt8], accountOf: @escaping @Sendable (_ owner: String) -> String?) {
    key = Array(hmacSHA256(Array("weir adoption".utf8), key: secret).utf8)
    self.accountOf = accountOf
  }

  func mark(of submission: JobSpec, token: String, fingerprint: String) -> Mark {
    let content = self.content(token: token, fingerprint: fingerprint)
    let seal = seal(
      token: token, name: submission.name, number: submission.number, owner: submission.owner,
      account: submission.account, content: content)
    return Mark(
      token: token, claim: .init(number: submission.number, owner: submission.owner, content: content, seal: seal))
  }

  /// A keyed digest by which the same submission is known again.
  func content(token: String, fingerprint: String) -> String {
    String(hmacSHA256(delimited(["content", token, fingerprint]), key: key).prefix(16))
  }

  private func seal(token: String, name: String, number: Int, owner: String, account: String, content: String)
    -> String
  {
    String(hmacSHA256(delimited(["seal", token, name, String(number), owner, account, content]), key: key).prefix(24))
  }

  /// The job that a report shows, if it was submitted here, by somebody whose jobs still run as that account.
  func job(shownBy report: JobReport, connector: any Connector, at time: Date) -> Job? {
    guard !report.isRefusal, let mark = report.mark, let claim = mark.claim, let name = report.name,
      let account = report.account,
      accountOf(claim.owner) == account,
      claim.seal
        == seal(
          token: mark.token, name: name, number: claim.number, owner: claim.owner, account: account,
          content: claim.content)
    else { return nil }
    // What was asked is lost but for what the mark says; where its output goes follows from that.
    let submission = JobSpec(
      name: name, number: claim.number, owner: claim.owner, account: account, nodes: 1, coresPerNode: 1, request: "",
      script: "", shownScript: "")
    var job = Job(
      submission, token: mark.token, fingerprint: Job.adoptedFingerprint + claim.content, connector: connector,
      now: report.submittedAt ?? time)
    do throws(IllegalTransition) { try job.apply(.reported(report), at: time) } catch { return nil }
    return job
  }
}
