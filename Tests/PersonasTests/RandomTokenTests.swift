import Personas
import Testing

@Suite("Random tokens")
struct RandomTokenTests {
    static let text = "00ff10a5c3e7f8091122334455667788"

    @Test("A token is written as 32 lower-case hexadecimal digits and read back")
    func roundTrip() throws {
        let token = try #require(RandomToken(text: Self.text))
        #expect(token.text == Self.text)
        #expect(
            token.bytes == [0x00, 0xff, 0x10, 0xa5, 0xc3, 0xe7, 0xf8, 0x09, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88])
        for _ in 0..<1_000 {
            let random = RandomToken.random()
            #expect(RandomToken(text: random.text) == random)
            #expect(random.bytes.withUnsafeBytes { RandomToken(bytes: $0) } == random)
            #expect(random.text == random.bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined())
        }
        #expect(RandomToken(text: "x\(Self.text)".dropFirst()) == token, "A part of a path is read as well")
    }

    @Test(
        "Any other text is refused",
        arguments: [
            "",
            "00ff10a5c3e7f809112233445566778",
            "00ff10a5c3e7f80911223344556677889",
            "00FF10A5C3E7F8091122334455667788",
            "00ff10a5c3e7f809112233445566778G",
            "00ff10a5c3e7f809112233445566778 ",
            " 0ff10a5c3e7f8091122334455667788",
            "+0ff10a5c3e7f8091122334455667788",
            "00ff10a5c3e7f809+122334455667788",
            "-0ff10a5c3e7f8091122334455667788",
            "0x0f10a5c3e7f8091122334455667788",
            "00ff10a5c3e7f809112233445566778\u{0}",
            "00ff10a5c3e7f80911223344556677é",
            "00ff10a5c3e7f8091122334455667\u{FF11}",
            "00ff10a5-c3e7-f809-1122-334455667788",
            "00ff10a5c3e7f80911223344556677..",
            "00ff10a5c3e7f8091122334455667788\n",
        ])
    func refusesOtherForms(text: String) {
        #expect(RandomToken(text: text) == nil)
    }

    @Test("Sixteen bytes make a token, any other number none")
    func bytes() {
        for count in 0...40 {
            let token = [UInt8](repeating: 0xAB, count: count).withUnsafeBytes { RandomToken(bytes: $0) }
            #expect((token != nil) == (count == 16))
        }
        let shifted: [UInt8] = [0] + [UInt8](repeating: 0xAB, count: 16)
        let token = shifted.withUnsafeBytes { RandomToken(bytes: UnsafeRawBufferPointer(rebasing: $0.dropFirst())) }
        #expect(token?.text == String(repeating: "ab", count: 16), "Bytes within a row of a database start anywhere")
    }

    @Test("Tokens that differ in any one bit are different")
    func everyBitCounts() throws {
        let token = RandomToken.random()
        for bit in 0..<128 {
            var bytes = token.bytes
            bytes[bit / 8] ^= 1 << (bit % 8)
            let other = try #require(bytes.withUnsafeBytes { RandomToken(bytes: $0) })
            #expect(other != token)
        }
    }

    @Test("Random tokens differ, and all of their bits vary")
    func randomness() {
        let tokens = (0..<10_000).map { _ in RandomToken.random() }
        #expect(Set(tokens).count == tokens.count)
        var ones = [Int](repeating: 0, count: 128)
        for token in tokens {
            for (index, byte) in token.bytes.enumerated() {
                for bit in 0..<8 where byte >> bit & 1 == 1 { ones[index * 8 + bit] += 1 }
            }
        }
        // Ten standard deviations (50 each): a sound generator does not get there.
        #expect(ones.allSatisfy { (4_500...5_500).contains($0) })
    }
}
