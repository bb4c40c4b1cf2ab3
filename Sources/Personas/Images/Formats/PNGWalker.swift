/// Walks a PNG file (W3C PNG, third edition): the signature, then chunks from IHDR to IEND, each with its checksum.
struct PNGWalker {
    /// The first eight bytes of every PNG.
    static let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]

    private enum Phase {
        case beforeData, inData, afterData
    }

    private struct Chunk {
        let type: ChunkType
        /// Whether a decoder must know the chunk to show the picture: its first letter is a capital.
        let isCritical: Bool
        let data: ByteReader
        /// From the length to the checksum.
        let range: Range<Int>
    }

    private let removingMetadata: Bool
    private var reader: ByteReader
    private var kept: KeptBytes
    private var phase = Phase.beforeData
    private var width = 0
    private var height = 0
    private var colourType = 0
    private var bitsPerPixel = 0
    private var dataByteCount = 0
    /// The first two bytes of the compressed data, which may lie in two chunks.
    private var compressionHeader: [UInt8] = []
    /// The chunks met so far that may stand in a file only once.
    private var seenTypes: Set<ChunkType> = []
    /// The sequence number that the next frame chunk of an animation has to have.
    private var nextSequenceNumber = 0

    private init(_ bytes: [UInt8], removingMetadata: Bool) {
        self.removingMetadata = removingMetadata
        reader = ByteReader(bytes)
        kept = KeptBytes(of: bytes)
    }

    /// Checks a file that starts with the signature of a PNG.
    static func sanitize(_ bytes: [UInt8], removingMetadata: Bool) throws(ImageProblem) -> SanitizedImage {
        var walker = PNGWalker(bytes, removingMetadata: removingMetadata)
        try walker.walk()
        return SanitizedImage(format: .png, width: walker.width, height: walker.height, bytes: walker.kept.joined())
    }

    private mutating func walk() throws(ImageProblem) {
        kept.keep(try reader.take(Self.signature.count))
        let header = try nextChunk()
        guard header.type == "IHDR" else { throw .damaged("a PNG does not start with its header") }
        try readHeader(header.data)
        kept.keep(header.range)
        while true {
            let chunk = try nextChunk()
            if phase == .inData, chunk.type != "IDAT" {
                phase = .afterData
            }
            switch chunk.type {
            case "PLTE": try readPalette(chunk)
            case "IDAT": try readData(chunk)
            case "IEND":
                try checkEnd(chunk)
                kept.keep(chunk.range)
                return
            default:
                guard !chunk.isCritical else { throw .damaged("a PNG has a chunk that does not belong there") }
                try readAncillary(chunk)
            }
        }
    }

    private mutating func nextChunk() throws(ImageProblem) -> Chunk {
        let start = reader.position
        let length = try reader.bigEndian(4)
        let typeStart = reader.position
        let type = try reader.chunkType()
        let isNamed = reader.bytes[typeStart..<reader.position].allSatisfy { (0x41...0x5A).contains($0 & 0xDF) && $0 < 0x80 }
        guard length <= Int(Int32.max), isNamed else { throw .damaged("a PNG has a chunk that is none") }
        let data = try reader.section(length, of: "a PNG chunk")
        let checked = reader.bytes[typeStart..<reader.position]
        guard try reader.bigEndian(4) == Int(CRC32.checksum(checked)) else { throw .damaged("a checksum of a PNG does not match") }
        let isCritical = reader.bytes[typeStart] & 0x20 == 0
        return Chunk(type: type, isCritical: isCritical, data: data, range: start..<reader.position)
    }

    private mutating func readHeader(_ header: ByteReader) throws(ImageProblem) {
        var header = header
        guard header.remaining == 13 else { throw .damaged("a PNG header has a wrong size") }
        width = try header.bigEndian(4)
        height = try header.bigEndian(4)
        try ImageLimits.check(width: width, height: height)
        let bitDepth = try header.bigEndian(1)
        colourType = try header.bigEndian(1)
        let (channels, bitDepths): (Int, [Int]) =
            switch colourType {
            case 0: (1, [1, 2, 4, 8, 16])
            case 2: (3, [8, 16])
            case 3: (1, [1, 2, 4, 8])
            case 4: (2, [8, 16])
            case 6: (4, [8, 16])
            default: (0, [])
            }
        guard bitDepths.contains(bitDepth) else { throw .damaged("a PNG header has an impossible colour type") }
        bitsPerPixel = channels * bitDepth
        let compression = try header.byte()
        let filter = try header.byte()
        let interlace = try header.byte()
        guard compression == 0, filter == 0, interlace <= 1 else { throw .damaged("a PNG header has an unknown method") }
    }

    private mutating func readPalette(_ palette: Chunk) throws(ImageProblem) {
        let size = palette.data.remaining
        let isSound = (3...768).contains(size) && size.isMultiple(of: 3) && [2, 3, 6].contains(colourType)
        guard isSound, phase == .beforeData, seenTypes.insert("PLTE").inserted else {
            throw .damaged("a PNG palette is wrong or out of place")
        }
        kept.keep(palette.range)
    }

    private mutating func readData(_ chunk: Chunk) throws(ImageProblem) {
        if phase == .beforeData {
            guard colourType != 3 || seenTypes.contains("PLTE") else { throw .damaged("a PNG lacks its palette") }
            phase = .inData
        }
        guard phase == .inData else { throw .damaged("the picture data of a PNG is interrupted") }
        dataByteCount += chunk.data.remaining
        if compressionHeader.count < 2 {
            compressionHeader += reader.bytes[chunk.data.position..<chunk.data.end].prefix(2 - compressionHeader.count)
        }
        kept.keep(chunk.range)
    }

    private func checkEnd(_ end: Chunk) throws(ImageProblem) {
        guard end.data.remaining == 0, compressionHeader.count == 2 else {
            throw .damaged("a PNG ends without a picture")
        }
        // RFC 1950: method 8 (deflate), a window of at most 32 KiB, no preset dictionary, and a check over both bytes.
        let method = Int(compressionHeader[0])
        let flags = Int(compressionHeader[1])
        guard method & 0x0F == 8, method >> 4 <= 7, flags & 0x20 == 0, (method << 8 | flags).isMultiple(of: 31) else {
            throw .damaged("the picture data of a PNG is not compressed as it must be")
        }
        // Deflate spends at least 2 bits on at most 258 bytes, so less data than this cannot hold all rows.
        guard dataByteCount * 1032 * 8 >= width * height * bitsPerPixel else { throw .truncated }
    }

    private mutating func readAncillary(_ chunk: Chunk) throws(ImageProblem) {
        guard removingMetadata else {
            switch chunk.type {
            case "zTXt", "iTXt", "eXIf":
                guard chunk.data.remaining <= ImageLimits.metadataChunkBytesMax else {
                    throw .unsupported("a PNG has more metadata than is stored")
                }
            default: break
            }
            kept.keep(chunk.range)
            return
        }
        switch chunk.type {
        case "fcTL", "fdAT":
            // Without an announcement before the data they are no animation, and viewers show the picture alone.
            guard seenTypes.contains("acTL") else { return }
            try checkFrame(chunk)
            kept.keep(chunk.range)
        case "eXIf":
            guard seenTypes.insert("eXIf").inserted, let orientation = EXIFOrientation.value(inTIFF: chunk.data) else { return }
            insert("eXIf", data: EXIFOrientation.tiff(orientation))
        default:
            guard phase == .beforeData, Self.isKept(chunk.type, byteCount: chunk.data.remaining), seenTypes.insert(chunk.type).inserted
            else { return }
            kept.keep(chunk.range)
        }
    }

    /// Whether an ancillary chunk affects how the picture looks and is of a size that the standard allows; one of another size is dropped,
    /// as decoders ignore it and data could hide in it.
    private static func isKept(_ type: ChunkType, byteCount: Int) -> Bool {
        switch type {
        case "tRNS": (1...256).contains(byteCount)
        case "bKGD": (1...6).contains(byteCount)
        case "sBIT": (1...4).contains(byteCount)
        case "sRGB": byteCount == 1
        case "gAMA", "cICP": byteCount == 4
        case "acTL", "cLLI": byteCount == 8
        case "pHYs": byteCount == 9
        case "mDCV": byteCount == 24
        case "cHRM": byteCount == 32
        case "iCCP": (1...ImageLimits.colourProfileBytesMax).contains(byteCount)
        default: false
        }
    }

    /// Checks what an animation says about a frame: its chunks are numbered without gaps, and the frame lies inside the picture.
    private mutating func checkFrame(_ chunk: Chunk) throws(ImageProblem) {
        var frame = chunk.data
        guard try frame.bigEndian(4) == nextSequenceNumber else { throw .damaged("the frames of an animated PNG are out of order") }
        nextSequenceNumber += 1
        guard chunk.type == "fcTL" else { return }
        let frameWidth = try frame.bigEndian(4)
        let frameHeight = try frame.bigEndian(4)
        let left = try frame.bigEndian(4)
        let top = try frame.bigEndian(4)
        guard frame.remaining == 6, frameWidth > 0, frameHeight > 0, left + frameWidth <= width, top + frameHeight <= height else {
            throw .damaged("a frame of an animated PNG is outside the picture")
        }
    }

    private mutating func insert(_ type: ChunkType, data: [UInt8]) {
        let checked = type.bytes + data
        kept.insert(Self.bigEndian(UInt32(data.count)))
        kept.insert(checked)
        kept.insert(Self.bigEndian(CRC32.checksum(checked)))
    }

    private static func bigEndian(_ number: UInt32) -> [UInt8] {
        withUnsafeBytes(of: number.bigEndian) { Array($0) }
    }
}
