import Foundation
import Testing

/// The files of a page for people, as they lie in the repository.
struct PageFolder: CustomTestStringConvertible, Sendable {
    /// What people use the service by.
    static let console = PageFolder(path: "http/console", bytesMax: 130_000)
    /// The reference of the API.
    static let reference = PageFolder(path: "http/docs", bytesMax: 100 * 1_024)

    /// What both load.
    static let shared = PageFolder(path: "http/shared", bytesMax: 6_000)

    /// From the repository's root.
    let path: String
    /// How large all files may be together.
    let bytesMax: Int

    var testDescription: String { path }

    /// A file that is text.
    struct File {
        /// From the folder of its page.
        let name: String
        let text: String

        var lines: [Substring] { text.split(separator: "\n", omittingEmptySubsequences: false) }

        /// The names that its imports lead to, from the folder of its page; nil for what is no relative path, and so would not be found.
        var imports: [(text: String, name: String?)] {
            let pattern = /(?:^|\n)\s*(?:import|export)\s(?:[^;"']*\sfrom\s*)?["']([^"']+)["']|\bimport\s*\(\s*["']([^"']+)["']/
            return text.matches(of: pattern).map { match in
                let target = String(match.output.1 ?? match.output.2 ?? "")
                guard target.hasPrefix("./") || target.hasPrefix("../") else { return (target, nil) }
                let parts = name.split(separator: "/").dropLast() + target.split(separator: "/").filter { $0 != "." }
                let whole = parts.reduce(into: [Substring]()) { whole, part in
                    if part == "..", whole.last != nil, whole.last != ".." { whole.removeLast() } else { whole.append(part) }
                }
                return (target, whole.joined(separator: "/"))
            }
        }

        /// Functions with blocks, known by how the line looks that ends with their brace. They end with the brace of the same indent. Lines of functions
        /// within them are not theirs: a screen's function has what its steps share, as a type has.
        var functions: [(line: Int, lineCount: Int)] {
            let all = blocks
            return all.map { block in
                let inner = all.filter { $0.line > block.line && $0.line < block.line + block.lineCount }
                let own = Set(block.line..<block.line + block.lineCount).subtracting(inner.flatMap { $0.line..<$0.line + $0.lineCount })
                return (block.line, own.count)
            }
        }

        private var blocks: [(line: Int, lineCount: Int)] {
            let lines = lines
            return lines.indices.compactMap { start in
                let line = lines[start]
                guard line.contains(/\bfunction\b.*\{$|=>\s*\{$|^\s+(?:static |async |get |set |\*\s*)*#?[\w$]+\(.*\)\s*\{$/),
                    !line.contains(/^\s*(?:\} )?(?:if|for|while|switch|else|catch|with)\b/)
                else { return nil }
                let indent = line.prefix { $0 == " " || $0 == "\t" }
                let end = lines[start...].dropFirst().firstIndex { $0.hasPrefix(indent + "}") || $0.hasPrefix(indent + ")") }
                return (start + 1, (end ?? lines.count) - start + 1)
            }
        }
    }

    /// The names of all files.
    func names() throws -> [String] {
        let folder = "\(SourceTree.root)/\(path)"
        return try FileManager.default.subpathsOfDirectory(atPath: folder).sorted().filter { name in
            var isFolder: ObjCBool = false
            return FileManager.default.fileExists(atPath: "\(folder)/\(name)", isDirectory: &isFolder) && !isFolder.boolValue
        }
    }

    /// The files that are text.
    func files() throws -> [File] {
        try names().filter { !$0.hasSuffix(".ico") }.map { File(name: $0, text: try SourceTree.text(of: "\(path)/\($0)")) }
    }

    /// How large all files are together.
    func byteCount() throws -> Int {
        try names().reduce(0) { $0 + (try Data(contentsOf: URL(fileURLWithPath: "\(SourceTree.root)/\(path)/\($1)")).count) }
    }

    /// The markup, which names what the page loads: styles and scripts with their elements, all other modules by one line that the service repeats.
    func page() throws -> String { try SourceTree.text(of: "\(path)/index.html") }

    /// Whether the page can load a file of that name: its own, or one that pages share.
    func has(_ name: String) -> Bool { SourceTree.exists("\(path)/\(name)") || SourceTree.exists("\(Self.shared.path)/\(name)") }
}
