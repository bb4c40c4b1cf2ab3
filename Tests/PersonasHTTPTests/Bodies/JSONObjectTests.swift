import Personas
import TestSupport
import Testing

@testable import PersonasWire

/// Reading a body: what each member is, byte for byte.
@Suite("A JSON object")
struct JSONObjectTests {
    private static func text<Value>(_ member: JSONField<Value>) -> String {
        switch member {
        case .absent: "absent"
        case .null: "null"
        case .value(let value): "\(value)"
        case .malformed(let rule): rule
        }
    }

    @Test(
        "tells what a member is",
        arguments: [
            ("null", "null", "null", "null", "null"),
            (#""""#, "", "must be an array of strings", "must be a whole number", "must be true or false"),
            (#""a\n\u00e9\/""#, "a\né/", "must be an array of strings", "must be a whole number", "must be true or false"),
            ("true", "must be a string", "must be an array of strings", "must be a whole number", "true"),
            ("false", "must be a string", "must be an array of strings", "must be a whole number", "false"),
            ("0", "must be a string", "must be an array of strings", "0", "must be true or false"),
            ("-0", "must be a string", "must be an array of strings", "0", "must be true or false"),
            ("-17", "must be a string", "must be an array of strings", "-17", "must be true or false"),
            ("9223372036854775807", "must be a string", "must be an array of strings", "9223372036854775807", "must be true or false"),
            ("9223372036854775808", "must be a string", "must be an array of strings", "must be a whole number", "must be true or false"),
            ("1.0", "must be a string", "must be an array of strings", "must be a whole number", "must be true or false"),
            ("1e2", "must be a string", "must be an array of strings", "must be a whole number", "must be true or false"),
            ("[]", "must be a string", "[]", "must be a whole number", "must be true or false"),
            (#"[ "a" , "\u0062" ]"#, "must be a string", #"["a", "b"]"#, "must be a whole number", "must be true or false"),
            (#"["a",null]"#, "must be a string", "must be an array of strings", "must be a whole number", "must be true or false"),
            (#"["a",["b"]]"#, "must be a string", "must be an array of strings", "must be a whole number", "must be true or false"),
            (#"{"a":"b"}"#, "must be a string", "must be an array of strings", "must be a whole number", "must be true or false"),
        ]
    )
    func members(value: String, string: String, strings: String, integer: String, boolean: String) throws {
        for spaced in [#"{"x":\#(value)}"#, " \n{\t\"x\" \r: \(value) \n}\t "] {
            let object = try JSONObject(Array(spaced.utf8))
            #expect(Self.text(object.string("x")) == string)
            #expect(Self.text(object.strings("x")) == strings)
            #expect(Self.text(object.integer("x")) == integer)
            #expect(Self.text(object.boolean("x")) == boolean)
            #expect(Self.text(object.string("y")) == "absent")
            #expect(Self.text(object.texts("y")) == "absent")
            #expect(Self.text(object.integer("y")) == "absent")
            #expect(Self.text(object.boolean("y")) == "absent")
            guard case .value(let bytes) = object.text("x") else { continue }
            #expect(String(decoding: bytes, as: UTF8.self) == string)
        }
    }

    @Test("tells the members of an object within, each by itself")
    func within() throws {
        func strings(_ json: String) throws -> [String] {
            switch try JSONObject(Array(#"{"x":\#(json),"a":"outside"}"#.utf8)).strings(in: "x") {
            case .value(let members): members.map { "\($0.name)=\(Self.text($0.value))" }.sorted()
            case .absent, .null, .malformed: []
            }
        }
        #expect(try strings("{}") == [])
        #expect(
            try strings(#"{"a":"b","\u0063":"\n","e\u0301":null,"é":1,"n":{"a":"deep"},"l":["x"]}"#)
                == [
                    "a=b", "c=\n", "e\u{301}=null", "l=must be a string", "n=must be a string", "é=must be a string",
                ].sorted())
        let object = try JSONObject(Array(#"{"s":"x","n":null,"l":[{"a":"b"}]}"#.utf8))
        #expect(Self.text(object.strings(in: "s")) == "must be an object")
        #expect(Self.text(object.strings(in: "l")) == "must be an object")
        #expect(Self.text(object.strings(in: "n")) == "null")
        #expect(Self.text(object.strings(in: "nowhere")) == "absent")
        #expect(throws: Failure.self) { try JSONObject(Array(#"{"x":{"a":"b","\u0061":"c"}}"#.utf8)) }
        #expect(try JSONObject(Array(#"{"x":{"a":"\n","b":"no","c":["\t\t"]}}"#.utf8)).escapedBytes == 6)
    }

    @Test("takes members by their names as written, escaped or not, and no others")
    func names() throws {
        let object = try JSONObject(Array(#"{"n\u0061me":"a","Name":"b","":"c","naïve":"d","x":{"y":"e"}}"#.utf8))
        #expect(Self.text(object.string("name")) == "a")
        #expect(Self.text(object.string("Name")) == "b")
        #expect(Self.text(object.string("")) == "c")
        #expect(Self.text(object.string("naïve")) == "d")
        #expect(Self.text(object.string("y")) == "absent")
    }

    @Test("reads texts whole wherever in them something special stands")
    func specialsAtEveryPlace() throws {
        for (written, read) in [
            (#"\""#, "\""), (#"\\"#, "\\"), (#"\/"#, "/"), (#"\b"#, "\u{8}"), (#"\f"#, "\u{c}"), (#"\n"#, "\n"), (#"\r"#, "\r"),
            (#"\t"#, "\t"),
            ("\u{7f}", "\u{7f}"), ("é", "é"), ("€", "€"), ("🙂", "🙂"), (#"\u0000"#, "\0"), (#"\ud83d\ude42"#, "🙂"), (#"\uD83D\uDE42"#, "🙂"),
            (#"\uffff"#, "\u{ffff}"),
        ] {
            for before in 0..<18 {
                for after in 0..<10 {
                    let padding = (String(repeating: "x", count: before), String(repeating: "y", count: after))
                    let object = try JSONObject(Array("{\"x\":\"\(padding.0)\(written)\(padding.1)\"}".utf8))
                    #expect(Self.text(object.string("x")) == padding.0 + read + padding.1)
                }
            }
        }
        for control in UInt8(0)..<0x20 {
            for before in 0..<18 {
                let bytes =
                    Array("{\"x\":\"".utf8) + Array(repeating: UInt8(ascii: "x"), count: before) + [control] + Array("yyyyyyyyy\"}".utf8)
                #expect(throws: Failure.invalid([Violation(field: "body", message: "the body is not valid JSON")])) {
                    try JSONObject(bytes)
                }
            }
        }
    }

    @Test("takes exactly the UTF-8 that Unicode defines")
    func unicode() {
        let later: [UInt8] = [0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff]
        var accepted = 0
        for first in UInt8(0x80)...0xff {
            for second in later {
                for third in later {
                    for fourth in later {
                        let text = [first, second, third, fourth]
                        let object = try? JSONObject(Array("{\"x\":\"".utf8) + text + Array("\"}".utf8))
                        let valid = String(validating: text, as: UTF8.self)
                        #expect((object != nil) == (valid != nil), "\(text)")
                        if let object, let valid {
                            accepted += 1
                            #expect(Self.text(object.string("x")) == valid)
                        }
                    }
                }
            }
        }
        #expect(accepted > 100)
    }

    @Test("resolves every escape of one unit, and refuses halves of pairs")
    func escapedUnits() {
        for unit in UInt32(0)...0xffff {
            let digits = String(unit, radix: 16)
            let object = try? JSONObject(Array("{\"x\":\"\\u\(String(repeating: "0", count: 4 - digits.count) + digits)\"}".utf8))
            guard let scalar = Unicode.Scalar(unit) else {
                #expect(object == nil, "\(digits)")
                continue
            }
            #expect(object.map { Self.text($0.string("x")) } == String(Character(scalar)), "\(digits)")
        }
        for high in stride(from: UInt32(0xd800), through: 0xdbff, by: 33) {
            for low in stride(from: UInt32(0xdc00), through: 0xdfff, by: 33) {
                let object = try? JSONObject(
                    Array("{\"x\":\"\\u\(String(high, radix: 16))\\u\(String(low, radix: 16).uppercased())\"}".utf8))
                let scalar = Unicode.Scalar(0x1_0000 + (high - 0xd800) << 10 + (low - 0xdc00))
                #expect(object.map { Self.text($0.string("x")) } == scalar.map { String(Character($0)) })
            }
        }
    }

    @Test("nests 32 levels and holds 4096 values, and not one more")
    func limits() throws {
        func nested(_ depth: Int) -> [UInt8] {
            Array((#"{"x":"# + String(repeating: "[", count: depth - 1) + String(repeating: "]", count: depth - 1) + "}").utf8)
        }
        _ = try JSONObject(nested(JSONObject.depthMax))
        #expect(throws: Failure.invalid([Violation(field: "body", message: "the body nests deeper than 32 levels")])) {
            try JSONObject(nested(JSONObject.depthMax + 1))
        }
        func list(_ values: Int) -> [UInt8] { Array((#"{"x":[0"# + String(repeating: ",0", count: values - 2) + "]}").utf8) }
        _ = try JSONObject(list(JSONObject.valuesMax))
        #expect(throws: Failure.invalid([Violation(field: "body", message: "the body holds more than 4096 values")])) {
            try JSONObject(list(JSONObject.valuesMax + 1))
        }
        // Levels count what is open, not what was.
        let many = (0..<500).map { "\"\($0)\":[[{}]]" }.joined(separator: ",")
        _ = try JSONObject(Array("{\(many)}".utf8))
    }

    @Test(
        "takes a number for a whole one where it is written as one and a word of the machine holds it",
        arguments: [
            ("0", 0), ("-1", -1), ("9223372036854775807", .max), ("-9223372036854775808", .min), ("9223372036854775808", nil),
            ("-9223372036854775809", nil), ("100000000000000000000", nil), ("-100000000000000000000", nil), ("1.0", nil), ("1e1", nil),
            (String(repeating: "9", count: 100_000), nil), ("0.\(String(repeating: "0", count: 100_000))", nil),
        ] as [(String, Int?)])
    func integers(text: String, number: Int?) throws {
        let member = try JSONObject(Array(#"{"x":\#(text)}"#.utf8)).integer("x")
        switch (member, number) {
        case (.value(let found), .some(let number)): #expect(found == number)
        case (.malformed(let rule), nil): #expect(rule == "must be a whole number")
        default: Issue.record("\(member)")
        }
    }

    @Test("two bodies that say the same have the same pieces, their members in the order of their names' bytes")
    func canonicalPieces() throws {
        func pieces(_ text: String) throws -> [UInt8] {
            var pieces: [UInt8] = []
            try JSONObject(Array(text.utf8)).canonicalPieces { pieces += $0 }
            return pieces
        }
        let long = String(repeating: "a", count: 1_000)
        let names = ["", "A", "a", "aa", "ab", "b", long, long + "a", long + "b", "é", "\u{1F600}"]
        let expected = try pieces(
            "{" + names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }.map { "\"\($0)\":1" }.joined(separator: ",") + "}")
        var generator = SplitMix64(seed: 9)
        for _ in 0..<20 {
            let shuffled = names.shuffled(using: &generator)
            #expect(try pieces("{" + shuffled.map { " \"\($0)\" :\n1 " }.joined(separator: ",") + "}") == expected)
        }
        // In this order by their bytes: the empty name, A, a.
        let lengths = [0, 1, 1].map { UInt8($0) }
        var start = expected[...]
        for (length, name) in zip(lengths, ["", "A", "a"]) {
            #expect(
                start.starts(
                    with: [length, 0, 0, 0, 0, 0, 0, 0] + Array(name.utf8) + [UInt8(ascii: "#"), 1, 0, 0, 0, 0, 0, 0, 0] + "1".utf8))
            start = start.dropFirst(18 + Int(length))
        }
        #expect(try pieces(#"{"a":"\u0062"}"#) == pieces(#"{"\u0061":"b"}"#))
        #expect(try pieces(#"{"a":1}"#) != pieces(#"{"a":"1"}"#))
    }
}
