import Foundation
import Testing

/// The threat model names the tests that prove it, and these are there.
@Suite("The threat model")
struct SecurityDocumentTests {
    private static let document = ".github/SECURITY.md"

    /// The tests of every suite, by the names that people read: a suite may be named in several files.
    private static func tests() throws -> [String: Set<String>] {
        var tests: [String: Set<String>] = [:]
        var testsOfTypes: [String: Set<String>] = [:]
        var suitesOfTypes: [String: String] = [:]
        for file in try SourceTree.files(under: "Tests") {
            let text = file.lines.joined(separator: "\n")
            // Tests in an extension belong to the suite of the type.
            let names = Set(text.matches(of: /@Test\(\s*"((?:[^"\\]|\\.)*)"/).map { String($0.output.1).replacing("\\\"", with: "\"") })
            for match in text.matches(of: /@Suite\(\s*"((?:[^"\\]|\\.)*)"[^{]*?\n(?:final )?(?:struct|class|enum|actor) (\w+)/) {
                tests[String(match.output.1), default: []].formUnion(names)
                suitesOfTypes[String(match.output.2)] = String(match.output.1)
            }
            for match in text.matches(of: /\nextension (\w+) \{/) { testsOfTypes[String(match.output.1), default: []].formUnion(names) }
        }
        for (type, names) in testsOfTypes { if let suite = suitesOfTypes[type] { tests[suite, default: []].formUnion(names) } }
        return tests
    }

    @Test("Every test that it names exists, and every line of the OWASP API Security Top 10 names one")
    func namedTests() throws {
        let tests = try Self.tests()
        let lines = try SourceTree.text(of: Self.document).split(separator: "\n")
        var rows: [String: Int] = [:]
        for line in lines where line.hasPrefix("| ") {
            for match in line.matches(of: /`([^`]+) › ([^`]+)`/) {
                let (suite, test) = (String(match.output.1), String(match.output.2))
                #expect(
                    tests[suite]?.contains(test) == true,
                    "\(Self.document) names \(suite) › \(test), which does not exist: name one that does")
                rows[String(line.dropFirst(2).prefix { $0 != " " }), default: 0] += 1
            }
        }
        for number in 1...10 {
            #expect(rows["API\(number)", default: 0] >= 1, "API\(number) names no test: add the one that proves its protection")
        }
    }

    @Test("Its reader can tell a test that exists from one that does not")
    func reader() throws {
        let tests = try Self.tests()
        #expect(tests["The threat model"]?.contains("Its reader can tell a test that exists from one that does not") == true)
        #expect(tests["The clients' checklist"]?.contains("18. Retry-After is an integer") == true)
        #expect(tests["The threat model"]?.contains("18. Retry-After is an integer") == false)
        #expect(tests["No such suite"] == nil)
    }
}
