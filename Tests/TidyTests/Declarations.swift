import Foundation

/// A declaration as far as its first lines tell.
struct Declaration: Sendable {
    /// The keyword: `func`, `struct`, `case` and so on.
    let keyword: String
    /// The name that follows.
    let name: String
    /// The index of its line.
    let line: Int
    /// Whether it is visible outside its module, by a word of its own or as a member of an enum or protocol that is.
    let isShared: Bool
    /// Lines from the first to the closing brace; 1 where it has none.
    let lineCount: Int
    /// Whether it is an initialiser that does nothing but take its parameters as members, which its signature says already.
    let isMemberwise: Bool
    /// Whether its body is one `switch self` with nothing but values: a table, which is as long as there are cases.
    let isTable: Bool

    /// Those of a file.
    /// - Parameter code: its lines without comments and texts.
    static func all(in code: [String]) -> [Declaration] { DeclarationScanner(code: code).declarations }
}

/// Finds declarations by their first words and by the braces around them.
private struct DeclarationScanner {
    let code: [String]

    private static let keywords: Set = [
        "func", "init", "deinit", "var", "let", "struct", "class", "enum", "actor", "protocol", "typealias", "subscript", "case",
        "associatedtype", "extension",
    ]
    private static let modifiers: Set = [
        "public", "package", "internal", "private", "fileprivate", "static", "final", "mutating", "nonisolated", "override", "convenience",
        "indirect",
        "lazy", "weak", "required", "private(set)", "package(set)", "fileprivate(set)", "consuming", "borrowing", "isolated",
    ]

    private static let types: Set = ["struct", "class", "enum", "actor", "protocol", "extension"]
    private static let measured: Set = ["func", "init", "deinit", "subscript", "var"]

    /// What an open brace belongs to.
    private struct Scope {
        var keyword = ""
        var isShared = false
        var isType: Bool { types.contains(keyword) }
    }

    var declarations: [Declaration] {
        var declarations: [Declaration] = []
        var scopes: [Scope] = []
        // The type whose brace is still to come.
        var pending: Scope?
        for (index, line) in code.enumerated() {
            if pending == nil, scopes.allSatisfy(\.isType), let found = declaration(at: index, in: scopes.last) {
                if found.keyword != "extension" { declarations.append(found) }
                let scope = Scope(keyword: found.keyword, isShared: found.isShared)
                if scope.isType { pending = scope }
            }
            for character in line {
                if character == "{" {
                    scopes.append(pending ?? Scope())
                    pending = nil
                } else if character == "}" {
                    _ = scopes.popLast()
                }
            }
        }
        return declarations
    }

    private func declaration(at index: Int, in scope: Scope?) -> Declaration? {
        var words = code[index].split(separator: " ").map(String.init)[...]
        var isShared = false
        while let word = words.first, Self.modifiers.contains(word) || word.hasPrefix("@") {
            if word == "public" || word == "package" { isShared = true }
            words = words.dropFirst()
        }
        guard let first = words.popFirst() else { return nil }
        var keyword = String(first.prefix(while: \.isLetter))
        // `class func` and `class var` are no declarations of classes.
        if keyword == "class", let next = words.first, ["func", "var"].contains(next) { keyword = String(words.removeFirst()) }
        guard Self.keywords.contains(keyword) else { return nil }
        if let scope, scope.isShared, scope.keyword == "protocol" || scope.keyword == "enum" && keyword == "case" { isShared = true }
        let name = String((words.first ?? "").prefix { $0.isLetter || $0.isNumber || $0 == "_" })
        let lineCount = Self.measured.union(Self.types).contains(keyword) ? lineCount(from: index) : 1
        return Declaration(
            keyword: keyword, name: ["init", "deinit", "subscript"].contains(keyword) ? keyword : name, line: index, isShared: isShared,
            lineCount: lineCount, isMemberwise: keyword == "init" && isMemberwise(from: index, lineCount: lineCount),
            isTable: isTable(from: index, lineCount: lineCount))
    }

    /// Whether the body of an initialiser holds assignments of parameters to members of the same names, and nothing else.
    private func isMemberwise(from start: Int, lineCount: Int) -> Bool {
        let lines = code[start..<start + lineCount]
        guard let head = lines.firstIndex(where: { $0.hasSuffix("{") }), head + 2 < start + lineCount else { return false }
        return code[head + 1..<start + lineCount - 1].allSatisfy { $0.contains(/^ *self\.(\w+) = \1$/) }
    }

    /// Whether a body is one `switch self` whose cases are followed by values.
    private func isTable(from start: Int, lineCount: Int) -> Bool {
        let lines = code[start..<start + lineCount].map { $0.trimmingCharacters(in: .whitespaces) }
        guard lines.count > 4, lines[1] == "switch self {", lines.suffix(2) == ["}", "}"] else { return false }
        return lines[2..<lines.count - 2].allSatisfy {
            !$0.contains(/[{}]|\b(let|var|if|guard|for|while|repeat|switch|do|try|return|throw|defer)\b/)
        }
    }

    /// Lines from the head of a declaration to the brace that closes its body; 1 where it has none.
    private func lineCount(from start: Int) -> Int {
        var braces = 0
        var brackets = 0
        var hasBody = false
        for index in start..<code.count {
            for character in code[index] {
                switch character {
                case "{":
                    braces += 1
                    hasBody = true
                case "}": braces -= 1
                case "(", "[": brackets += 1
                case ")", "]": brackets -= 1
                default: break
                }
                if braces < 0 { return 1 }
            }
            if hasBody, braces == 0 { return index - start + 1 }
            if !hasBody, brackets == 0, !headGoesOn(after: index) { return 1 }
        }
        return 1
    }

    /// Whether the next line belongs to the head of the same declaration.
    private func headGoesOn(after index: Int) -> Bool {
        let line = code[index].trimmingCharacters(in: .whitespaces)
        guard index + 1 < code.count else { return false }
        let next = code[index + 1].trimmingCharacters(in: .whitespaces)
        return [",", "->", "=", ":"].contains { line.hasSuffix($0) }
            || ["{", "where ", "->", "async", "throws"].contains { next.hasPrefix($0) }
    }
}
