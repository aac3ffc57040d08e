import ConnectorSupport

extension NVIDIASMI {
  /// A line that nvidia-smi prints beside its rows, or instead of them.
  struct Message: Sendable, Equatable {
    /// Which GPU a line names.
    enum Subject: Sendable, Hashable, CustomStringConvertible {
      /// See ``NVIDIASMI/bus(_:)``.
      case bus(String)
      case uuid(String)
      case index(Int)

      var description: String {
        switch self {
        case .bus(let text), .uuid(let text): text
        case .index(let index): "\(index)"
        }
      }
    }

    enum Kind: Sendable, Equatable {
      /// That there is nothing to list, or no GPU.
      case nothingToTell
      /// By its own word a warning.
      case warning
      /// One GPU does not work.
      case fault(Subject, String)
      /// The whole query has failed.
      case failure
      case other
    }

    /// Bounded.
    let text: String
    let kind: Kind

    /// Nil for a blank line.
    init?(_ line: String) {
      let text = String(line.prefix(300)).trimmed
      guard !text.isEmpty else { return nil }
      self.text = text
      kind = Self.kind(of: text)
    }

    private static func kind(of text: String) -> Kind {
      let lower = text.lowercased()
      // Before 535 the processes of some consumer GPUs are not told.
      if ["no running processes found", "no devices were found", "[not supported]", "not supported", "[n/a]", "n/a"]
        .contains(lower.hasSuffix(".") ? String(lower.dropLast()) : lower)
      {
        return .nothingToTell
      }
      if failures.contains(where: { lower.contains($0) }) { return .failure }
      if lower.hasPrefix("warning") || lower.hasPrefix("attention") { return .warning }
      return fault(in: text).map { .fault($0.subject, $0.words) } ?? .other
    }

    /// Of the driver, its library, the rights or the query: nothing that follows counts.
    private static let failures = [
      "nvidia-smi has failed", "failed to initialize nvml", "nvidia-smi couldn't", "couldn't communicate",
      "libnvidia-ml", "is not a valid field", "invalid combination of input", "insufficient permissions",
      "only one --query", "error while loading shared libraries",
    ]

    /// `Unable to determine the device handle for GPU 0000:3B:00.0: GPU is lost`, with or without the blank before the
    /// bus, `GPU0: 0000:3B:00.0: ...`, `GPU 0: ...`
    private static func fault(in text: String) -> (subject: Subject, words: String)? {
      func words(_ rest: Substring) -> String {
        let words = rest.drop { ": ".contains($0) }.trimmed
        return words.isEmpty ? text : words
      }
      if let match = text.firstMatch(of: /([0-9A-Fa-f]{4,8}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.[0-9A-Fa-f])(.*)/),
        let bus = NVIDIASMI.bus(match.1)
      {
        return (.bus(bus), words(match.2))
      }
      if let match = text.firstMatch(of: /([Gg][Pp][Uu]-[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})(.*)/),
        let uuid = NVIDIASMI.uuid(String(match.1))
      {
        return (.uuid(uuid), words(match.2))
      }
      if let match = text.firstMatch(of: /\b[Gg][Pp][Uu] ?([0-9]{1,4})(?:$|[^0-9A-Za-z.-](.*))/),
        let index = MachineNumber.count(match.1)
      {
        return (.index(index), words(match.2 ?? ""))
      }
      return nil
    }
  }
}

extension NVIDIASMI.Reading {
  /// What the messages say of one GPU; nil when they name it in no fault.
  func fault(index: Int?, uuid: String?, bus: String?) -> String? {
    bus.flatMap { faults[.bus($0)] } ?? uuid.flatMap { faults[.uuid($0)] } ?? index.flatMap { faults[.index($0)] }
  }
}
