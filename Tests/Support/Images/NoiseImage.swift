import Foundation
import Personas
import TestSupport

/// A PNG of grey noise that compresses to nothing less, of which unlimited variants are made at the cost of a copy.
///
/// The pixels are stored, so that the file is as large as the picture. Variants differ in the last pixels; all before them, as base64 and with
/// both checksums so far, is made once.
package struct NoiseImage: Sendable {
    private static let variantBytes = 16

    /// Base64 of everything before the tail.
    private let headBase64: [UInt8]
    /// The first bytes of the tail, which do not change: the head's length is a multiple of three, so that base64 can be put together.
    private let tailStart: [UInt8]
    private let headCRC: UInt32
    private let headAdler: Adler32

    /// Makes the picture. A width of 141 and a height of 142 give 20 KB.
    package init(width: Int, height: Int, seed: UInt64) {
        let rows = PNG.noiseRows(width: width, height: height, channels: 1, seed: seed)
        let file = PNG.file(width: width, height: height, rows: rows)
        // Behind the variant stand both checksums and the last chunk.
        let fixed = file.dropLast(Self.variantBytes + 4 + 4 + PNG.chunk("IEND").count)
        let head = fixed.dropLast(fixed.count % 3)
        tailStart = Array(fixed[head.endIndex...])
        headBase64 = Array(Data(head).base64EncodedString().utf8)
        // A checksum begins with the type of its chunk, behind the length.
        headCRC = CRC32.checksum(head[(PNG.headerEnd + 4)...])
        var adler = Adler32()
        adler.add(rows.dropLast(Self.variantBytes + tailStart.count))
        headAdler = adler
    }

    /// Appends one variant as base64.
    package func append(variant: (UInt64, UInt64), to body: inout [UInt8]) {
        var tail = tailStart
        withUnsafeBytes(of: (variant.0.bigEndian, variant.1.bigEndian)) { tail += $0 }
        var adler = headAdler
        adler.add(tail)
        tail += bigEndian(adler.value)
        tail += bigEndian(CRC32.checksum(tail, continuing: headCRC))
        tail += PNG.chunk("IEND")
        body += headBase64
        body += Data(tail).base64EncodedString().utf8
    }

    /// One variant as base64, and the bytes that it stands for.
    package func variant(_ first: UInt64, _ second: UInt64 = 0) -> (base64: [UInt8], bytes: [UInt8]) {
        var base64: [UInt8] = []
        append(variant: (first, second), to: &base64)
        return (base64, [UInt8](Data(base64Encoded: Data(base64)) ?? Data()))
    }
}
