/// Walks a WebP file (RFC 9649): a RIFF container whose first chunk is a picture or the header of an extended file.
struct WebPWalker {
    private struct Size: Equatable {
        let width: Int
        let height: Int
    }

    private struct Chunk {
        let type: ChunkType
        let payload: ByteReader
        /// From the type to the padding.
        let range: Range<Int>
        /// Whether the padding that an odd size needs is missing, which is tolerated at the very end of a file.
        let lacksPadding: Bool
    }

    /// The bits in the header of an extended file.
    private enum Flag {
        static let colourProfile: UInt8 = 0x20
        static let alpha: UInt8 = 0x10
        static let exif: UInt8 = 0x08
        static let animation: UInt8 = 0x02
    }

    /// The start of a file: "RIFF", the size of what follows, "WEBP".
    private static let headerByteCount = 12

    private var body: ByteReader
    private var kept: KeptBytes
    private var canvas = Size(width: 0, height: 0)
    private var isExtended = false
    private var flags: UInt8 = 0
    private var hasAlpha = false
    private var hasAnimationHeader = false
    private var hasColourProfile = false
    private var hasExif = false
    private var orientation: UInt8?
    private var imageCount = 0

    private init(_ bytes: [UInt8]) throws(ImageProblem) {
        var reader = ByteReader(bytes)
        try reader.take(4)
        let size = try reader.littleEndian(4)
        try reader.take(4)
        guard size >= Self.headerByteCount else { throw .damaged("a WebP file is empty") }
        guard size - 4 <= reader.remaining else { throw .truncated }
        body = try reader.section(size - 4, of: "a WebP file")
        kept = KeptBytes(of: bytes)
    }

    /// Checks a file that starts with the signature of a WebP.
    static func sanitize(_ bytes: [UInt8], removingMetadata: Bool) throws(ImageProblem) -> SanitizedImage {
        var walker = try WebPWalker(bytes)
        try walker.walk()
        let stored: [UInt8]
        if removingMetadata {
            stored = walker.storedBytes()
        } else {
            stored = bytes.count == walker.body.end ? bytes : Array(bytes[..<walker.body.end])
        }
        return SanitizedImage(format: .webp, width: walker.canvas.width, height: walker.canvas.height, bytes: stored)
    }

    private mutating func walk() throws(ImageProblem) {
        kept.keep(0..<Self.headerByteCount)
        let first = try Self.nextChunk(in: &body)
        switch first.type {
        case "VP8 ", "VP8L":
            canvas = try Self.size(ofPicture: first)
            try ImageLimits.check(width: canvas.width, height: canvas.height)
            keep(first)
            // A simple file is one picture: viewers ignore whatever follows it, so it is walked and left out.
            while body.remaining > 0 {
                _ = try Self.nextChunk(in: &body)
            }
        case "VP8X":
            isExtended = true
            try readExtendedHeader(first)
            while body.remaining > 0 {
                try readExtended(try Self.nextChunk(in: &body))
            }
            guard imageCount > 0 else { throw .damaged("a WebP file holds no picture") }
        default:
            throw .damaged("a WebP file does not start with a picture")
        }
    }

    /// The next chunk of a file or of a frame.
    private static func nextChunk(in reader: inout ByteReader, mayLackPadding: Bool = true) throws(ImageProblem) -> Chunk {
        let start = reader.position
        let type = try reader.chunkType()
        let size = try reader.littleEndian(4)
        let payload = try reader.section(size, of: "a WebP chunk")
        let lacksPadding = size % 2 == 1 && reader.remaining == 0 && mayLackPadding
        if size % 2 == 1, !lacksPadding {
            try reader.take(1)
        }
        return Chunk(type: type, payload: payload, range: start..<reader.position, lacksPadding: lacksPadding)
    }

    private mutating func readExtendedHeader(_ header: Chunk) throws(ImageProblem) {
        var payload = header.payload
        guard payload.remaining == 10 else { throw .damaged("a WebP header has a wrong size") }
        flags = try payload.byte()
        try payload.take(3)
        canvas = Size(width: try payload.littleEndian(3) + 1, height: try payload.littleEndian(3) + 1)
        try ImageLimits.check(width: canvas.width, height: canvas.height)
        keep(header)
    }

    private mutating func readExtended(_ chunk: Chunk) throws(ImageProblem) {
        let isAnimated = flags & Flag.animation != 0
        switch chunk.type {
        case "VP8 ", "VP8L":
            guard !isAnimated, imageCount == 0, try Self.size(ofPicture: chunk) == canvas else {
                throw .damaged("a WebP picture does not fit its header")
            }
            imageCount += 1
            keep(chunk)
        case "ANMF":
            guard isAnimated, hasAnimationHeader else { throw .damaged("a WebP frame does not fit its header") }
            try readFrame(chunk)
            imageCount += 1
        case "ALPH" where !isAnimated && imageCount == 0 && !hasAlpha:
            hasAlpha = true
            keep(chunk)
        case "ANIM" where isAnimated && !hasAnimationHeader:
            guard chunk.payload.remaining == 6 else { throw .damaged("a WebP animation has a wrong header") }
            hasAnimationHeader = true
            keep(chunk)
        case "ICCP" where imageCount == 0 && !hasColourProfile && !hasAlpha && !hasAnimationHeader:
            guard chunk.payload.remaining <= ImageLimits.colourProfileBytesMax else { return }
            hasColourProfile = true
            keep(chunk)
        case "EXIF" where !hasExif:
            hasExif = true
            orientation = Self.orientation(in: chunk)
        case "VP8X":
            throw .damaged("a WebP file has two headers")
        default:
            break
        }
    }

