/// The 32-bit cyclic redundancy check of PNG, ZIP and Ethernet: polynomial 0x04C11DB7 reflected, register and result inverted
/// (W3C PNG, annex D; the same as `crc32` of zlib).
package enum CRC32 {
    /// The checksum of the bytes.
    ///
    /// To check data that arrives in parts, hand the checksum of what came before to `continuing`:
    /// `checksum(b, continuing: checksum(a))` is the checksum of `a` followed by `b`. The checksum of nothing is 0.
    package static func checksum(_ bytes: some Sequence<UInt8>, continuing previous: UInt32 = 0) -> UInt32 {
        let fast = bytes.withContiguousStorageIfAvailable { checksum(of: UnsafeRawBufferPointer($0), continuing: previous) }
        if let fast {
            return fast
        }
        var register = ~previous
        for byte in bytes {
            register = tables[Int(UInt8(truncatingIfNeeded: register) ^ byte)] ^ (register >> 8)
        }
        return ~register
    }

    /// The checksum of contiguous memory, eight bytes in one step: an image of 10 MB takes milliseconds, so that
    /// a create may check three of them within its request.
    private static func checksum(of bytes: UnsafeRawBufferPointer, continuing previous: UInt32) -> UInt32 {
        tables.withUnsafeBufferPointer { tables in
            var register = ~previous
            var offset = 0
            while bytes.count - offset >= 8 {
                let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)) ^ UInt64(register)
                register = 0
                for lane in 0..<8 {
                    let byte = Int(UInt8(truncatingIfNeeded: word >> UInt64(lane * 8)))
                    register ^= tables[(7 - lane) * 256 + byte]
                }
                offset += 8
            }
            while offset < bytes.count {
                register = tables[Int(UInt8(truncatingIfNeeded: register) ^ bytes[offset])] ^ (register >> 8)
                offset += 1
            }
            return ~register
        }
    }

    /// Eight tables of 256 entries in one array: table `n` advances a byte by `n` further zero bytes (Intel's slicing-by-8).
    private static let tables: [UInt32] = {
        var tables = [UInt32](repeating: 0, count: 8 * 256)
        for byte in 0..<256 {
            var register = UInt32(byte)
            for _ in 0..<8 {
                register = register & 1 == 1 ? 0xEDB8_8320 ^ (register >> 1) : register >> 1
            }
            tables[byte] = register
        }
        for index in 256..<tables.count {
            let previous = tables[index - 256]
            tables[index] = tables[Int(previous & 0xFF)] ^ (previous >> 8)
        }
        return tables
    }()
}
