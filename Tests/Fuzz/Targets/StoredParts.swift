package import Personas

/// Walks stored images by rules of its own, which are fewer and simpler than those of the walkers: it knows the parts that may be stored,
/// and finds fault with every other.
package enum StoredParts {
    /// Whether an image holds its picture, its colours, its animation and its orientation, and nothing else.
    package static func areClean(_ image: SanitizedImage) -> Bool {
        switch image.format {
        case .jpeg: isCleanJPEG(image.bytes)
        case .png: isCleanPNG(image.bytes)
        case .webp: isCleanWebP(image.bytes)
        case .gif: isCleanGIF(image.bytes)
        }
    }

    /// The same of a file as it was sent, metadata and all.
    package static func areCleanAsSent(_ bytes: [UInt8]) throws(ImageProblem) -> Bool {
        areClean(try ImageSanitizer.sanitize(bytes, removingMetadata: false))
    }

    /// The block of EXIF that says nothing but how to turn the picture.
    private static func isOrientation(_ block: ArraySlice<UInt8>) -> Bool {
        guard block.count == 26 else { return false }
        let orientation = block[block.startIndex + 19]
        let expected: [UInt8] = [
            0x4D, 0x4D, 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0,
        ]
        return (2...8).contains(orientation) && block.elementsEqual(expected)
    }

    private static func number(_ bytes: [UInt8], _ range: Range<Int>, isLittleEndian: Bool = false) -> Int? {
        guard range.upperBound <= bytes.count else { return nil }
        let digits = Array(bytes[range])
        return (isLittleEndian ? digits.reversed() : digits).reduce(0) { $0 << 8 | Int($1) }
    }

    private static func isCleanJPEG(_ bytes: [UInt8]) -> Bool {
        var index = 2
        while index + 2 <= bytes.count {
            let marker = bytes[index + 1]
            guard bytes[index] == 0xFF else { return false }
            if marker == 0xD9 { return index + 2 == bytes.count }
            guard let length = number(bytes, index + 2..<index + 4), index + 2 + length <= bytes.count else { return false }
            guard isClean(marker, bytes[(index + 4)..<(index + 2 + length)]) else { return false }
            index += 2 + length
            guard marker == 0xDA else { continue }
            while index + 1 < bytes.count, bytes[index] != 0xFF || isData(bytes[index + 1]) { index += 1 }
        }
        return false
    }

    /// Whether the byte after 0xFF continues the data of a scan: a data byte, a restart, or another 0xFF.
    private static func isData(_ code: UInt8) -> Bool { code == 0 || code == 0xFF || (0xD0...0xD7).contains(code) }

    private static func isClean(_ marker: UInt8, _ payload: ArraySlice<UInt8>) -> Bool {
        switch marker {
        case 0xC0...0xC2, 0xC4, 0xDA, 0xDB, 0xDD: true
        case 0xE0: payload.starts(with: "JFIF\0".utf8) && payload.count == 14
        case 0xE1: payload.starts(with: "Exif\0\0".utf8) && isOrientation(payload.dropFirst(6))
        case 0xE2: payload.starts(with: "ICC_PROFILE\0".utf8)
        case 0xEE: payload.starts(with: "Adobe".utf8) && payload.count == 12
        default: false
        }
    }

    private static func isCleanPNG(_ bytes: [UInt8]) -> Bool {
        let allowed: Set = [
            "IHDR", "PLTE", "IDAT", "IEND", "tRNS", "bKGD", "pHYs", "acTL", "fcTL", "fdAT", "gAMA", "cHRM", "sRGB", "sBIT", "cICP", "mDCV",
            "cLLI", "iCCP", "eXIf",
        ]
        var index = 8
        while let length = number(bytes, index..<index + 4), index + 12 + length <= bytes.count {
            let type = String(decoding: bytes[(index + 4)..<(index + 8)], as: UTF8.self)
            guard allowed.contains(type) else { return false }
            if type == "eXIf", !isOrientation(bytes[(index + 8)..<(index + 8 + length)]) { return false }
            index += 12 + length
            if type == "IEND" { return index == bytes.count }
        }
        return false
    }

    private static func isCleanWebP(_ bytes: [UInt8]) -> Bool {
        areCleanChunks(bytes, 12..<bytes.count, allowed: ["VP8 ", "VP8L", "VP8X", "ALPH", "ANIM", "ANMF", "ICCP", "EXIF"])
    }

    private static func areCleanChunks(_ bytes: [UInt8], _ range: Range<Int>, allowed: Set<String>) -> Bool {
        var index = range.lowerBound
        while index < range.upperBound {
            guard let length = number(bytes, index + 4..<index + 8, isLittleEndian: true) else { return false }
            let payload = index + 8..<index + 8 + length
            let type = String(decoding: bytes[index..<index + 4], as: UTF8.self)
            guard payload.upperBound <= range.upperBound, allowed.contains(type) else { return false }
            if type == "EXIF", !isOrientation(bytes[payload]) { return false }
            if type == "ANMF" {
                guard length >= 16 else { return false }
                let parts = payload.lowerBound + 16..<payload.upperBound
                guard areCleanChunks(bytes, parts, allowed: ["VP8 ", "VP8L", "ALPH"]) else { return false }
            }
            index = payload.upperBound + length % 2
        }
        return index == range.upperBound
    }

    private static func isCleanGIF(_ bytes: [UInt8]) -> Bool {
        func afterColourTable(_ flags: UInt8, _ index: Int) -> Int { index + (flags & 0x80 == 0 ? 0 : 3 << (Int(flags & 7) + 1)) }
        guard bytes.count > 13 else { return false }
        var index = afterColourTable(bytes[10], 13)
        while index < bytes.count {
            let block = bytes[index...]
            if block[index] == 0x3B { return block.count == 1 }
            if block.starts(with: [0x21, 0xF9, 4]) {
                index += 8
            } else if block.starts(with: [0x21, 0xFF, 11]) {
                let name = String(decoding: block.dropFirst(3).prefix(11), as: UTF8.self)
                let isRepetition = block.dropFirst(14).starts(with: [3, 1]) && block.dropFirst(18).first == 0
                guard ["NETSCAPE2.0", "ANIMEXTS1.0"].contains(name), isRepetition else { return false }
                index += 19
            } else {
                guard block[index] == 0x2C, block.count > 10 else { return false }
                index = afterColourTable(block[index + 9], index + 10) + 1
                while index < bytes.count, bytes[index] > 0 { index += 1 + Int(bytes[index]) }
                index += 1
            }
        }
        return false
    }
}
