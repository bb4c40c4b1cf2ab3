import Foundation
import Personas
import Testing

@Suite("CRC-32")
struct CRC32Tests {
    @Test(
        "has the published check values",
        arguments: [
            ("", 0), ("123456789", 0xCBF4_3926), ("a", 0xE8B7_BE43), ("IEND", 0xAE42_6082),
            ("The quick brown fox jumps over the lazy dog", 0x414F_A339),
        ] as [(String, UInt32)]
    )
    func checkValues(text: String, expected: UInt32) {
        #expect(CRC32.checksum(text.utf8) == expected)
        #expect(CRC32.checksum(Array(text.utf8)) == expected)
        #expect(CRC32.checksum(Data(text.utf8)) == expected)
        #expect(CRC32.checksum(AnySequence(text.utf8)) == expected)
    }

    @Test("eight bytes at a time and bit by bit give the same, at every length and alignment")
    func matchesTheDefinition() {
        let bytes = (0..<80).map { UInt8(truncatingIfNeeded: $0 &* 151 &+ 7) }
        for start in 0..<8 {
            for end in start...bytes.count {
                #expect(CRC32.checksum(bytes[start..<end]) == bitByBit(bytes[start..<end]))
            }
        }
    }

    @Test("goes on where an earlier checksum ended, wherever the data is split")
    func incremental() {
        let bytes = (0..<40).map { UInt8($0) }
        for split in 0...bytes.count {
            let first = CRC32.checksum(bytes[..<split])
            #expect(CRC32.checksum(bytes[split...], continuing: first) == CRC32.checksum(bytes))
            #expect(CRC32.checksum(AnySequence(bytes[split...]), continuing: first) == CRC32.checksum(bytes))
        }
    }

    private func bitByBit(_ bytes: some Sequence<UInt8>) -> UInt32 {
        var register = UInt32.max
        for byte in bytes {
            register ^= UInt32(byte)
            for _ in 0..<8 {
                register = register & 1 == 1 ? 0xEDB8_8320 ^ (register >> 1) : register >> 1
            }
        }
        return ~register
    }
}