    /// Checks a frame of an animation and keeps its picture, without any other chunk that the frame may hold.
    private mutating func readFrame(_ frame: Chunk) throws(ImageProblem) {
        var payload = frame.payload
        let header = payload.position..<(payload.position + 16)
        let left = try payload.littleEndian(3) * 2
        let top = try payload.littleEndian(3) * 2
        let size = Size(width: try payload.littleEndian(3) + 1, height: try payload.littleEndian(3) + 1)
        try payload.take(4)
        guard left + size.width <= canvas.width, top + size.height <= canvas.height else {
            throw .damaged("a WebP frame is outside the picture")
        }
        var alpha: Chunk?
        var picture: Chunk?
        var isWhole = true
        while payload.remaining > 0 {
            let chunk = try Self.nextChunk(in: &payload, mayLackPadding: false)
            switch chunk.type {
            case "ALPH" where alpha == nil && picture == nil:
                alpha = chunk
            case "VP8 ", "VP8L":
                guard picture == nil, try Self.size(ofPicture: chunk) == size else {
                    throw .damaged("a WebP picture does not fit its frame")
                }
                picture = chunk
            default:
                isWhole = false
            }
        }
        guard let picture else { throw .damaged("a WebP frame holds no picture") }
        guard !isWhole else { return keep(frame) }
        kept.insert("ANMF".utf8)
        kept.insert(Self.littleEndian(header.count + (alpha?.range.count ?? 0) + picture.range.count))
        kept.keep(header)
        if let alpha { kept.keep(alpha.range) }
        kept.keep(picture.range)
    }

    private mutating func keep(_ chunk: Chunk) {
        kept.keep(chunk.range)
        if chunk.lacksPadding {
            kept.insert([0])
        }
    }

    /// The size that a picture declares: lossy as RFC 6386 section 9.1, lossless as RFC 9649 section 3.4.
    private static func size(ofPicture picture: Chunk) throws(ImageProblem) -> Size {
        var payload = picture.payload
        if picture.type == "VP8L" {
            let signature = try payload.byte()
            let bits = try payload.littleEndian(4)
            guard signature == 0x2F, bits >> 29 == 0 else { throw .damaged("a lossless WebP picture has a wrong header") }
            return Size(width: (bits & 0x3FFF) + 1, height: (bits >> 14 & 0x3FFF) + 1)
        }
        let tag = try payload.littleEndian(3)
        let startCode = try payload.bigEndian(3)
        let size = Size(width: try payload.littleEndian(2) & 0x3FFF, height: try payload.littleEndian(2) & 0x3FFF)
        let isShownKeyFrame = tag & 1 == 0 && tag >> 1 & 7 <= 3 && tag >> 4 & 1 == 1
        guard isShownKeyFrame, startCode == 0x9D012A, tag >> 5 <= payload.remaining else {
            throw .damaged("a lossy WebP picture has a wrong header")
        }
        return size
    }

    /// The orientation in an EXIF chunk, which some writers begin as a JPEG would.
    private static func orientation(in chunk: Chunk) -> UInt8? {
        var payload = chunk.payload
        if payload.starts(with: "Exif\0\0") {
            _ = try? payload.take(6)
        }
        return EXIFOrientation.value(inTIFF: payload)
    }

    /// What has been kept, with the orientation at its end and the headers telling what the file now holds.
    private mutating func storedBytes() -> [UInt8] {
        if let orientation {
            let block = EXIFOrientation.tiff(orientation)
            kept.insert("EXIF".utf8)
            kept.insert(Self.littleEndian(block.count))
            kept.insert(block)
        }
        kept.overwrite(at: 4, with: Self.littleEndian(kept.count - 8))
        if isExtended {
            var stated = flags & (Flag.alpha | Flag.animation)
            stated |= hasColourProfile ? Flag.colourProfile : 0
            stated |= orientation == nil ? 0 : Flag.exif
            // The flags are the first byte of the first chunk's payload; the three after them are reserved.
            kept.overwrite(at: Self.headerByteCount + 8, with: [stated, 0, 0, 0])
        }
        return kept.joined()
    }

    private static func littleEndian(_ number: Int) -> [UInt8] {
        withUnsafeBytes(of: UInt32(truncatingIfNeeded: number).littleEndian) { Array($0) }
    }
}
