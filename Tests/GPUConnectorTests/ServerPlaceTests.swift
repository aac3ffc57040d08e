import Foundation
import JobModel
import Testing

@testable import GPUConnector
@testable import JobEngine

@Suite("Where the jobs of a server are")
struct ServerPlaceTests {
  private func job(_ outputPath: String?, on server: String? = "alpha") -> Job {
    Job(
      id: "T", key: JobKey(name: "job", number: 1), owner: "kirby", account: "kirby", connector: "gpu",
      submissionToken: "T",
      fingerprint: "", lifecycle: .running,
      contact: Contact(seenAt: Date(), source: "queue"),
      attempt: Attempt(backendID: "T", outputPath: outputPath, nodes: server.map { [$0] } ?? []), submittedAt: Date())
  }

  @Test(
    "Is kept in the store and read again",
    arguments: [
      ServerPlace(user: "weir", host: "alpha.example.com", port: 22, root: ".weir"),
      ServerPlace(user: "w-1", host: "fe80::1%eth0", port: 65535, root: "/scratch/jobs/a b".replacing(" ", with: "_")),
    ])
  func roundTrip(place: ServerPlace) {
    let path = place.outputPath(server: "alpha", token: "T")
    #expect(job(path).place == place)
    // Put back and given another server since, it is in no earlier place of that one.
    #expect(job(path, on: "beta").place == nil && job(path, on: nil).place == nil)
  }

  @Test(
    "Is not known where nothing, or something else, is written",
    arguments: [
      nil, "", "jobs/T", "alpha jobs/T", "alpha weir@[h]:22:.weir/jobs/U", "alpha weir@[h]:x:.weir/jobs/T",
      "alpha weir@[h]:22:/jobs/T", "alpha weir@h:22:.weir/jobs/T", "alpha we ir@[h]:22:.weir/jobs/T",
    ])
  func unknown(path: String?) { #expect(job(path).place == nil) }
}
