import Foundation
import TestImages
import TestSupport
import Testing

/// The service as pages of other origins see it, in a real browser.
@Suite("Browsers", .serialized)
struct CrossOriginBrowserTests {
    private static let bodyBytesMax = 100_000

    @Test("let pages of listed origins use the whole service, and no others")
    func pages() async throws {
        try await Stage.run { stage in
            try await Stage.run { closed in
                let origins = ["--cors-origins", "http://app.example,http://*.sub.example"]
                let service = try await stage.serve(origins + ["--body-bytes-max", "\(Self.bodyBytesMax)"])
                let key = try await stage.key()
                let closedService = try await closed.serve(origins)
                let command = try await closed.command("maintenance", "on", "--retry-after", "77")
                try #require(command.exit == .status(0), "\(command)")
                let report = try await stage.browse(
                    "cross_origin",
                    [
                        "api": .string(service.address), "closed_api": .string(closedService.address), "key": .string(key.secret),
                        "images": Picture.threeBase64(), "body_bytes_max": .integer(Self.bodyBytesMax),
                    ])
                report.expectAll()
                // A script that stops looking is no proof.
                #expect(report.checks.count >= 59, "\(report.checks.map(\.name))")
                // What was refused to a page was done by none: the browser asked first.
                let answers = service.log("request").filter { $0["method"] == "DELETE" }
                #expect(answers.isEmpty, "\(answers)")
            }
        }
    }
}
