import Personas

/// Writes pictures as PNG files (W3C PNG, third edition): eight bits a channel, no alpha, not interlaced.
enum PNGEncoder {
    /// The file of a picture.
    /// - Parameter pixels: red, green and blue of each pixel, row by row from the top; `width * height * 3` bytes.
    static func file(width: Int, height: Int, pixels: [UInt8]) -> [UInt8] {
        var file: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
        let depthEightTruecolour: [UInt8] = [8, 2, 0, 0, 0]
        file += chunk("IHDR", bigEndian(UInt32(width)) + bigEndian(UInt32(height)) + depthEightTruecolour)
        let filtered = filteredRows(pixels, rowBytes: width * 3)
        file += chunk("IDAT", DeflateEncoder.zlibStream(filtered, repeatDistances: [1, 3, width * 3 + 1]))
        file += chunk("IEND", [])
        return file
    }

    /// Each row as differences from the pixel to the left (filter 1), so that a flat area becomes a run of zeros.
    private static func filteredRows(_ pixels: [UInt8], rowBytes: Int) -> [UInt8] {
        var rows: [UInt8] = []
        rows.reserveCapacity(pixels.count + pixels.count / max(1, rowBytes))
        pixels.withUnsafeBufferPointer { pixels in
            for start in stride(from: 0, to: pixels.count, by: rowBytes) {
                rows.append(1)
                for index in start..<start + rowBytes {
                    rows.append(index < start + 3 ? pixels[index] : pixels[index] &- pixels[index - 3])
                }
            }
        }
        return rows
    }

    private static func chunk(_ name: String, _ content: [UInt8]) -> [UInt8] {
        let named = Array(name.utf8) + content
        return bigEndian(UInt32(content.count)) + named + bigEndian(CRC32.checksum(named))
    }

    private static func bigEndian(_ value: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: value >> UInt32(24 - 8 * $0)) }
    }
}

/// A small DEFLATE compressor (RFC 1951) with the fixed code and only those repetitions that drawn pictures are full of: of the byte
/// before, of the pixel before, and of the row above. It makes a drawing of 768 KB into one of some ten.
enum DeflateEncoder {
    private static let matchBytesMin = 3
    private static let matchBytesMax = 258

    /// The bytes as a zlib stream (RFC 1950).
    /// - Parameter repeatDistances: how far back repetitions are looked for, 1 to 32,768 bytes each.
    static func zlibStream(_ bytes: [UInt8], repeatDistances: [Int]) -> [UInt8] {
        var bits = BitWriter()
        bits.write(1, count: 1)
        bits.write(1, count: 2)
        bytes.withUnsafeBufferPointer { bytes in
            var position = 0
            while position < bytes.count {
                let match = longestMatch(in: bytes, at: position, distances: repeatDistances)
                if match.length >= matchBytesMin {
                    bits.writeMatch(length: match.length, distance: match.distance)
                    position += match.length
                } else {
                    bits.writeSymbol(Int(bytes[position]))
                    position += 1
                }
            }
        }
        bits.writeSymbol(256)
        let checksum = adler32(bytes)
        let tail = (0..<4).map { UInt8(truncatingIfNeeded: checksum >> UInt32(24 - 8 * $0)) }
        return [0x78, 0x01] + bits.finished() + tail
    }

    private static func longestMatch(
        in bytes: UnsafeBufferPointer<UInt8>, at position: Int, distances: [Int]
    ) -> (length: Int, distance: Int) {
        var best = (length: 0, distance: 0)
        let limit = min(matchBytesMax, bytes.count - position)
        for distance in distances where distance <= position && best.length < limit {
            var length = 0
            while length < limit, bytes[position + length] == bytes[position + length - distance] { length += 1 }
            if length > best.length { best = (length, distance) }
        }
        return best
    }

    private static func adler32(_ bytes: [UInt8]) -> UInt32 {
        var low: UInt32 = 1
        var high: UInt32 = 0
        // Of so many bytes the sums stay below 2^32, so that the division need not be done for each.
        for start in stride(from: 0, to: bytes.count, by: 5_552) {
            for byte in bytes[start..<min(start + 5_552, bytes.count)] {
                low &+= UInt32(byte)
                high &+= low
            }
            low %= 65_521
            high %= 65_521
        }
        return high << 16 | low
    }
}

/// Packs bits as DEFLATE wants them: plain numbers from their lowest bit, codes from their highest.
private struct BitWriter {
    private var bytes: [UInt8] = []
    private var pending: UInt64 = 0
    private var pendingCount = 0

    mutating func write(_ value: Int, count: Int) {
        pending |= UInt64(value) << UInt64(pendingCount)
        pendingCount += count
        while pendingCount >= 8 {
            bytes.append(UInt8(truncatingIfNeeded: pending))
            pending >>= 8
            pendingCount -= 8
        }
    }

    /// Writes a literal, the end mark or a length by the fixed code of RFC 1951, section 3.2.6.
    mutating func writeSymbol(_ symbol: Int) {
        switch symbol {
        case 0...143: writeCode(0x30 + symbol, count: 8)
        case 144...255: writeCode(0x190 + symbol - 144, count: 9)
        case 256...279: writeCode(symbol - 256, count: 7)
        default: writeCode(0xC0 + symbol - 280, count: 8)
        }
    }

    mutating func writeMatch(length: Int, distance: Int) {
        let lengthCode = Self.code(of: length, in: Self.lengthBases)
        writeSymbol(257 + lengthCode.index)
        write(length - lengthCode.base, count: lengthCode.extraBits)
        let distanceCode = Self.code(of: distance, in: Self.distanceBases)
        writeCode(distanceCode.index, count: 5)
        write(distance - distanceCode.base, count: distanceCode.extraBits)
    }

    mutating func finished() -> [UInt8] {
        if pendingCount > 0 { write(0, count: 8 - pendingCount) }
        return bytes
    }

    private mutating func writeCode(_ code: Int, count: Int) {
        var reversed = 0
        for bit in 0..<count where code >> bit & 1 == 1 { reversed |= 1 << (count - 1 - bit) }
        write(reversed, count: count)
    }

    private static func code(of value: Int, in bases: [(base: Int, extraBits: Int)]) -> (index: Int, base: Int, extraBits: Int) {
        let index = max(0, (bases.firstIndex { $0.base > value } ?? bases.count) - 1)
        return (index, bases[index].base, bases[index].extraBits)
    }

    private static let lengthBases: [(base: Int, extraBits: Int)] = [
        (3, 0), (4, 0), (5, 0), (6, 0), (7, 0), (8, 0), (9, 0), (10, 0), (11, 1), (13, 1), (15, 1), (17, 1), (19, 2), (23, 2), (27, 2),
        (31, 2), (35, 3), (43, 3), (51, 3), (59, 3), (67, 4), (83, 4), (99, 4), (115, 4), (131, 5), (163, 5), (195, 5), (227, 5), (258, 0),
    ]

    private static let distanceBases: [(base: Int, extraBits: Int)] = [
        (1, 0), (2, 0), (3, 0), (4, 0), (5, 1), (7, 1), (9, 2), (13, 2), (17, 3), (25, 3), (33, 4), (49, 4), (65, 5), (97, 5), (129, 6),
        (193, 6), (257, 7), (385, 7), (513, 8), (769, 8), (1_025, 9), (1_537, 9), (2_049, 10), (3_073, 10), (4_097, 11), (6_145, 11),
        (8_193, 12), (12_289, 12), (16_385, 13), (24_577, 13),
    ]
}
