import Foundation
import Personas
import TestSupport
import Testing

@Suite("Identifiers")
struct IdentifierTests {
    static let text = "18b2ad5e-2a9e-4d3f-b9a8-9f2a1e0b1234"

    @Test("The 8-4-4-4-12 form is parsed in either case and printed in lower case")
    func parsesEitherCase() throws {
        for spelling in [Self.text, Self.text.uppercased(), "18B2ad5E-2a9E-4d3F-b9A8-9f2a1E0b1234"] {
            let identifier = try #require(Identifier(spelling))
            #expect(identifier.text == Self.text)
            #expect(identifier.description == Self.text)
            #expect("\(identifier)" == Self.text)
        }
        #expect(Identifier("00000000-0000-0000-0000-000000000000")?.bytes == [UInt8](repeating: 0, count: 16))
        #expect(Identifier("FFFFFFFF-ffff-FFFF-ffff-FFFFFFFFFFFF")?.bytes == [UInt8](repeating: 0xFF, count: 16))
    }

    @Test(
        "Any other text is refused",
        arguments: [
            "",
            "1",
            "{18b2ad5e-2a9e-4d3f-b9a8-9f2a1e0b1234}",
            "{18b2ad5e-2a9e-4d3f-b9a8-9f2a1e0b12}",
            "18b2ad5e2a9e4d3fb9a89f2a1e0b1234",
            "18b2ad5e2a9e4d3fb9a89f2a1e0b12345678",
            "18b2ad5e-2a9e-4d3f-b9a8-9f2a1e0b123",
            "18b2ad5e-2a9e-4d3f-b9a8-9f2a1e0b12345",
            " 18b2ad5e-2a9e-4d3f-b9a8-9f2a1e0b1234",
            "18b2ad5e-2a9e-4d3f-b9a8-9f2a1e0b1234 ",
            " 18b2ad5e-2a9e-4d3f-b9a8-9f2a1e0b123",
            "18b2ad5e-2a9e-4d3f-b9a8-9f2a1e0b123 ",
            "18b2ad5e-2a9e-4d3f-b9a8-9f2a1e0b123\n",
            "18b2ad5e-2a9e-4d3f-b9a8-9f2a1e0b1234\n",
            "18b2ad5e 2a9e 4d3f b9a8 9f2a1e0b1234",
            "18b2ad5e_2a9e_4d3f_b9a8_9f2a1e0b1234",
            "18b2ad5e-2a9e-4d3f-b9a89-f2a1e0b1234",
            "18b2ad5-e2a9e-4d3f-b9a8-9f2a1e0b1234",
            "-18b2ad5e-2a9e-4d3f-b9a8-9f2a1e0b123",
            "18b2ad5e--2a9-4d3f-b9a8-9f2a1e0b1234",
            "urn:uuid:18b2ad5e-2a9e-4d3f-b9a8-9f2a1e0b1234",
            "urn:uuid:18b2ad5e-2a9e-4d3f-b9a8-9f2",
            "18b2ad5e-2a9e-4d3f-b9a8-9f2a1e0b123g",
            "+8b2ad5e-2a9e-4d3f-b9a8-9f2a1e0b1234",
            "0x8b2ad5-2a9e-4d3f-b9a8-9f2a1e0b1234",
            "18b2ad5e-+a9e-4d3f-b9a8-9f2a1e0b1234",
            "18b2ad5e-2a9e-4d3f-b9a8--f2a1e0b1234",
            "18b2ad5e-2a9e-4d3f-b9a8-9f2a1e0b\u{0}234",
            "\u{0}8b2ad5e-2a9e-4d3f-b9a8-9f2a1e0b1234",
            "18b2ad5e-2a9e-4d3f-b9a8-9f2a1e0b1234\u{0}",
            "18b2ad5e-2a9e-4d3f-b9a8-9f2a1e0b123\u{0}",
            "18b2ad5e-2a9e-4d3f-b9a8-9f2a1e0b12é",
            "18b2ad5e-2a9e-4d3f-b9a8-9f2a1e0b123é",
            "18b2ad5e-2a9e-4d3f-b9a8-9f2a1e0b123\u{661}",
            "１8b2ad5e-2a9e-4d3f-b9a8-9f2a1e0b12",
            "18b2ad5e\u{2010}2a9e\u{2010}4d3f\u{2010}b9a8\u{2010}9f2a1e0b1234",
            "18b2ad5e-2a9e-4d3f-b9a8-9f2a1e0b1234/",
            "nil",
        ])
    func refusesOtherForms(text: String) {
        #expect(Identifier(text) == nil)
    }

