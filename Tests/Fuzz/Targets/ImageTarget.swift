import Personas

extension FuzzTarget {
    /// The image sanitizer. Inputs that claim to be PNG are fed once more with their checksums put right, because otherwise next to none of them
    /// would get beyond the first.
    static let images = FuzzTarget(
        name: "images",
        pieces: utf8("Exif\0\0", "MM\0*\0\0\0\u{8}", "II*\0\u{8}\0\0\0", "JFIF\0", "ICC_PROFILE\0", "GIF87a", "GIF89a", "NETSCAPE2.0")
            + utf8("IHDR", "IDAT", "IEND", "PLTE", "eXIf", "tEXt", "iTXt", "acTL", "fcTL", "fdAT", "RIFF", "WEBP", "VP8 ", "VP8L", "VP8X")
            + utf8("EXIF", "XMP ", "ANIM", "ANMF", "ALPH", "ICCP") + [
                [0xFF, 0xD8, 0xFF], [0xFF, 0xD9], [0xFF, 0xDA], [0xFF, 0xE1], [0xFF, 0xFE], [0xFF, 0xC0], [0xFF, 0xDB], [0xFF, 0xC4],
                [0x21, 0xF9, 4], [0x21, 0xFE], [0x21, 0xFF, 11], [0x2C], [0x3B], [0, 0, 0, 0], [0xFF, 0xFF, 0xFF, 0xFF],
                [0x7F, 0xFF, 0xFF, 0xFF], [0x80, 0, 0, 0], [1, 0x12, 0, 3, 0, 0, 0, 1, 0, 6],
            ],
        check: { (bytes) throws(BrokenProperty) in
            try checkSanitizer(bytes)
            if let repaired = withChecksums(bytes) { try checkSanitizer(repaired) }
        })

    private static func checkSanitizer(_ bytes: [UInt8]) throws(BrokenProperty) {
        let stored = try? ImageSanitizer.sanitize(bytes)
        let whole = try? ImageSanitizer.sanitize(bytes, removingMetadata: false)
        if let whole {
            try require(bytes.starts(with: whole.bytes), "a file whose metadata stays is cut at its end and not changed otherwise")
            try require(
                (try? ImageSanitizer.sanitize(whole.bytes, removingMetadata: false)) == whole,
                "a file whose metadata stays is not changed a second time")
        }
        guard let stored else { return }
        try require((try? ImageSanitizer.sanitize(stored.bytes)) == stored, "a stored file is not changed a second time")
        // A minimal EXIF block may take a few bytes more than the one that it stands for.
        try require(stored.bytes.count <= bytes.count + 16, "a stored file is no longer than what was sent")
        if let whole {
            try require(
                (stored.format, stored.width, stored.height) == (whole.format, whole.width, whole.height),
                "what an image is does not depend on its metadata")
        }
        try require(StoredParts.areClean(stored), "a stored \(stored.format) holds nothing but picture, colours and orientation")
    }

    /// A PNG with the right checksum behind every chunk; nil for what is none.
    private static func withChecksums(_ bytes: [UInt8]) -> [UInt8]? {
        guard bytes.count > 8, bytes.starts(with: [0x89, 0x50, 0x4E, 0x47]) else { return nil }
        var repaired = bytes
        var start = 8
        while start + 12 <= bytes.count {
            let length = bytes[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
            guard length <= bytes.count - start - 12 else { break }
            let end = start + 8 + length
            let checksum = withUnsafeBytes(of: CRC32.checksum(bytes[start + 4..<end]).bigEndian) { Array($0) }
            repaired.replaceSubrange(end..<end + 4, with: checksum)
            start = end + 4
        }
        return repaired
    }
}
