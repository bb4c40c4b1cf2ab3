import Testing

/// The scanner behind the tidiness rules sees what it is meant to see: a rule that finds nothing must not be blind.
@Suite("The scanner of the tidiness rules")
struct TidyScannerTests {
    private static let sample = SourceFile(
        path: "Sample.swift",
        text: #"""
            package import Foundation
            @testable import Other.Part
            // try! in a comment { {
            let text = "try! in a \(name("}") + "{") text", raw = #"a \ " {"#
            /* } */ let value = try! read()

            /// Documented.
            package enum Kind {
                /// Documented.
                case one
                case two(Int)
                package func long(
                    first: Int, second: Int
                ) -> Int {
                    switch self {
                    case .one: return 1
                    case .two: return 2
                    }
                }
                var table: String {
                    switch self {
                    case .one:
                        "if \(1) { guard }"
                    case .two: "two"
                    }
                }
                var almost: Int {
                    switch self {
                    case .one: 1
                    case .two: if isEven { 2 } else { 3 }
                    }
                }
            }

            package protocol Port {
                /// Documented.
                @discardableResult
                func promised() async
                func open()
            }

            struct Inner { package let bare = 1 }
            final class Box: @unchecked Sendable {
                package static var shared: Int { 1 }
                private func own() {}
                package init(first: Int, second: Int) {
                    self.first = first
                    self.second = second
                }
                package init(first: Int) {
                    self.first = first
                    second = 2
                }
            }
            """#)

    @Test("Comments and texts are no code")
    func code() {
        #expect(Self.sample.places(of: "try!") == ["Sample.swift:5"])
        #expect(Self.sample.code.joined().filter { $0 == "{" }.count == Self.sample.code.joined().filter { $0 == "}" }.count)
        #expect(Self.sample.imports.map(\.module) == ["Foundation", "Other"])
    }

    @Test("Shared declarations without a comment are found, those in bodies are not taken for any")
    func declarations() {
        let shared = Self.sample.declarations.filter(\.isShared)
        #expect(shared.map(\.name) == ["Kind", "one", "two", "long", "Port", "promised", "open", "shared", "init", "init"])
        let undocumented = shared.filter { !Self.sample.comment(above: $0.line).contains("///") }
        #expect(undocumented.map(\.name) == ["two", "long", "Port", "open", "shared", "init", "init"])
    }

    @Test("Functions are measured from their first line to their closing brace")
    func lengths() {
        let lengths = Self.sample.declarations.filter { $0.keyword == "func" }.map { "\($0.name) \($0.lineCount)" }
        #expect(lengths == ["long 8", "promised 1", "open 1", "own 1"])
    }

    @Test("A table is a switch with nothing but values")
    func tables() {
        #expect(Self.sample.declarations.filter(\.isTable).map(\.name) == ["table"])
    }

    @Test("An initialiser is memberwise that only takes its parameters as members of the same names")
    func memberwise() {
        #expect(Self.sample.declarations.filter { $0.keyword == "init" }.map(\.isMemberwise) == [true, false])
    }

    @Test("A comment counts when it stands just above, attributes aside")
    func commentsAbove() {
        let index = Self.sample.code.firstIndex { $0.contains("@unchecked Sendable") } ?? 0
        #expect(Self.sample.comment(above: index).isEmpty)
    }
}