    @Test("Random texts of the right length are taken exactly when the pattern matches", arguments: 1...10 as ClosedRange<UInt64>)
    func randomTexts(seed: UInt64) throws {
        var generator = SplitMix64(seed: seed)
        let strange = Array("-gG \u{0}+x{}:é".unicodeScalars)
        for _ in 0..<1_000 {
            var scalars = Array(UUID().uuidString.unicodeScalars)
            for _ in 0..<Int.random(in: 0...2, using: &generator) {
                scalars[Int.random(in: 0..<36, using: &generator)] = strange.randomElement(using: &generator) ?? "-"
            }
            var view = String.UnicodeScalarView()
            view.append(contentsOf: scalars)
            let text = String(view)
            let isWellFormed = text.wholeMatch(of: /[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}/) != nil
            try #require((Identifier(text) != nil) == isWellFormed, "seed \(seed): \(text.debugDescription)")
            if isWellFormed { try #require(Identifier(text)?.text == text.lowercased(), "seed \(seed)") }
        }
    }

    @Test("Sixteen bytes make an identifier, any other number none")
    func bytes() throws {
        let identifier = try #require(Identifier(Self.text))
        let bytes: [UInt8] = [0x18, 0xb2, 0xad, 0x5e, 0x2a, 0x9e, 0x4d, 0x3f, 0xb9, 0xa8, 0x9f, 0x2a, 0x1e, 0x0b, 0x12, 0x34]
        #expect(identifier.bytes == bytes)
        #expect(identifier.withBytes { Array($0) } == bytes)
        for count in 0...40 {
            let parsed = [UInt8](repeating: 7, count: count).withUnsafeBytes { Identifier(bytes: $0) }
            #expect((parsed != nil) == (count == 16))
        }
        #expect(bytes.withUnsafeBytes { Identifier(bytes: $0) } == identifier)
        // Bytes within a row of a database start anywhere.
        #expect(([0] + bytes).withUnsafeBytes { Identifier(bytes: UnsafeRawBufferPointer(rebasing: $0.dropFirst())) } == identifier)
    }

    @Test("Random identifiers are of version 4 and differ")
    func randomIdentifiers() {
        let identifiers = (0..<10_000).map { _ in Identifier.random() }
        #expect(Set(identifiers).count == identifiers.count)
        #expect(identifiers.allSatisfy { $0.bytes[6] >> 4 == 4 && $0.bytes[8] >> 6 == 0b10 })
        #expect(identifiers.allSatisfy { Identifier($0.text) == $0 })
    }

    @Test("Time-ordered identifiers are of version 7, hold the time, and differ within one millisecond")
    func timeOrderedIdentifiers() throws {
        let time = Timestamp(milliseconds: 0x0199_1234_5678)
        let identifiers = (0..<10_000).map { _ in Identifier.timeOrdered(at: time) }
        #expect(Set(identifiers).count == identifiers.count)
        #expect(identifiers.allSatisfy { $0.bytes[6] >> 4 == 7 && $0.bytes[8] >> 6 == 0b10 })
        #expect(identifiers.allSatisfy { $0.text.hasPrefix("01991234-5678-7") })
        for index in [6, 8] {
            let mask: UInt8 = index == 6 ? 0x0F : 0x3F
            #expect(Set(identifiers.map { $0.bytes[index] & mask }).count > 1, "The bits beside version and variant are random")
        }
        #expect(Identifier.timeOrdered(at: Timestamp(milliseconds: -1)).text.hasPrefix("00000000-0000-7"))
        #expect(Identifier.timeOrdered(at: Timestamp(milliseconds: .max)).bytes[6] >> 4 == 7)
    }

    @Test("A later moment gives a larger identifier, in the order of bytes and of text", arguments: 1...5 as ClosedRange<UInt64>)
    func ordersByTime(seed: UInt64) throws {
        var generator = SplitMix64(seed: seed)
        var time = Timestamp(milliseconds: 0)
        var previous = Identifier.timeOrdered(at: time)
        for _ in 0..<1_000 {
            time = Timestamp(milliseconds: time.milliseconds + (1 << Int64.random(in: 0...30, using: &generator)))
            let next = Identifier.timeOrdered(at: time)
            try #require(previous < next && !(next < previous), "seed \(seed)")
            try #require(previous.bytes.lexicographicallyPrecedes(next.bytes), "seed \(seed)")
            try #require(previous.text < next.text, "seed \(seed)")
            previous = next
        }
    }

    @Test("Any two identifiers are ordered as their bytes are")
    func ordersByBytes() {
        for _ in 0..<1_000 {
            let (left, right) = (Identifier.random(), Identifier.random())
            #expect((left < right) == left.bytes.lexicographicallyPrecedes(right.bytes))
            #expect(!(left < left))
        }
    }

    @Test("JSON carries the text form, and any other form is an error")
    func codable() throws {
        let identifier = try #require(Identifier(Self.text))
        #expect(try String(decoding: JSONEncoder().encode([identifier]), as: UTF8.self) == #"["\#(Self.text)"]"#)
        #expect(try JSONDecoder().decode([Identifier].self, from: Data(#"["\#(Self.text.uppercased())"]"#.utf8)) == [identifier])
        for json in [#"["{\#(Self.text)}"]"#, #"[""]"#, "[1]", "[null]", #"["\#(Self.text)0"]"#] {
            #expect(throws: DecodingError.self) { try JSONDecoder().decode([Identifier].self, from: Data(json.utf8)) }
        }
    }
}
