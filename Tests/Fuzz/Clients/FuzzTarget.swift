/// The readers of what clients, issuers of tokens and hosts send: one program, made by `deploy/fuzz.sh`.
enum FuzzTarget: String {
  case request, chunked, form, multipart, percent, host, header, token, knownhosts, archive

  func run(_ input: UnsafeRawBufferPointer) {
    switch self {
    case .request: requestProperty(input)
    case .chunked: chunkedProperty(input)
    case .form: formProperty(input)
    case .multipart: multipartProperty(input)
    case .percent: percentProperty(input)
    case .host: hostProperty(input)
    case .header: headerProperty(input)
    case .token: tokenProperty(input)
    case .knownhosts: knownHostsProperty(input)
    case .archive: archiveProperty(input)
    }
  }
}
