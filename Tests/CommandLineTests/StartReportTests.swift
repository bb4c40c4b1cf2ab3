import BuildVersion
import Foundation
import Logging
import Personas
import TestSupport
import Testing

@testable import PersonasCLI

@Suite("What a server says of itself once it listens")
struct StartReportTests {
    private func report(_ flags: [String: String]) throws -> StartReport {
        let settings = try Settings(flags: flags, configurationFile: nil, environment: [:])
        return StartReport(
            settings: settings, place: try StorePlace(settings, environment: [:]), connectionsMax: 77, address: "http://127.0.0.1:8080",
            links: settings.publicURL ?? "http://127.0.0.1:8080")
    }

    @Test("is one line with version, address, data folder, links, trainer and limits")
    func line() throws {
        let recorder = LogRecorder()
        try report([
            "data": "some/../folder", "trainer": "worker", "public-url": "https://a.example", "drain-seconds": "3",
            "cors-origins": "https://a.example,*",
        ]).log(to: recorder.logger)
        let line = try #require(recorder.lines.first)
        #expect(recorder.lines.count == 1 && line.message == "listening")
        let expected = [
            "address": "http://127.0.0.1:8080", "version": BuildVersion.text, "trainer": "worker", "public_url": "https://a.example",
            "data": FileManager.default.currentDirectoryPath + "/folder", "host": "127.0.0.1", "connections_max": "77",
            "cors_origins": "2", "development_downloads": "false", "drain_seconds": "3", "grace_seconds": "10",
            "body_bytes_max": "67108864",
        ]
        for (name, value) in expected { #expect(line.metadata[name] == value, "\(name)") }
    }

    @Test(
        "warns of links that lead others to themselves, and of no others",
        arguments: [
            (["host": "0.0.0.0"], true), (["host": "::"], true), (["host": "0.0.0.0", "public-url": "https://a.example"], false),
            (["host": "127.0.0.1"], false), (["host": "192.0.2.1"], false), ([:], false),
        ] as [([String: String], Bool)])
    func warning(flags: [String: String], isWarned: Bool) throws {
        let recorder = LogRecorder()
        try report(flags).log(to: recorder.logger)
        #expect(recorder.lines.map(\.level) == (isWarned ? [.info, .warning] : [.info]))
        #expect(recorder.lines.last?.message.contains("public-url") == isWarned)
    }

    @Test("Hummingbird's servers say nothing more once they are broken off, and everybody else does")
    func brokenOff() throws {
        let recorder = LogRecorder()
        let brokenOff = WakeSignal()
        let logger = recorder.logger.ofServer(until: brokenOff)
        func log() {
            logger.error("Waiting on child channel: CancellationError()", source: "HummingbirdCore")
            logger.error("ours", source: "PersonasHTTP")
        }
        log()
        #expect(recorder.lines.count == 2)
        brokenOff.notify()
        log()
        #expect(recorder.lines.map(\.message).suffix(1) == ["ours"] && recorder.lines.count == 3)
    }
}
