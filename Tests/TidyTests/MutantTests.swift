import Foundation
import TestSupport
import Testing

/// The table of `.ci/mutants`, which is not run every day, does not fall behind the code.
@Suite("The mutants")
struct MutantTests {
    @Test("Each of their lines is there exactly once, and each test that is to notice one is there")
    func table() throws {
        let (status, output, errors) = try Program.run("bash", ["\(SourceTree.root)/.ci/mutants", "--check"])
        let text = output + errors
        #expect(status == 0, "\(text)bring the table at the end of .ci/mutants up to date")
        // The seven that lived once, and fifty more.
        let count = try #require(text.firstMatch(of: /([0-9]+) mutants, 0 stale/).flatMap { Int($0.output.1) }, "\(text)")
        #expect(count >= 57)
    }
}
