import Foundation
import TestSupport
import Testing

/// The console as people use it: scenarios of `Tests/Browser/console_*.py`, each in browsers of several kinds, on services of their own.
@Suite("The console", .serialized)
struct ConsoleTests {
    /// A script, and how much it looks at in the least.
    struct Scenario: Sendable, CustomStringConvertible {
        let name: String
        /// What it checks in whichever browser; a script that stops looking is no proof.
        let checksMin: Int
        var description: String { name }
    }

    /// The kinds of browser that `VARIANTS` of console.py describes.
    enum Variant: String, Sendable, CaseIterable { case desktop, phone, narrow }

    private static let scenarios = [
        Scenario(name: "create", checksMin: 32),
        Scenario(name: "credits", checksMin: 70),
        Scenario(name: "detail", checksMin: 78),
        Scenario(name: "list", checksMin: 40),
        Scenario(name: "live", checksMin: 37),
        Scenario(name: "network", checksMin: 41),
        Scenario(name: "pages", checksMin: 90),
        Scenario(name: "sign_in", checksMin: 31),
        Scenario(name: "webhooks", checksMin: 43),
    ]

    @Test("does what it should, on every screen", arguments: scenarios, Variant.allCases)
    func scenario(_ scenario: Scenario, variant: Variant) async throws {
        let report = try await Stage.run { stage in
            try await stage.browse(
                "console_\(scenario.name)",
                [
                    "personas": .string(try BuiltBinary.path()), "variant": .string(variant.rawValue),
                    "scenario": .string(scenario.name),
                ])
        }
        report.expectAll()
        #expect(report.checks.count >= scenario.checksMin, "\(report.checks.map(\.name))")
    }

    @Test("has no scenario that is not run")
    func scripts() throws {
        let scripts = try FileManager.default.contentsOfDirectory(atPath: "\(TestTools.tests)/Browser")
            .filter { $0.hasPrefix("console_") && $0.hasSuffix(".py") }
        #expect(Set(scripts) == Set(Self.scenarios.map { "console_\($0.name).py" }))
    }
}
