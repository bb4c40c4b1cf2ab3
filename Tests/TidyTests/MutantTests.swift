import Foundation
import Testing

/// The table of `.ci/mutants`, which is not run every day, does not fall behind the code.
@Suite("The mutants")
struct MutantTests {
    @Test("Each of their lines is there exactly once, and each test that is to notice one is there")
    func table() throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["bash", "\(SourceTree.root)/.ci/mutants", "--check"]
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let text = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "\(text)bring the table at the end of .ci/mutants up to date")
        // The seven that lived once, and fifty more.
        let count = try #require(text.firstMatch(of: /([0-9]+) mutants, 0 stale/).flatMap { Int($0.output.1) }, "\(text)")
        #expect(count >= 57)
    }
}
