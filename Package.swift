// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

// With the path of libFuzzer's archive the parsers are built for it; only .ci/fuzz sets this, because such a build is good for nothing else.
let fuzzerRuntime = Context.environment["PERSONAS_FUZZER_RUNTIME"]
let parserSettings = settings + (fuzzerRuntime == nil ? [] : [.unsafeFlags(["-sanitize=fuzzer,address"])])

let package = Package(
    name: "personas",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "personas", targets: ["PersonasCLI"]),
        .library(name: "ErrorEnvelope", targets: ["ErrorEnvelope"]),
        .library(name: "ErrorEnvelopeHummingbird", targets: ["ErrorEnvelopeHummingbird"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        // The domain: what a persona and a style are, and every rule about them.
        .systemLibrary(name: "CUUID", pkgConfig: "uuid", providers: [.apt(["uuid-dev"])]),
        .target(name: "Personas", dependencies: ["CUUID"], swiftSettings: parserSettings),

        // What adapters share and the domain has no use for: how numbers are told, and how texts are written into JSON.
        .target(
            name: "PersonasMetrics", dependencies: [.product(name: "CoreMetrics", package: "swift-metrics")], swiftSettings: settings),
        .target(name: "JSONText", swiftSettings: parserSettings),

        // How the service remembers.
        .systemLibrary(name: "CFileUser"),
        .systemLibrary(name: "CSQLiteSettings", providers: [.apt(["libsqlite3-dev"])]),
        // libpq as it is opened at run time, by those who have PostgreSQL.
        .target(name: "CPostgreSQL", path: "db/postgres/CPostgreSQL"),
        .target(
            name: "PersonasDB",
            dependencies: [
                "CFileUser",
                "CPostgreSQL",
                "CSQLiteSettings",
                "Personas",
                "PersonasMetrics",
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "GRDBSQLite", package: "GRDB.swift"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            path: "db",
            exclude: ["README.md", "postgres/CPostgreSQL", "s3"],
            resources: [.embedInCode("sqlite/migrations"), .embedInCode("postgres/migrations"), .embedInCode("seeds")],
            swiftSettings: settings
        ),
        .target(
            name: "PersonasS3",
            dependencies: [
                "Personas",
                "PersonasMetrics",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            path: "db/s3",
            swiftSettings: settings
        ),

        // How the service speaks.
        .target(name: "ErrorEnvelope", dependencies: ["JSONText"], path: "http/Envelope", swiftSettings: parserSettings),
        .target(
            name: "PersonasWire",
            dependencies: ["JSONText", "Personas", .product(name: "Crypto", package: "swift-crypto")],
            path: "http/Wire",
            swiftSettings: parserSettings
        ),
        .target(
            name: "ErrorEnvelopeHummingbird",
            dependencies: [
                "ErrorEnvelope",
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
            ],
            path: "http/EnvelopeMiddleware",
            swiftSettings: settings
        ),
        .target(
            name: "PersonasOutbound",
            dependencies: [
                "Personas",
                "PersonasMetrics",
                "PersonasWire",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ],
            path: "http/Outbound",
            swiftSettings: settings
        ),
        // What the executable carries of http/openapi.yaml, http/openapi.json, http/console and http/docs.
        .target(name: "CEmbedded", path: "http/Embedded"),
        .target(
            name: "PersonasHTTP",
            dependencies: [
                "CEmbedded",
                "ErrorEnvelope",
                "ErrorEnvelopeHummingbird",
                "Personas",
                "PersonasMetrics",
                "PersonasWire",
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            path: "http",
            exclude: [
                "console", "docs", "Embedded", "Envelope", "EnvelopeMiddleware", "openapi.json", "openapi.yaml", "Outbound", "README.md",
                "samples", "shared", "Wire",
            ],
            swiftSettings: settings
        ),

        // Which version this is, with the commit that git names at each build.
        .plugin(name: "CommitPlugin", capability: .buildTool(), path: "Sources/CommitPlugin"),
        .target(name: "BuildVersion", swiftSettings: settings, plugins: ["CommitPlugin"]),

        // The executable, which ties everything together.
        .systemLibrary(name: "CAllocator"),
        .executableTarget(
            name: "PersonasCLI",
            dependencies: [
                "BuildVersion",
                "CAllocator",
                "ErrorEnvelope",
                "ErrorEnvelopeHummingbird",
                "JSONText",
                "Personas",
                "PersonasDB",
                "PersonasHTTP",
                "PersonasMetrics",
                "PersonasOutbound",
                "PersonasS3",
                "PersonasWire",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "Configuration", package: "swift-configuration"),
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            swiftSettings: settings
        ),

        .testTarget(
            name: "CommandLineTests",
            dependencies: [
                "ErrorEnvelope",
                "ErrorEnvelopeHummingbird",
                "Personas",
                "PersonasCLI",
                "PersonasDB",
                "PersonasHTTP",
                "PersonasS3",
                "PersonasOutbound",
                "TestImages",
                "TestSupport",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "Configuration", package: "swift-configuration"),
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ],
            path: "Tests/CommandLineTests",
            swiftSettings: settings
        ),
        // What tests and measuring programs share. It knows nothing of the product, so that tests of a part that stands alone can use it.
        .target(
            name: "TestSupport",
            dependencies: [.product(name: "Logging", package: "swift-log")],
            path: "Tests/Support",
            exclude: ["Fal", "Images", "Life", "ObjectStore", "Postgres"],
            swiftSettings: settings
        ),
        // Pictures for all of them, right and wrong.
        .target(
            name: "TestImages",
            dependencies: ["Personas", "TestSupport", .product(name: "Crypto", package: "swift-crypto")],
            path: "Tests/Support/Images",
            swiftSettings: settings
        ),
        // A PostgreSQL server for the time of the tests.
        .target(name: "TestPostgres", dependencies: ["TestSupport"], path: "Tests/Support/Postgres", swiftSettings: settings),
        // The lives of items as a model, which rules and stores are held against.
        .target(name: "TestLife", dependencies: ["Personas", "TestSupport"], path: "Tests/Support/Life", swiftSettings: settings),
        // A fal to train at, without the real one and its bills.
        .target(
            name: "TestFal",
            dependencies: [
                "TestSupport",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdTesting", package: "hummingbird"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ],
            path: "Tests/Support/Fal",
            swiftSettings: settings
        ),
        // A store of objects that checks signatures as those of providers do: OpenStack Swift, in a process of its own.
        .target(
            name: "TestObjectStore", dependencies: ["TestSupport"], path: "Tests/Support/ObjectStore", exclude: ["server.py"],
            swiftSettings: settings),
        // Measures the built executable; no test. See .ci/benchmark.
        .executableTarget(
            name: "PersonasBenchmark",
            dependencies: [
                "Personas",
                "PersonasWire",
                "TestImages",
                "TestPostgres",
                "TestSupport",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            path: "Tests/Benchmarks",
            exclude: ["Peers"],
            swiftSettings: settings
        ),
        // Attacks on the built executable and what must hold meanwhile; the tests run short forms of them, .ci/hostile the whole.
        .target(name: "HostileLoad", dependencies: ["TestImages", "TestSupport"], path: "Tests/Hostile/Load", swiftSettings: settings),
        .executableTarget(
            name: "PersonasHostile",
            dependencies: ["HostileLoad", "TestSupport", .product(name: "ArgumentParser", package: "swift-argument-parser")],
            path: "Tests/Hostile/Command",
            swiftSettings: settings
        ),

        .testTarget(
            name: "EndToEndTests",
            dependencies: [
                "HostileLoad",
                "Personas",
                // Not imported: the tests start the executable, which is built beside them because it stands here.
                "PersonasCLI",
                "TestFal",
                "TestImages",
                "TestObjectStore",
                "TestPostgres",
                "TestSupport",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "EnvelopeTests",
            dependencies: [
                "ErrorEnvelope",
                "ErrorEnvelopeHummingbird",
                "TestSupport",
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdTesting", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
                .product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "PersonasDBTests",
            dependencies: [
                "Personas",
                "PersonasDB",
                "TestImages",
                "TestLife",
                "TestPostgres",
                "TestSupport",
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "GRDBSQLite", package: "GRDB.swift"),
                .product(name: "MetricsTestKit", package: "swift-metrics"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            path: "Tests/PersonasDBTests",
            swiftSettings: settings
        ),
        .testTarget(
            name: "PersonasHTTPTests",
            dependencies: [
                "ErrorEnvelope",
                "ErrorEnvelopeHummingbird",
                "Personas",
                "PersonasCLI",
                "PersonasDB",
                "PersonasHTTP",
                "PersonasMetrics",
                "PersonasS3",
                "PersonasWire",
                "TestImages",
                "TestObjectStore",
                "TestPostgres",
                "TestSupport",
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdTesting", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            path: "Tests/PersonasHTTPTests",
            swiftSettings: settings
        ),
        .testTarget(
            name: "PersonasMetricsTests",
            dependencies: [
                "TestSupport",
                "PersonasMetrics",
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "MetricsTestKit", package: "swift-metrics"),
            ],
            path: "Tests/PersonasMetricsTests",
            swiftSettings: settings
        ),
        .testTarget(
            name: "PersonasOutboundTests",
            dependencies: [
                "Personas",
                "PersonasOutbound",
                "PersonasWire",
                "TestFal",
                "TestSupport",
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "MetricsTestKit", package: "swift-metrics"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "NIOTLS", package: "swift-nio"),
            ],
            path: "Tests/PersonasOutboundTests",
            swiftSettings: settings
        ),
        // What is fuzzed and how it is checked; the tests feed it mutated inputs, and .ci/fuzz builds PersonasFuzz around it.
        .target(
            name: "FuzzTargets",
            dependencies: ["ErrorEnvelope", "Personas", "PersonasWire"],
            path: "Tests/Fuzz/Targets",
            swiftSettings: settings
        ),
        .testTarget(name: "FuzzTests", dependencies: ["FuzzTargets", "TestSupport"], path: "Tests/Fuzz/Tests", swiftSettings: settings),
        .testTarget(
            name: "PersonasS3Tests",
            dependencies: [
                "Personas",
                "PersonasS3",
                "TestObjectStore",
                "TestSupport",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "MetricsTestKit", package: "swift-metrics"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            path: "Tests/PersonasS3Tests",
            swiftSettings: settings
        ),
        .testTarget(
            name: "PersonasTests", dependencies: ["Personas", "TestImages", "TestLife", "TestSupport"], path: "Tests/PersonasTests",
            swiftSettings: settings
        ),
        .testTarget(name: "TidyTests", dependencies: ["TestSupport"], swiftSettings: settings),
    ],
    swiftLanguageModes: [.v6]
)

if let fuzzerRuntime {
    package.targets.append(
        .executableTarget(
            name: "PersonasFuzz",
            dependencies: ["FuzzTargets"],
            path: "Tests/Fuzz/Driver",
            swiftSettings: parserSettings + [.unsafeFlags(["-parse-as-library"])],
            linkerSettings: [.unsafeFlags(["-sanitize=address", "-Xlinker", fuzzerRuntime, "-lstdc++"])]
        ))
}
