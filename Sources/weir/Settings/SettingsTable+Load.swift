/// Limits of the requests in flight, and the secrets that scripts of users get.
extension Setting {
  static let load: [Setting] = [
    Setting(
      name: "WEIR_SUBMIT_BYTES", group: .http, form: .whole(1024...1_073_741_824), standard: "8388608",
      meaning:
        "Maximum bytes of the body of /submit, instead of WEIR_HTTP_BODY_BYTES (larger: 413). The default holds the largest script that Slurm accepts by default (4 MB), in base64."
    ),
    Setting(
      name: "WEIR_REQUESTS", group: .http, form: .whole(1...1_000_000), standard: "2000",
      meaning:
        "Maximum number of requests of users in flight, until the last byte of the response is sent (more: 503). Requests of the service are not limited."
    ),
    Setting(
      name: "WEIR_REQUESTS_PER_OWNER", group: .http, form: .whole(1...1_000_000), standard: "100",
      meaning:
        "Maximum number of requests of one user in flight (more: 429). A submission by the service counts for the user whom the job is for."
    ),
    Setting(
      name: "WEIR_ANSWER_BYTES", group: .http, form: .whole(1_048_576...Int.max), standard: "134217728",
      meaning: "Maximum bytes of long responses to users that wait in memory to be sent (more: 503)."),
    Setting(
      name: "WEIR_ANSWER_BYTES_PER_OWNER", group: .http, form: .whole(1_048_576...Int.max), standard: "33554432",
      meaning:
        "Maximum bytes of long responses to one user that wait in memory to be sent (more: 429). One response is always sent."
    ),
    Setting(
      name: "WEIR_SITE_SECRETS", group: .executor, form: .choice(["service", "everybody"]), standard: "service",
      meaning:
        "Whose scripts get the site's credentials (JARVICE_DOCKER_USERNAME and _PASSWORD, and those in the addresses of the proxies): `service`: only scripts that the service submits; `everybody`: all scripts. Users can read what their scripts get."
    ),
  ]
}
