import Foundation

/// A document of the repository as its readers see it: sections, tables, blocks of code.
package struct MarkdownDocument: Sendable {
    /// The document was not as a test expects it.
    package struct Missing: Error, CustomStringConvertible {
        package let description: String
    }

    /// The lines, without their ends.
    package let lines: [String]

    private init(lines: [String]) { self.lines = lines }

    /// Reads one, named from the folder of `Package.swift`.
    package init(_ path: String) throws {
        let text = try String(contentsOfFile: "\(TestTools.tests)/../\(path)", encoding: .utf8)
        lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    /// The headings of sections, in their order.
    package var headings: [String] { lines.filter { $0.hasPrefix("## ") }.map { String($0.dropFirst(3)) } }

    /// A section without its heading.
    package func section(_ heading: String) throws -> MarkdownDocument {
        guard let start = lines.firstIndex(of: "## \(heading)") else { throw Missing(description: "there is no section \(heading)") }
        let rest = lines[(start + 1)...]
        return MarkdownDocument(lines: Array(rest[..<(rest.firstIndex { $0.hasPrefix("## ") } ?? rest.endIndex)]))
    }

    /// The blocks of code in a language, in their order.
    package func blocks(_ language: String) -> [String] {
        var blocks: [String] = []
        var block: [String]?
        for line in lines {
            if let content = block {
                if line == "```" {
                    blocks.append(content.joined(separator: "\n"))
                    block = nil
                } else {
                    block = content + [line]
                }
            } else if line == "```\(language)" {
                block = []
            }
        }
        return blocks
    }

    /// The rows of all tables, those above and of the rules aside, as cells.
    package var rows: [[String]] {
        var rows: [[String]] = []
        for (index, line) in lines.enumerated() where line.hasPrefix("| ") {
            let isHead = lines.indices.contains(index + 1) && lines[index + 1].hasPrefix("|---")
            guard !isHead else { continue }
            rows.append(line.dropFirst().dropLast().split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) })
        }
        return rows
    }
}
