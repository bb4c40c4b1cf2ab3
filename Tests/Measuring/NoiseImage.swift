import Foundation
import Personas

/// A PNG of grey noise that compresses to nothing less, of which unlimited variants are made at the cost of a copy.
///
/// The pixels lie in stored deflate blocks, so that the file is as large as the picture. Variants differ in the last pixels; all before them,
/// as base64 and with both checksums so far, is made once.
package struct NoiseImage: Sendable {
    private static let storedBlockBytesMax = 65_535
    private static let variantBytes = 16

    /// Base64 of everything before the tail.
    private let headBase64: [UInt8]
    /// The first bytes of the tail, which do not change: the head's length is a multiple of three, so that base64 can be put together.
    private let tailStart: [UInt8]
    private let headCRC: UInt32
    private let headAdler: Adler32

    /// Makes the picture. A width of 141 and a height of 142 give 20 KB.
    package init(width: Int, height: Int, seed: UInt64) {
        let byteCount = (width + 1) * height
        var noise = SplitMix64(state: seed)
        var adler = Adler32()
        var data: [UInt8] = [0x78, 0x01]
        var adlerAtTail = adler
        let unchanged = byteCount - Self.variantBytes - 2
        for offset in 0..<byteCount {
            if offset.isMultiple(of: Self.storedBlockBytesMax) {
                let length = UInt16(min(Self.storedBlockBytesMax, byteCount - offset))
                data.append(offset + Int(length) == byteCount ? 1 : 0)
                data += withUnsafeBytes(of: length.littleEndian) { Array($0) } + withUnsafeBytes(of: (~length).littleEndian) { Array($0) }
            }
            // Every row begins with the number of its filter, 0 for none.
            let byte = offset.isMultiple(of: width + 1) ? 0 : UInt8(truncatingIfNeeded: noise.next())
            if offset < byteCount - Self.variantBytes { data.append(byte) }
            adler.add(byte)
            if offset < unchanged { adlerAtTail = adler }
        }
        let length = data.count + Self.variantBytes + 4
        let header = Self.bigEndian(UInt32(width)) + Self.bigEndian(UInt32(height)) + [8, 0, 0, 0, 0]
        let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
        let file = signature + Self.chunk("IHDR", header) + Self.bigEndian(UInt32(length)) + Array("IDAT".utf8) + data
        let tailLength = file.count % 3
        let head = Array(file.dropLast(tailLength))
        tailStart = Array(file.suffix(tailLength))
        headBase64 = Array(Data(head).base64EncodedString().utf8)
        headCRC = CRC32.checksum(head.dropFirst(signature.count + 12 + header.count + 4))
        for byte in file.suffix(2).dropLast(tailLength) { adlerAtTail.add(byte) }
        headAdler = adlerAtTail
    }

    /// Appends one variant as base64.
    package func append(variant: (UInt64, UInt64), to body: inout [UInt8]) {
        var tail = tailStart
        withUnsafeBytes(of: (variant.0.bigEndian, variant.1.bigEndian)) { tail += $0 }
        var adler = headAdler
        for byte in tail { adler.add(byte) }
        tail += Self.bigEndian(adler.value)
        tail += Self.bigEndian(CRC32.checksum(tail, continuing: headCRC))
        tail += Self.chunk("IEND", [])
        body += headBase64
        body += Data(tail).base64EncodedString().utf8
    }

    /// One variant as base64, and the bytes that it stands for.
    package func variant(_ first: UInt64, _ second: UInt64 = 0) -> (base64: [UInt8], bytes: [UInt8]) {
        var base64: [UInt8] = []
        append(variant: (first, second), to: &base64)
        return (base64, [UInt8](Data(base64Encoded: Data(base64)) ?? Data()))
    }

    private static func chunk(_ type: String, _ data: [UInt8]) -> [UInt8] {
        let checked = Array(type.utf8) + data
        return bigEndian(UInt32(data.count)) + checked + bigEndian(CRC32.checksum(checked))
    }

    private static func bigEndian(_ number: UInt32) -> [UInt8] {
        withUnsafeBytes(of: number.bigEndian) { Array($0) }
    }
}

/// The checksum of zlib (RFC 1950), byte by byte.
private struct Adler32 {
    private var low: UInt32 = 1
    private var high: UInt32 = 0

    mutating func add(_ byte: UInt8) {
        low = (low + UInt32(byte)) % 65_521
        high = (high + low) % 65_521
    }

    var value: UInt32 { high << 16 | low }
}

/// Sebastiano Vigna's SplitMix64: noise that is the same in every run.
package struct SplitMix64: RandomNumberGenerator, Sendable {
    private var state: UInt64

    /// Starts at a number, which is the whole secret of what follows.
    package init(state: UInt64) { self.state = state }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}
