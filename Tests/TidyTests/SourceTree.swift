import Foundation

/// The repository as it lies around this file.
enum SourceTree {
    /// The folder of `Package.swift`.
    static let root: String = {
        var path = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath().path
        for _ in 0..<3 { path = (path as NSString).deletingLastPathComponent }
        return path
    }()

    /// The Swift files below folders of the repository.
    static func files(under folders: String..., except excluded: [String] = []) throws -> [SourceFile] {
        var files: [SourceFile] = []
        for folder in folders {
            for path in try FileManager.default.subpathsOfDirectory(atPath: "\(root)/\(folder)").sorted() where path.hasSuffix(".swift") {
                let whole = "\(folder)/\(path)"
                guard !excluded.contains(where: { whole.hasPrefix($0 + "/") }) else { continue }
                files.append(SourceFile(path: whole, text: try text(of: whole)))
            }
        }
        return files
    }

    /// The product's own files: everything but tests. Read once for all rules.
    static let product = Result { try files(under: "Sources", "db", "http") }

    /// The text of a file of the repository.
    static func text(of path: String) throws -> String { try String(contentsOfFile: "\(root)/\(path)", encoding: .utf8) }

    /// Whether there is a file or folder of that path.
    static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: "\(root)/\(path)") }
}

/// A Swift file, with its code apart from its comments and texts.
struct SourceFile: Sendable {
    /// From the repository's root.
    let path: String
    /// As it stands.
    let lines: [String]
    /// The same lines with blanks in the place of comments and of the contents of string literals.
    let code: [String]
    /// The declarations of types and of their members, and nothing within the bodies of functions.
    let declarations: [Declaration]

    init(path: String, text: String) {
        self.path = path
        lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        code = Self.code(of: text).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        declarations = Declaration.all(in: code)
    }

    /// The modules that it imports.
    var imports: [(line: Int, module: String)] {
        code.enumerated().compactMap { index, line in
            let words = line.split(separator: " ")
            guard let position = words.firstIndex(of: "import"), position + 1 < words.count,
                words[..<position].allSatisfy({ ["public", "package", "internal", "private"].contains($0) || $0.hasPrefix("@") })
            else { return nil }
            return (index + 1, String(words[position + 1].prefix { $0 != "." }))
        }
    }

    /// Where a text stands in the code: `path:line`.
    func places(of text: String) -> [String] {
        code.indices.filter { code[$0].contains(text) }.map { "\(path):\($0 + 1)" }
    }

    /// The comment that stands just above a line, attributes between them passed over.
    func comment(above index: Int) -> String {
        var comment: [String] = []
        for line in lines[..<index].reversed() {
            let text = line.trimmingCharacters(in: .whitespaces)
            if text.hasPrefix("//") {
                comment.append(text)
            } else if !text.hasPrefix("@") || !comment.isEmpty {
                break
            }
        }
        return comment.reversed().joined(separator: "\n")
    }

    /// Puts blanks in the place of comments and of what stands in string literals, interpolations included.
    private static func code(of text: String) -> String {
        var scanner = CodeScanner(source: Array(text.utf8))
        return scanner.code()
    }
}

/// Walks through a Swift text and keeps its code.
private struct CodeScanner {
    let source: [UInt8]
    private var result: [UInt8] = []
    private var index = 0

    init(source: [UInt8]) {
        self.source = source
    }

    /// The text with blanks in the place of all that is no code.
    mutating func code() -> String {
        while index < source.count {
            guard source[index] == UInt8(ascii: "/") || source[index] == UInt8(ascii: "#") || source[index] == UInt8(ascii: "\"") else {
                result.append(source[index])
                index += 1
                continue
            }
            let hashes = source[index...].prefix { $0 == UInt8(ascii: "#") }.count
            if isAt("//") {
                while index < source.count, source[index] != UInt8(ascii: "\n") { blank(1) }
            } else if isAt("/*") {
                while index < source.count, !isAt("*/") { blank(1) }
                blank(2)
            } else if isAt(String(repeating: "#", count: hashes) + "\"") {
                skipString(hashes: hashes)
            } else {
                result.append(source[index])
                index += 1
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    private func isAt(_ word: String) -> Bool { source[index] == word.utf8.first && source[index...].starts(with: word.utf8) }

    private mutating func blank(_ count: Int) {
        for _ in 0..<count where index < source.count {
            result.append(source[index] == UInt8(ascii: "\n") ? source[index] : UInt8(ascii: " "))
            index += 1
        }
    }

    private mutating func skipString(hashes: Int) {
        let fence = String(repeating: "#", count: hashes)
        let quote = isAt(fence + "\"\"\"") ? "\"\"\"" : "\""
        blank(hashes + quote.utf8.count)
        while index < source.count, !isAt(quote + fence) {
            guard isAt("\\" + fence) else {
                blank(1)
                continue
            }
            blank(1 + hashes)
            if isAt("(") { skipInterpolation() } else { blank(1) }
        }
        blank(quote.utf8.count + hashes)
    }

    private mutating func skipInterpolation() {
        var depth = 0
        repeat {
            if isAt("\"") {
                skipString(hashes: 0)
                continue
            }
            if isAt("(") { depth += 1 }
            if isAt(")") { depth -= 1 }
            blank(1)
        } while depth > 0 && index < source.count
    }
}
