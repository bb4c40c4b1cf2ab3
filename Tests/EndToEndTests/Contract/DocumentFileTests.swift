import Foundation
import TestSupport
import Testing

/// The files of the document, by programs that know OpenAPI. What they say is compared with the code in `ContractDocumentTests`.
@Suite("The document's files")
struct DocumentFileTests {
    @Test("The copy as JSON says what the YAML says")
    func copy() throws {
        try Self.expectSuccess("python", "\(TestTools.tests)/Contract/document.py", "--check")
    }

    @Test("It is OpenAPI 3.1", arguments: ["openapi.yaml", "openapi.json"])
    func validity(name: String) throws {
        try Self.expectSuccess("openapi-spec-validator", "\(TestTools.tests)/../http/\(name)")
    }

    @Test("Every example fits its schema")
    func examples() throws {
        let output = try Self.expectSuccess("python", "\(TestTools.tests)/Contract/examples.py")
        let count = try #require(output.firstMatch(of: /(\d+) examples/).flatMap { Int($0.output.1) })
        #expect(count > 50)
    }

    @discardableResult
    private static func expectSuccess(
        _ tool: String, _ arguments: String..., sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> String {
        let (status, output, errors) = try Program.run(try TestTools.path(of: tool), arguments)
        #expect(status == 0, "\(output)\(errors)", sourceLocation: sourceLocation)
        return output
    }
}
