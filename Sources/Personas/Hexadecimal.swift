/// A value whose text, of ASCII alone, always has the same length, so that it is written straight to where it is to stand: every item of every
/// answer carries half a dozen, and a `String` in between would cost more than the digits.
package protocol FixedLengthText {
    /// Characters of the text.
    static var textBytes: Int { get }
    /// Puts the text at an address with room for it.
    func putText(at address: UnsafeMutableRawPointer)
}

extension FixedLengthText {
    /// The text by itself.
    package var text: String {
        withUnsafeTemporaryAllocation(byteCount: Self.textBytes, alignment: 1) { bytes in
            if let address = bytes.baseAddress { putText(at: address) }
            return String(decoding: bytes, as: UTF8.self)
        }
    }
}

/// The eight lower-case hexadecimal digits of a word, the first of them in the lowest byte.
///
/// All digits at once: the half bytes are spread over the bytes of a word twice as long, where those from 10 on get what lies between the digits
/// and the letters.
func hexadecimalDigits(of word: UInt32) -> UInt64 {
    var digits = UInt64(word)
    digits = (digits | digits << 16) & 0x0000_ffff_0000_ffff
    digits = (digits | digits << 8) & 0x00ff_00ff_00ff_00ff
    digits = (digits | digits << 4) & 0x0f0f_0f0f_0f0f_0f0f
    let letters = (digits &+ 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101
    let betweenDigitsAndLetters = UInt64(UInt8(ascii: "a") - UInt8(ascii: "0") - 10)
    return (digits &+ 0x3030_3030_3030_3030 &+ letters &* betweenDigitsAndLetters).byteSwapped
}

extension UnsafeMutableRawPointer {
    /// Puts the low bytes of a word, the lowest first.
    func put<Word: FixedWidthInteger & BitwiseCopyable>(_ word: Word, at offset: Int) {
        storeBytes(of: word.littleEndian, toByteOffset: offset, as: Word.self)
    }
}

/// Bytes as lower-case hexadecimal digits.
package func hexadecimal(_ bytes: [UInt8]) -> String {
    String(unsafeUninitializedCapacity: 2 * bytes.count) { buffer in
        for (index, byte) in bytes.enumerated() {
            let digits = hexadecimalDigits(of: UInt32(byte) << 24)
            buffer[2 * index] = UInt8(truncatingIfNeeded: digits)
            buffer[2 * index + 1] = UInt8(truncatingIfNeeded: digits >> 8)
        }
        return 2 * bytes.count
    }
}
