import Foundation
import TestSupport
import Testing

/// README.md is where newcomers begin: short, and found through.
@Suite("The README")
struct ReadmeTests {
    private static let linesMax = 350
    private static let firstScreenLines = 40

    @Test("It has at most 350 lines, and a request that works on the first screen")
    func length() throws {
        let document = try MarkdownDocument("README.md")
        #expect(document.lines.count <= Self.linesMax + 1, "move what is deeper into http/README.md, db/README.md or .github")
        let first = document.lines.prefix(Self.firstScreenLines)
        for part in ["personas serve --demo", "export KEY=", "curl -H", "has_more"] {
            #expect(first.contains { $0.contains(part) }, "the first \(Self.firstScreenLines) lines have no \(part)")
        }
    }

    @Test("Its table of contents names every section, in their order")
    func contents() throws {
        let document = try MarkdownDocument("README.md")
        let links = document.lines.joined(separator: "\n").matches(of: /\[([^\]]+)\]\(#([a-z-]+)\)/)
            .map { (title: String($0.output.1), anchor: String($0.output.2)) }
        let listed = links.prefix(document.headings.count)
        #expect(listed.map(\.title) == document.headings)
        for link in links {
            let isThere = document.headings.contains { $0.lowercased().replacingOccurrences(of: " ", with: "-") == link.anchor }
            #expect(isThere, "#\(link.anchor) leads nowhere")
        }
    }

    @Test(
        "What a curl line prints ends before the next prompt",
        arguments: ["README.md", "http/openapi.yaml", ".github/OPERATING.md", "http/README.md", "db/README.md"])
    func curl(_ document: String) throws {
        // A stream (-N) is ended by whoever reads it.
        for line in try MarkdownDocument(document).lines.map({ $0.trimmingCharacters(in: .whitespaces) })
        where line.hasPrefix("curl ") && !line.hasPrefix("curl -N ") {
            #expect(line.hasSuffix("; echo") || line.contains("| jq"), "\(document): end it with ; echo")
        }
    }
}
