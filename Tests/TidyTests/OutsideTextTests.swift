import Foundation
import Testing

/// What comes from outside is compared, searched and cut as bytes.
///
/// Swift compares, hashes and cuts a `String` by characters in their normal form, which takes time quadratic in a run of combining marks: a
/// header of 8 KB cost milliseconds, a member's name of 1 MB minutes. A scan of words cannot tell an outside text from another, so that the
/// rule holds for every file that may see one, and the exceptions are listed here, each with its reason. What it cannot see: two variables that
/// are compared, keys of dictionaries and sets, and code within the interpolations of a text.
@Suite("Texts from outside")
struct OutsideTextTests {
    /// A kind of work on texts, and what to do instead.
    enum Work: String, CaseIterable {
        case prefix = "a prefix or suffix of a text"
        case letterCase = "the case of letters"
        case search = "a search or a cut by characters"
        case property = "a property of a character, or a walk for their number"
        case literal = "a comparison with a literal"

        var remedy: String {
            switch self {
            case .prefix: "compare bytes, text.utf8.starts(with: \"…\".utf8)"
            case .letterCase: "map the bytes of ASCII, text.utf8.map(\\.lowercasedASCII)"
            case .search: "search and cut text.utf8"
            case .property: "look at bytes, or at scalars by their values, and stop at the limit"
            case .literal: "compare bytes, text.utf8.elementsEqual(\"…\".utf8), or cases of an enum"
            }
        }

        /// By what it is known: code as it is written, with a quotation mark where a text begins or ends.
        private var signs: [String] {
            switch self {
            case .prefix: [".hasPrefix(", ".hasSuffix("]
            case .letterCase: [".lowercased(", ".uppercased(", ".capitalized", "aseInsensitive", ".folding("]
            case .search:
                [
                    ".range(of:", ".components(separatedBy", ".trimming", ".replacing", ".compare(", ".localized", "split(separator: \"",
                    "Index(of: \"", "anges(of: \"", "Range(of: \"", ".contains(\"", "\".contains(", "\".firstIndex(", "\".lastIndex(",
                ]
            case .property:
                [
                    ".isWhitespace", ".isLetter", ".isNumber", ".isNewline", ".isPunctuation", ".isASCII", ".properties.",
                    "unicodeScalars.count",
                ]
            case .literal: ["== \"", "!= \"", "~= \"", "\" ==", "\" !=", "case \""]
            }
        }

        /// Whether a line holds it.
        /// - Parameters:
        ///   - line: as it stands.
        ///   - code: with as many blanks in the place of comments and texts.
        func isFound(in line: String, code: String) -> Bool {
            signs.contains { sign in
                guard strstr(line, sign) != nil else { return false }
                let (line, code, sign) = (Array(line.utf8), Array(code.utf8), Array(sign.utf8))
                return (0...(line.count - sign.count)).contains { start in
                    sign.indices.allSatisfy { index in
                        // The mark itself is blank in the code, but what stands beside it is not.
                        line[start + index] == sign[index] && (sign[index] == UInt8(ascii: "\"") || code[start + index] == sign[index])
                    }
                }
            }
        }
    }

    /// A file in which such work may stand, and why it can do no harm there.
    struct Exception {
        let path: String
        let work: Work
        let reason: String
    }

    private static let exceptions = [
        Exception(
            path: "Sources/Personas/Catalog/BlockedTerms.swift", work: .letterCase,
            reason: "a name or instructions have passed their rules by then: 300 scalars at most"),
        Exception(
            path: "Sources/Personas/Catalog/BlockedTerms.swift", work: .property,
            reason: "only scalars have the property, of a text that has passed its rules: 300 of them at most"),
        Exception(
            path: "Sources/Personas/Images/Formats/PNGWalker.swift", work: .search,
            reason: "a ChunkType is a number, whatever its literals look like"),
        Exception(
            path: "Sources/Personas/Images/Formats/PNGWalker.swift", work: .literal,
            reason: "a ChunkType is a number, whatever its literals look like"),
        Exception(
            path: "Sources/Personas/Images/Formats/WebPWalker.swift", work: .literal,
            reason: "a ChunkType is a number, whatever its literals look like"),
        Exception(
            path: "Sources/Personas/Catalog/SpecialInstructions.swift", work: .literal,
            reason: "scalars are compared, of which there are 300"),
        Exception(path: "Sources/Personas/Scalars.swift", work: .property, reason: "texts that are too long by their bytes are not walked"),
        Exception(path: "http/Metrics/ProcessMetrics.swift", work: .prefix, reason: "the kernel wrote the text"),
        Exception(path: "http/Metrics/ProcessMetrics.swift", work: .literal, reason: "the kernel wrote the text"),
        Exception(path: "http/Documents/Page.swift", work: .search, reason: "the executable carries the text"),
        Exception(path: "http/Documents/Document.swift", work: .literal, reason: "the executable carries the names of its files"),
        Exception(path: "http/Server/PublicURL.swift", work: .prefix, reason: "the operator set the text"),
        Exception(path: "Sources/Personas/IPAddress.swift", work: .search, reason: "the operator set the text of a range"),
        Exception(
            path: "http/EnvelopeMiddleware/Guard/RequestRefusal.swift", work: .literal,
            reason: "Hummingbird wrote the answer that is looked at"),
        Exception(
            path: "http/EnvelopeMiddleware/RouteTable.swift", work: .search,
            reason: "the guard lets no path through that is not made of ASCII alone"),
        Exception(path: "http/EnvelopeMiddleware/RouteTable.swift", work: .prefix, reason: "the service's own routes are looked at"),
    ]

