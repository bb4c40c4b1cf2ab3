extension UnsafeMutableBufferPointer<UInt8> {
    /// Puts the `count` highest digits of a word, in lower case.
    ///
    /// Written by hand, like the text of times: every item of every answer carries half a dozen of these, and the C library's way of printing
    /// a UUID costs more than finding the row.
    func putHexadecimal(_ word: UInt64, digits count: Int, at offset: Int) {
        for place in 0..<count {
            let digit = UInt8(truncatingIfNeeded: word >> UInt64(60 - 4 * place)) & 0xf
            self[offset + place] = digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
        }
    }
}

/// Bytes as lower-case hexadecimal digits.
package func hexadecimal(_ bytes: [UInt8]) -> String {
    String(unsafeUninitializedCapacity: 2 * bytes.count) { buffer in
        for (index, byte) in bytes.enumerated() { buffer.putHexadecimal(UInt64(byte) << 56, digits: 2, at: 2 * index) }
        return 2 * bytes.count
    }
}
