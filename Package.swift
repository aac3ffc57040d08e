// swift-tools-version: 6.2

import PackageDescription

/// `WEIR_CHECKPOINTS=1 swift build --scratch-path .build/chaos` makes a Weir that can be killed at named moments, for
/// `deploy/chaos.sh`; no other build has anything of it.
let checkpoints = Context.environment["WEIR_CHECKPOINTS"] == "1"

/// Warnings are errors in our own targets, and only there. No unsafe flag: with one, no other package could use a product.
let strict: [SwiftSetting] = [.treatAllWarnings(as: .error)] + (checkpoints ? [.define("WEIR_CHECKPOINTS")] : [])

/// The modules that know nothing of jobs; each is a product that other packages can use alone.
let libraries = ["Archives", "HTTP", "HTTPClient", "JSON", "SSH", "Shell", "Support", "Templates", "Tokens"]

let package = Package(
  name: "weir",
  products: [.executable(name: "weir", targets: ["WeirMain"])] + libraries.map { .library(name: $0, targets: [$0]) },
  dependencies: [
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    .package(url: "https://github.com/hummingbird-project/swift-mustache", from: "2.1.1"),
  ],
  targets: [
    // System libraries: a module map each, nothing more.
    .systemLibrary(name: "CEpoll"),
    .systemLibrary(name: "CPrctl"),
    .systemLibrary(name: "CProcess"),
    .systemLibrary(name: "CLibCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CLibCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
    .systemLibrary(name: "CLibJWT", pkgConfig: "libjwt", providers: [.apt(["libjwt-dev"])]),
    .systemLibrary(name: "CLibSSH2", pkgConfig: "libssh2", providers: [.apt(["libssh2-1-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),

    // Libraries in their own right: each knows nothing of jobs.
    .target(name: "Support", swiftSettings: strict),
    .target(
      name: "HTTP",
      dependencies: ["CEpoll", "CZlib", "Support", .product(name: "Logging", package: "swift-log")],
      swiftSettings: strict),
    .target(name: "HTTPClient", dependencies: ["CLibCurl"], swiftSettings: strict),
    .target(
      name: "SSH",
      dependencies: ["CLibCrypto", "CLibSSH2", "Shell", "Support", .product(name: "Logging", package: "swift-log")],
      swiftSettings: strict),
    .target(
      name: "Shell",
      dependencies: ["CEpoll", "CProcess", "Support", .product(name: "Logging", package: "swift-log")],
      swiftSettings: strict),
    .target(name: "Archives", dependencies: ["CZlib", "Support"], swiftSettings: strict),
    .target(name: "JSON", swiftSettings: strict),
    .target(name: "YAML", dependencies: [.product(name: "Yams", package: "Yams")], swiftSettings: strict),
    .target(
      name: "Tokens",
      dependencies: ["CLibCrypto", "CLibJWT", "HTTPClient", "JSON", .product(name: "Logging", package: "swift-log")],
      swiftSettings: strict),
    .target(
      name: "Callers",
      dependencies: ["CLibCrypto", "HTTP", "Tokens", .product(name: "Logging", package: "swift-log")],
      swiftSettings: strict),
    .target(
      name: "Access",
      dependencies: [
        "Support", "YAML", .product(name: "Logging", package: "swift-log"), .product(name: "Yams", package: "Yams"),
      ],
      swiftSettings: strict),
    .target(
      name: "Templates",
      dependencies: [.product(name: "Mustache", package: "swift-mustache")],
      swiftSettings: strict),

    // The scripts Weir sends, compiled into the program.
    .target(
      name: "ScriptTemplates",
      dependencies: ["Shell", "Templates"],
      path: "templates",
      resources: [.embedInCode("gpu"), .embedInCode("slurm"), .embedInCode("singularity")],
      swiftSettings: strict),

    // The heart, its connectors, its APIs, the program.
    .target(name: "JobModel", swiftSettings: strict),
    .target(name: "JobStore", dependencies: ["JobModel"], swiftSettings: strict),
    .target(
      name: "JobStoreSQLite",
      dependencies: ["CLibCrypto", "JobModel", "JobStore", "Support", .product(name: "GRDB", package: "GRDB.swift")],
      swiftSettings: strict),
    .target(name: "ConnectorAPI", dependencies: ["JobModel"], swiftSettings: strict),
    .target(
      name: "JobEngine",
      dependencies: [
        "Archives", "CLibCrypto", "CProcess", "ConnectorAPI", "JobModel", "JobStore", "Support",
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: strict),
    .target(
      name: "ConnectorSupport",
      dependencies: ["ConnectorAPI", "Shell"],
      path: "connectors/support/Sources",
      swiftSettings: strict),
    .target(
      name: "SlurmConnector",
      dependencies: ["ConnectorAPI", "ConnectorSupport", "JobModel", "Shell", "ScriptTemplates", "Support"],
      path: "connectors/slurm/Sources",
      swiftSettings: strict),
    .target(
      name: "GPUConnector",
      dependencies: [
        "ConnectorAPI", "ConnectorSupport", "JobModel", "Shell", "ScriptTemplates", "Support", "YAML",
        .product(name: "Logging", package: "swift-log"),
        .product(name: "Yams", package: "Yams"),
      ],
      path: "connectors/gpu/Sources",
      swiftSettings: strict),
    .target(
      name: "DummyConnector",
      dependencies: ["ConnectorAPI", "JobModel"],
      path: "connectors/dummy/Sources",
      swiftSettings: strict),
    .target(
      name: "LegacyAPI",
      dependencies: [
        "Callers", "HTTP", "JSON", "JobModel", "JobEngine", "ScriptTemplates", "Support", "Templates",
      ],
      swiftSettings: strict),
    .target(
      name: "weir",
      dependencies: [
        "Access", "CPrctl", "Callers", "ConnectorAPI", "DummyConnector", "GPUConnector", "HTTP", "JSON", "JobModel",
        "JobStore", "JobStoreSQLite", "JobEngine", "LegacyAPI", "SSH", "ScriptTemplates", "Shell", "SlurmConnector",
        "Support", "Tokens",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: strict),
    .executableTarget(name: "WeirMain", dependencies: ["weir"], swiftSettings: strict),

    // What several tests need: child processes, logs, streams.
    .target(
      name: "TestSupport", dependencies: [.product(name: "Logging", package: "swift-log")], path: "Tests/TestSupport",
      swiftSettings: strict),

    // What every connector must show, in cases that know nothing but ConnectorAPI.
    .target(
      name: "Conformance", dependencies: ["Archives", "ConnectorAPI", "JobModel"], path: "Tests/Conformance",
      swiftSettings: strict),

    // Runs these cases on the connector that the settings of the program name. No product: other packages do not see it.
    .executableTarget(
      name: "ConformanceRunner",
      dependencies: [
        "Conformance", "ConnectorAPI", "JobModel", "weir",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ],
      path: "Tests/ConformanceRunner", swiftSettings: strict),

    .testTarget(name: "SupportTests", dependencies: ["Support"], swiftSettings: strict),
    .testTarget(name: "ArchivesTests", dependencies: ["Archives", "CZlib"], swiftSettings: strict),
    .testTarget(name: "HTTPTests", dependencies: ["HTTP", "CZlib", "Support"], swiftSettings: strict),
    .testTarget(name: "HTTPClientTests", dependencies: ["HTTPClient", "TestSupport"], swiftSettings: strict),
    .testTarget(name: "ShellTests", dependencies: ["Shell", "TestSupport"], swiftSettings: strict),
    .testTarget(name: "SSHTests", dependencies: ["SSH", "Shell", "Support", "TestSupport"], swiftSettings: strict),
    .testTarget(
      name: "TokensTests",
      dependencies: [
        "Tokens", "HTTPClient", "JSON", "CLibCrypto", "TestSupport", .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: strict),
    .testTarget(name: "CallersTests", dependencies: ["Callers", "CLibCrypto"], swiftSettings: strict),
    .testTarget(name: "AccessTests", dependencies: ["Access", "SSH", "Support"], swiftSettings: strict),
    .testTarget(name: "TemplatesTests", dependencies: ["Templates", "ScriptTemplates"], swiftSettings: strict),
    .testTarget(name: "JobModelTests", dependencies: ["JobModel"], swiftSettings: strict),
    .testTarget(name: "ConnectorAPITests", dependencies: ["ConnectorAPI", "JobModel"], swiftSettings: strict),
    .testTarget(
      name: "ConformanceTests",
      dependencies: [
        "Conformance", "ConnectorAPI", "DummyConnector", "GPUConnector", "JobModel",
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: strict),
    .testTarget(
      name: "JobEngineTests",
      dependencies: [
        "Archives", "ConnectorAPI", "DummyConnector", "JobModel", "JobStore", "JobStoreSQLite", "JobEngine", "Support",
        .product(name: "GRDB", package: "GRDB.swift"), .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: strict),
    .testTarget(
      name: "JobStoreSQLiteTests",
      dependencies: ["JobModel", "JobStore", "JobStoreSQLite", .product(name: "GRDB", package: "GRDB.swift")],
      swiftSettings: strict),
    .testTarget(
      name: "SlurmConnectorTests",
      dependencies: [
        "ConnectorAPI", "ConnectorSupport", "JobModel", "JobStoreSQLite", "JobEngine", "SlurmConnector",
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: strict),
    .testTarget(
      name: "GPUConnectorTests",
      dependencies: [
        "Archives", "CZlib", "ConnectorAPI", "GPUConnector", "JobModel", "JobStoreSQLite", "JobEngine",
        "ScriptTemplates", "Shell", "SSH", "Support", "TestSupport", .product(name: "GRDB", package: "GRDB.swift"),
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: strict),
    .testTarget(name: "JSONTests", dependencies: ["JSON"], swiftSettings: strict),
    .testTarget(
      name: "YAMLTests", dependencies: ["YAML", .product(name: "Yams", package: "Yams")], swiftSettings: strict),
    .testTarget(
      name: "LegacyAPITests",
      dependencies: ["ConnectorAPI", "LegacyAPI", "DummyConnector", "JobModel", "JobStoreSQLite"],
      swiftSettings: strict),
    .testTarget(name: "WeirTests", dependencies: ["Access", "weir", "HTTP", "SSH", "Support"], swiftSettings: strict),
  ],
  swiftLanguageModes: [.v6]
)