    private static func isExcepted(_ path: String, _ work: Work) -> Bool { exceptions.contains { $0.path == path && $0.work == work } }

    private static func places(of work: Work, in file: SourceFile) -> [Int] {
        zip(file.lines, file.code).enumerated().filter { work.isFound(in: $1.0, code: $1.1) }.map { $0.offset + 1 }
    }

    @Test("are compared as bytes wherever they may be seen", arguments: Work.allCases)
    func outsideTexts(work: Work) throws {
        for file in try SourceTree.files(under: "http", "Sources/Personas") where !Self.isExcepted(file.path, work) {
            for line in Self.places(of: work, in: file) {
                Issue.record(
                    "\(file.path):\(line) has \(work.rawValue): \(work.remedy); if no outside text can get there, add an exception with its reason"
                )
            }
        }
    }

    @Test("have no exception that nothing needs")
    func exceptions() throws {
        let files = try SourceTree.files(under: "http", "Sources/Personas")
        for exception in Self.exceptions {
            let file = files.first { $0.path == exception.path }
            let isNeeded = file.map { !Self.places(of: exception.work, in: $0).isEmpty } ?? false
            #expect(isNeeded, "\(exception.path) has \(exception.work.rawValue) no more: take its exception out")
        }
    }

    @Test(
        "are found in every kind of work on them, and bytes, comments and texts are left alone",
        arguments: [
            (
                .prefix, [#"if key.hasPrefix("pkz_") {"#, "text.hasSuffix(end)"],
                [#"key.utf8.starts(with: "pkz_".utf8)"#, "// text.hasPrefix(x)"]
            ),
            (
                .letterCase, ["a.lowercased() == b", "text.uppercased()"],
                [#"log("use .lowercased()")"#, #"text.utf8.map(\.lowercasedASCII)"#]
            ),
            (
                .search,
                [
                    #"path.split(separator: "/")"#, #"x.contains(",")"#, #"":/?".contains($0)"#, #"x.firstIndex(of: ":")"#,
                    #"q.replacing("+", with: " ")"#, "a.trimmingCharacters(in: set)", "a.range(of: b)",
                ],
                [
                    #"list.joined(separator: ", ")"#, "bytes.contains(0x2C)", #"":/?".utf8.contains($0)"#,
                    #"x.firstIndex(of: UInt8(ascii: ":"))"#, #"say("contains(\"x\")")"#, "path.utf8.split(separator: slash)",
                ]
            ),
            (
                .property, [#"raw.contains(where: \.isWhitespace)"#, "scalar.properties.isEmoji", "raw.unicodeScalars.count > 3"],
                ["scalar.isWhiteSpace", "properties.first", "utf8.count"]
            ),
            (
                .literal, [#"if type == "image/png" {"#, #"guard "x" != y"#, #"case "close": break"#, #"where a.first == "*""#],
                [#"case read = "read""#, #"let text = "a == b""#, #"x.utf8.elementsEqual("a".utf8)"#, #"let a = "x""#]
            ),
        ] as [(Work, [String], [String])])
    func finder(work: Work, found: [String], passed: [String]) {
        for text in found { #expect(Self.places(of: work, in: SourceFile(path: "Sample.swift", text: text)) == [1], "\(text)") }
        for text in passed { #expect(Self.places(of: work, in: SourceFile(path: "Sample.swift", text: text)) == [], "\(text)") }
    }
}
