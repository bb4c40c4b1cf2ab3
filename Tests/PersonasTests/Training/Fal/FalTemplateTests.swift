import Foundation
import TestSupport
import Testing

@testable import Personas

@Suite("What a model at fal is given")
struct FalTemplateTests {
    private static let references = ["https://a.example/1", "https://a.example/2", "https://a.example/3"]

    private static func item(_ name: String = "Nova", instructions: String? = nil) -> Pikzonality {
        Pikzonality(
            id: .random(), accountID: .random(), mode: .persona,
            details: PikzonalityDetails(
                name: Name(stored: name), specialInstructions: instructions, externalID: nil, metadata: Metadata([])),
            status: .processing, progress: 0, referenceTokens: ReferenceTokens([]), portraitToken: nil, error: nil,
            createdAt: .now, updatedAt: .now, version: 1)
    }

    private static func input(_ template: String, _ item: Pikzonality = item()) throws -> String {
        String(decoding: try FalTemplate(Array(template.utf8)).input(for: item, references: references), as: UTF8.self)
    }

    @Test("Places are filled in, and everything else stays as it was written")
    func places() throws {
        let input = try Self.input(
            #"{ "a":"{{reference_urls}}","n" : [1.0, 1e3, -0, true, null], "b": {"c\u0041": "{{name}}/\u00e9{{reference_url_2}}"}, "d":"x" }"#
        )
        #expect(
            input == #"{ "a":["https://a.example/1","https://a.example/2","https://a.example/3"],"n" : [1.0, 1e3, -0, true, null], "#
                + #""b": {"c\u0041": "Nova/"# + "é" + #"https://a.example/3"}, "d":"x" }"#)
        #expect(try Self.input(#"{"a":"{{reference_url_0}}{{special_instructions}}"}"#) == #"{"a":"https://a.example/1"}"#)
        // A place is one however its braces are written.
        #expect(try Self.input(#"{"a":"\u007b{name}} \"{{reference_url_1}}\""}"#) == #"{"a":"Nova \"https://a.example/2\""}"#)
    }

    @Test("No instruction gets out of its string, whatever it holds", arguments: 0..<50 as Range<UInt64>)
    func injections(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let parts = ["\"", "\\", "{{name}}", "}}", "{{", "\n", "\u{0}", "\u{7f}", ",\"x\":1", "é", "\u{1F600}", "]", "}", "\\u0022", "a"]
        let text = (0..<Int.random(in: 1...20, using: &random)).map { _ in parts.randomElement(using: &random) ?? "" }.joined()
        let template = #"{"p":"<{{special_instructions}}>","r":"{{reference_urls}}"}"#
        let input = try Self.input(template, Self.item(instructions: text))
        let object = try #require(JSONSerialization.jsonObject(with: Data(input.utf8)) as? [String: Any])
        #expect(object.count == 2 && object["r"] as? [String] == Self.references)
        #expect((object["p"] as? String).map { Array($0.utf8) } == Array("<\(text)>".utf8))
    }

    @Test(
        "What is no template is refused, with the reason",
        arguments: [
            ("", "must be a JSON object"), ("[]", "must be a JSON object"), ("\"{{reference_urls}}\"", "must be a JSON object"),
            (#"{"a":"{{reference_urls}}""#, "must be a JSON object"), (#"{"a":1}"#, "must have a place for images"),
            (#"{"a":"{{name}}"}"#, "must have a place for images"),
            (#"{"a":"{{reference_urls}}","b":"{{nmae}}"}"#, "must have no other places than {{name}}, "),
            (#"{"a":"{{reference_urls}}","b":"{{ name }}"}"#, "must have no other places than"),
            (#"{"a":"{{reference_url_3}}"}"#, "must have no other places than"),
            (#"{"a":"x{{reference_urls}}"}"#, "must have {{reference_urls}} as the whole of a string"),
            (#"{"a":"{{reference_urls}} "}"#, "must have {{reference_urls}} as the whole of a string"),
            (#"{"{{name}}":"{{reference_urls}}"}"#, "must not have a place in the name of a member"),
            (#"{"{{name}}" : "{{reference_urls}}"}"#, "must not have a place in the name of a member"),
            (#"{"a":"{{reference_urls}}","b":"{{name"}"#, "must not have {{ without }}"),
            (#"{"a":"{{reference_urls}}","b":"name}}"}"#, "must not have }} without {{"),
        ])
    func refused(template: String, reason: String) {
        let problem = #expect(throws: FalTemplate.Problem.self) { try FalTemplate(Array(template.utf8)) }
        #expect(problem?.reason.hasPrefix(reason) == true, "\(problem?.reason ?? "")")
    }

    @Test("Bytes that are no text are refused")
    func notUTF8() {
        #expect(throws: FalTemplate.Problem.self) { try FalTemplate(Array(#"{"a":"{{reference_urls}}"}"#.utf8) + [0xFF]) }
        #expect(throws: FalTemplate.Problem.self) { try FalTemplate([UInt8](repeating: 0x20, count: FalTemplate.bytesMax + 1)) }
    }
}

@Suite("Pointers into JSON")
struct JSONPointerTests {
    @Test("are read as RFC 6901 has them")
    func reading() throws {
        func tokens(_ text: String) -> [String]? { JSONPointer(text)?.tokens.map { String(decoding: $0, as: UTF8.self) } }
        #expect(tokens("") == [] && JSONPointer("") == .root)
        #expect(tokens("/") == [""])
        #expect(tokens("/images/0/url") == ["images", "0", "url"])
        #expect(tokens("/a~1b/m~0n/~01//é ") == ["a/b", "m~n", "~1", "", "é "])
        for text in ["images", "a/b", "/~", "/~2", "/a~"] { #expect(JSONPointer(text) == nil, "\(text)") }
    }

    @Test("count elements from 0, in plain digits")
    func indexes() {
        func index(_ text: String) -> Int? { JSONPointer.index(of: Array(text.utf8)) }
        #expect(index("0") == 0 && index("10") == 10)
        for text in ["", "00", "01", "-", "-1", "+1", "1.0", "9999999999", "a"] { #expect(index(text) == nil, "\(text)") }
    }

    @Test("are put together")
    func composition() throws {
        let pointer = try #require(JSONPointer("/images/0"))
        #expect(pointer.within(.root.member("payload")) == JSONPointer("/payload/images/0"))
        #expect(JSONPointer.root.member("a/b").element(3) == JSONPointer("/a~1b/3"))
    }
}
