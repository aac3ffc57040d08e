/// What callers may have under way, and what the scripts of users get.
extension Setting {
  static let load: [Setting] = [
    Setting(
      name: "WEIR_SUBMIT_BYTES", group: .http, form: .whole(1024...1_073_741_824), standard: "8388608",
      meaning:
        "Maximum bytes of the body of /submit, in place of WEIR_HTTP_BODY_BYTES (larger: 413). The default holds the largest script that Slurm takes by default (4 MB), in base64."
    ),
    Setting(
      name: "WEIR_REQUESTS", group: .http, form: .whole(1...1_000_000), standard: "2000",
      meaning:
        "Requests of users in flight, until the last byte of the answer is sent (more: 503). The service's own requests are not limited."
    ),
    Setting(
      name: "WEIR_REQUESTS_PER_OWNER", group: .http, form: .whole(1...1_000_000), standard: "100",
      meaning:
        "Requests of one user in flight; a submit of the service counts for the user whom the job is for (more: 429)."),
    Setting(
      name: "WEIR_ANSWER_BYTES", group: .http, form: .whole(1_048_576...Int.max), standard: "134217728",
      meaning: "Bytes of long answers to users that wait in memory to be sent (more: 503)."),
    Setting(
      name: "WEIR_ANSWER_BYTES_PER_OWNER", group: .http, form: .whole(1_048_576...Int.max), standard: "33554432",
      meaning:
        "Bytes of long answers to one user that wait in memory to be sent (more: 429). One answer is always sent."),
    Setting(
      name: "WEIR_SITE_SECRETS", group: .executor, form: .choice(["service", "everybody"]), standard: "service",
      meaning:
        "Whose scripts get the site's own credentials, JARVICE_DOCKER_USERNAME and _PASSWORD and those in the addresses of the proxies: only scripts that the service sends, or everybody's. Users can read what their scripts get."
    ),
  ]
}
