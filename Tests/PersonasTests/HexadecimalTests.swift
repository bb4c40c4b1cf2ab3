import Personas
import Testing

@Suite("Hexadecimal digits")
struct HexadecimalTests {
    @Test("Every byte is two digits in lower case, those below 0x10 as well")
    func bytes() {
        #expect(hexadecimal([]) == "")
        #expect(hexadecimal([0x00, 0x01, 0x0F, 0x10, 0x7F, 0xAB, 0xFF]) == "00010f107fabff")
        for byte in UInt8.min...UInt8.max {
            #expect(hexadecimal([byte]) == (byte < 16 ? "0" : "") + String(byte, radix: 16))
        }
    }
}
