import TestImages
import TestSupport
import Testing

/// The reference of the API as its readers have it, in a real browser.
@Suite("The reference page", .serialized)
struct ReferencePageTests {
    /// What a script looked at, on a page of a service of its own.
    private static func report(of script: String) async throws -> BrowserReport {
        try await Stage.run { stage in
            let service = try await stage.serve([])
            let key = try await stage.key()
            return try await stage.browse(
                script, ["address": .string(service.address), "key": .string(key.secret), "images": Picture.threeBase64()])
        }
    }

    @Test("shows every call to everybody and has them try it, by mouse and by keys alone")
    func use() async throws {
        let report = try await Self.report(of: "reference_page")
        report.expectAll()
        // A script that stops looking is no proof.
        #expect(report.checks.count >= 73, "\(report.checks.map(\.name))")
    }

    @Test("fits every screen, in the light and in the dark, with nothing that axe finds")
    func screens() async throws {
        let report = try await Self.report(of: "reference_page_screens")
        report.expectAll()
        #expect(report.checks.count >= 15, "\(report.checks.map(\.name))")
    }
}
