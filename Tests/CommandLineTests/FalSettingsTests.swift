import Foundation
import Personas
import PersonasOutbound
import TestSupport
import Testing

@testable import PersonasCLI

@Suite("Settings of the trainer at fal")
struct FalSettingsTests {
    private static func flags(_ folder: String) throws -> [String: String] {
        try Data(#"{"images": "{{reference_urls}}"}"#.utf8).write(to: URL(fileURLWithPath: "\(folder)/input.json"))
        return [
            "trainer": "fal", "fal-key": "id:secret", "fal-model": "acme/portrait", "fal-input": "\(folder)/input.json",
            "fal-portrait-pointer": "/images/0/url", "public-url": "https://api.example",
        ]
    }

    private static func settings(_ flags: [String: String]) throws -> Settings {
        try Settings(flags: flags, configurationFile: nil, environment: [:])
    }

    @Test("Those that are whole have the defaults of fal, and a job's lease outlasts its time")
    func whole() throws {
        try withTemporaryFolder("fal-settings") { folder in
            let settings = try Self.settings(try Self.flags(folder))
            let fal = try FalSettings(settings)
            #expect(fal.queue.queueURL.text == "https://queue.fal.run/" && fal.queue.key == "id:secret")
            #expect(fal.keysURLs == ["https://rest.fal.ai/.well-known/jwks.json", "https://rest.alpha.fal.ai/.well-known/jwks.json"])
            #expect(fal.trainer.webhookURL == "https://api.example/v2/training/fal/webhook")
            #expect(fal.trainer.timeoutSeconds == 3_600 && fal.trainer.pollPause == .seconds(10))
            #expect(LeasePolicy(settings) == FalRules.leasePolicy(timeoutSeconds: 3_600))
            var flags = try Self.flags(folder)
            flags["fal-jwks-url"] = "https://keys.example/jwks"
            #expect(try FalSettings(try Self.settings(flags)).keysURLs == ["https://keys.example/jwks"])
        }
    }

    @Test("What is missing or cannot be is named, under CONFIG_ERROR and 78")
    func faults() throws {
        try withTemporaryFolder("fal-settings") { folder in
            try Data("[]".utf8).write(to: URL(fileURLWithPath: "\(folder)/list.json"))
            let faults: [(name: String, value: String?, words: String)] =
                ["fal-key", "fal-model", "fal-input", "fal-portrait-pointer", "public-url"].map {
                    ($0, nil, "is missing: give --\($0) or set PERSONAS_\($0.uppercased().replacing("-", with: "_"))")
                } + [
                    ("fal-key", "a b", "must be visible characters of ASCII"), ("fal-key", "a\r\nb", "must be visible characters of ASCII"),
                    ("fal-model", "acme", "must be of the form owner/app"), ("fal-input", folder, "names a file that cannot be read"),
                    ("fal-input", "\(folder)/none", "names a file that cannot be read"),
                    ("fal-input", "\(folder)/list.json", "must be a JSON object (in \(folder)/list.json)"),
                    ("fal-portrait-pointer", "images/0", "must be a JSON pointer"),
                    ("fal-portrait-pointer", "/a~", "must be a JSON pointer"),
                    ("fal-queue-url", "http://queue.example", "must be an address that begins with https://"),
                    ("fal-queue-url", "queue.example", "must be an address that begins with https://"),
                    ("fal-jwks-url", "http://keys.example", "must be an address that begins with https://"),
                    ("public-url", "http://api.example", "must be an address that begins with https://"),
                ]
            for fault in faults {
                var flags = try Self.flags(folder)
                flags[fault.name] = fault.value
                let settings = try Self.settings(flags)
                let failure = try #require(throws: Failure.self) { try FalSettings(settings) }
                guard case .providerConfiguration(fault.name, let reason) = failure else {
                    Issue.record("\(failure)")
                    continue
                }
                #expect(reason.hasPrefix(fault.words), "\(reason)")
                let shown = CommandFailure(failure)
                #expect(shown.status == .configuration && shown.line == "personas: CONFIG_ERROR: \(fault.name): \(reason)")
            }
        }
    }

    @Test("For development fal may be on this machine, without TLS")
    func development() throws {
        try withTemporaryFolder("fal-settings") { folder in
            var flags = try Self.flags(folder)
            flags["development-downloads"] = "true"
            for name in ["fal-queue-url", "fal-jwks-url", "public-url"] { flags[name] = "http://127.0.0.1:8081" }
            #expect(try FalSettings(try Self.settings(flags)).queue.queueURL.port == 8_081)
        }
    }
}
