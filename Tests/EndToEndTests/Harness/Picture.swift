import Foundation
import Personas

/// Images for tests, whole and small unless a length is asked for.
enum Picture {
    /// A PNG that differs for every seed, of 16 × 16 pixels.
    static func png(seed: Int = 0) -> [UInt8] { file(width: 16, height: 16, seed: seed, byteCount: nil) }

    /// A PNG of exactly so many bytes, at least 20,000.
    static func png(byteCount: Int, seed: Int = 0) -> [UInt8] {
        let width = 4_000
        // What a row, and its share of the headers of stored blocks, takes of the file; some room is left for filling up.
        let height = (byteCount - 200 - byteCount / 65_535 * 5) / (width + 1)
        return file(width: width, height: height, seed: seed, byteCount: byteCount)
    }

    /// Three PNGs of a seed as a request carries them.
    static func threeBase64(seed: Int = 0) -> JSONValue { .array(three(seed: seed).map { .string(base64($0)) }) }

    /// The bytes of `threeBase64`.
    static func three(seed: Int = 0) -> [[UInt8]] { (0..<3).map { png(seed: seed * 3 + $0) } }

    /// Bytes as bare base64.
    static func base64(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }

    /// Bytes as a data URL, of a type that may be another than theirs.
    static func dataURL(_ bytes: [UInt8], type: String = "image/jpeg") -> String { "data:\(type);base64,\(base64(bytes))" }

    /// Images of 10 MiB, the most that is taken. Made once, because making them takes a second.
    static let largest = (0..<3).map { png(byteCount: 10 * 1_024 * 1_024, seed: 1_000 + $0) }

    /// One image of each format, with its content type.
    static let formats: [(contentType: String, bytes: [UInt8])] = [
        ("image/png", png()), ("image/jpeg", jpeg), ("image/webp", webp), ("image/gif", gif),
    ]

    /// A baseline JPEG of 20 × 12 pixels.
    static let jpeg = decoded(
        """
        /9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABQODxIPDRQSEBIXFRQYHjIhHhwcHj0sLiQySUBMS0dARkVQWnNiUFVtVkVGZIhlbXd7gYKBTmCNl4x9lnN+gXz/2wBDAR
        UXFx4aHjshITt8U0ZTfHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHz/wAARCAAMABQDASIAAhEBAxEB/8QAFwAAAwEAAAAA
        AAAAAAAAAAAAAAQFBv/EACAQAAEEAgEFAAAAAAAAAAAAAAEAAgMRBSEEMTJBcYH/xAAVAQEBAAAAAAAAAAAAAAAAAAADBf/EABoRAAIDAQEAAAAAAAAAAAAAAAABAg
        QREjH/2gAMAwEAAhEDEQA/AIcOPvwn4saALIpVONCzWk5BCx5shFGa5Ta1sCtbkSG49tdpPxC0DYmuaD09IQOwt8LKtSw//9k=
        """)

    /// A lossy WebP of 20 × 12 pixels.
    static let webp = decoded(
        """
        UklGRoIAAABXRUJQVlA4IHYAAAAwBACdASoUAAwALrV2u12jqampiYC0S2AE6ZQWoHUAAs0RS+bhTS8tiAAA/vbikaNX09Iac1BKre9DPfQnvj717HbFO8yofZA4aN
        i2YsAb//DVJY8Ypz53gByrMt+BUZdcvh5qE4Vvv04E/hxQf0aO9kYeQAAA
        """)

    /// A GIF of 20 × 12 pixels.
    static let gif = decoded(
        """
        R0lGODdhFAAMAIMAAMbIi8agjIS+YEjIoxLILTCgYMZ4cIR4tUh4bBJ4G8Y8lYQ8Y6gKFUg8NhI8DjAKBiwAAAAAFAAMAAAIggAfCBxIkIHBgwgdECTYAKFDBg4iKm
        xAkeKCixgVaFQg0UFFixgXbNzY8WNIkSM1JliZoAGCly8PyJwp04ABlglgxqR5wKZPlgUKwOQpwKfNACsJBC0woKlMAVAFBJg6lYDVoE2dRhUAgGoAA1aVMs26FYBZ
        s1zDEsg6gEBZtFwBBAQAOw==
        """)

    private static func decoded(_ text: String) -> [UInt8] {
        // Text that cannot be read is no image, which no test accepts.
        [UInt8](Data(base64Encoded: text, options: .ignoreUnknownCharacters) ?? Data())
    }

    /// A grey PNG of noise whose pixels are stored rather than compressed (RFC 1951, 3.2.4), so that its length can be chosen.
    private static func file(width: Int, height: Int, seed: Int, byteCount: Int?) -> [UInt8] {
        var noise = SplitMix64(seed: UInt64(seed))
        var pixels: [UInt8] = []
        pixels.reserveCapacity((width + 1) * height + 8)
        for _ in 0..<height {
            pixels.append(0)
            let end = pixels.count + width
            while pixels.count < end { withUnsafeBytes(of: noise.next()) { pixels.append(contentsOf: $0.prefix(end - pixels.count)) } }
        }
        let fixedBytes = 8 + 25 + 12 + 12
        var stream = zlibStream(pixels, emptyBlocks: 0)
        var parts = 1
        if let byteCount {
            var missing = byteCount - fixedBytes - stream.count
            // An empty block takes 5 bytes, a further part of the stream 12.
            while missing % 5 != 0 {
                missing -= 12
                parts += 1
            }
            stream = zlibStream(pixels, emptyBlocks: missing / 5)
        }
        let header = bigEndian(UInt32(width)) + bigEndian(UInt32(height)) + [8, 0, 0, 0, 0]
        var file: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A] + chunk("IHDR", header[...])
        for part in 0..<parts { file += chunk("IDAT", stream[stream.count * part / parts..<stream.count * (part + 1) / parts]) }
        return file + chunk("IEND", [])
    }

    private static func zlibStream(_ bytes: [UInt8], emptyBlocks: Int) -> [UInt8] {
        var stream: [UInt8] = [0x78, 0x01]
        for _ in 0..<emptyBlocks { stream += [0, 0, 0, 0xFF, 0xFF] }
        for start in stride(from: 0, to: bytes.count, by: 65_535) {
            let block = bytes[start..<min(bytes.count, start + 65_535)]
            let length = UInt16(block.count)
            stream.append(block.endIndex == bytes.count ? 1 : 0)
            for value in [length, ~length] { stream += [UInt8(truncatingIfNeeded: value), UInt8(truncatingIfNeeded: value >> 8)] }
            stream += block
        }
        return stream + bigEndian(adler32(bytes))
    }

    private static func adler32(_ bytes: [UInt8]) -> UInt32 {
        var (low, high): (UInt32, UInt32) = (1, 0)
        bytes.withUnsafeBufferPointer { bytes in
            for start in stride(from: 0, to: bytes.count, by: 5_552) {
                var index = start
                let end = min(bytes.count, start + 5_552)
                while index < end {
                    low &+= UInt32(bytes[index])
                    high &+= low
                    index += 1
                }
                (low, high) = (low % 65_521, high % 65_521)
            }
        }
        return high << 16 | low
    }

    private static func chunk(_ name: String, _ content: ArraySlice<UInt8>) -> [UInt8] {
        let named = Array(name.utf8) + content
        return bigEndian(UInt32(content.count)) + named + bigEndian(CRC32.checksum(named))
    }

    private static func bigEndian(_ value: UInt32) -> [UInt8] { withUnsafeBytes(of: value.bigEndian) { Array($0) } }
}
