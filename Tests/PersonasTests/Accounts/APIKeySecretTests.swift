import Personas
import Testing

@Suite("Secrets of API keys")
struct APIKeySecretTests {
    static let alphabet = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)

    /// CRC-32 bit by bit, so that the tests do not ask the code under test.
    static func checksum(_ bytes: some Sequence<UInt8>) -> UInt32 {
        var register = UInt32.max
        for byte in bytes {
            register ^= UInt32(byte)
            for _ in 0..<8 { register = register & 1 == 1 ? register >> 1 ^ 0xEDB8_8320 : register >> 1 }
        }
        return ~register
    }

    /// The number that digits of base 62 stand for.
    static func number(_ digits: some Sequence<UInt8>) -> UInt64? {
        digits.reduce(0) { (sum: UInt64?, digit) in
            guard let sum, let value = alphabet.firstIndex(of: digit) else { return nil }
            return sum * 62 + UInt64(value)
        }
    }

    static func isChecksumRight(_ text: String) -> Bool {
        number(text.utf8.suffix(6)) == UInt64(checksum(text.utf8.dropFirst(4).dropLast(6)))
    }

    @Test("The checksum of these tests is the well-known one")
    func knownChecksum() {
        #expect(Self.checksum("123456789".utf8) == 0xCBF4_3926)
    }

    @Test("A secret is pkz_, 32 random characters and a checksum of 6, all of base 62")
    func format() {
        for _ in 0..<2_000 {
            let secret = APIKeySecret.random()
            #expect(secret.text.wholeMatch(of: /pkz_[0-9A-Za-z]{38}/) != nil)
            #expect(Self.isChecksumRight(secret.text))
            #expect(secret.text.utf8.count == APIKeySecret.textBytes)
            #expect(secret.prefix.utf8.elementsEqual(secret.text.utf8.prefix(8)))
        }
    }

    @Test("Any one character typed wrong, and any two neighbours swapped, give another checksum")
    func typingErrors() {
        for _ in 0..<5 {
            let text = Array(APIKeySecret.random().text.utf8)
            for index in 4..<text.count {
                for digit in Self.alphabet where digit != text[index] {
                    var wrong = text
                    wrong[index] = digit
                    #expect(!Self.isChecksumRight(String(decoding: wrong, as: UTF8.self)))
                }
                if index + 1 < text.count, text[index] != text[index + 1] {
                    var swapped = text
                    swapped.swapAt(index, index + 1)
                    #expect(!Self.isChecksumRight(String(decoding: swapped, as: UTF8.self)))
                }
            }
        }
    }

    @Test("Secrets differ from one another, also in their random parts alone")
    func uniqueness() {
        let texts = (0..<10_000).map { _ in APIKeySecret.random().text }
        #expect(Set(texts).count == texts.count)
        #expect(Set(texts.map { $0.dropFirst(4).prefix(32) }).count == texts.count)
    }
}
