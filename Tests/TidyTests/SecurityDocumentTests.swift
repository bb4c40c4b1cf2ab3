import Foundation
import Testing

/// The threat model names the tests that prove it, and these are there.
@Suite("The threat model")
struct SecurityDocumentTests {
    private static let document = ".github/SECURITY.md"

    /// The names of all tests, as `Suite/test`.
    private static func tests() throws -> Set<String> {
        var tests: Set<String> = []
        for file in try SourceTree.files(under: "Tests") {
            var (type, isTest) = ("", false)
            for line in file.lines {
                // Tests in an extension belong to the suite of the type.
                if let match = line.firstMatch(of: /^(?:final )?(?:struct|class|enum|actor|extension) (\w+)/) {
                    type = String(match.output.1)
                }
                if line.hasPrefix("    @Test") { isTest = true }
                guard isTest, let match = line.firstMatch(of: /^    (?:static )?func (\w+)/) else { continue }
                tests.insert("\(type)/\(match.output.1)")
                isTest = false
            }
        }
        return tests
    }

    @Test("Every test that it names exists, and every risk of the OWASP API Security Top 10 names one")
    func namedTests() throws {
        let tests = try Self.tests()
        var (risk, risks): (String, [String: Int]) = ("", [:])
        for line in try SourceTree.text(of: Self.document).split(separator: "\n") {
            if line.hasPrefix("### ") { risk = String(line.dropFirst(4).prefix { $0 != " " }) }
            for match in line.matches(of: /`(\w+Tests\/\w+)`/) {
                let test = String(match.output.1)
                let exists = tests.contains(test)
                #expect(exists, "\(Self.document) names \(test), which does not exist: name one that does")
                risks[risk, default: 0] += 1
            }
        }
        for number in 1...10 {
            #expect(risks["API\(number)", default: 0] >= 1, "API\(number) names no test: add the one that proves its protection")
        }
    }

    @Test("The names of its tests fit a line")
    func lines() throws {
        for line in try SourceTree.text(of: Self.document).split(separator: "\n") where line.contains("Tests/") {
            #expect(line.count <= 150, "\(line.prefix(60))… is too long: break it")
        }
    }

    @Test("Its reader can tell a test that exists from one that does not")
    func reader() throws {
        let tests = try Self.tests()
        #expect(tests.contains("SecurityDocumentTests/reader"))
        // In an extension, in a file of its own.
        #expect(tests.contains("ClientChecklistTests/retryAfter"))
        #expect(!tests.contains("SecurityDocumentTests/retryAfter"))
        #expect(!tests.contains("SecurityDocumentTests/tests"), "no test, but a function")
    }
}
