/// Walks a GIF file (GIF89a specification): header, colour table, then blocks up to the trailer.
struct GIFWalker {
    private let removingMetadata: Bool
    private var reader: ByteReader
    private var kept: KeptBytes
    private var width = 0
    private var height = 0
    private var imageCount = 0
    /// A graphic control extension that waits for the image it applies to.
    private var pendingControl: Range<Int>?

    private init(_ bytes: [UInt8], removingMetadata: Bool) {
        self.removingMetadata = removingMetadata
        reader = ByteReader(bytes)
        kept = KeptBytes(of: bytes)
    }

    /// Checks a file that starts with the signature of a GIF.
    static func sanitize(_ bytes: [UInt8], removingMetadata: Bool) throws(ImageProblem) -> SanitizedImage {
        var walker = GIFWalker(bytes, removingMetadata: removingMetadata)
        try walker.walk()
        return SanitizedImage(format: .gif, width: walker.width, height: walker.height, bytes: walker.kept.joined())
    }

    private mutating func walk() throws(ImageProblem) {
        try readHeader()
        while true {
            let start = reader.position
            switch try reader.byte() {
            case 0x21:
                try readExtension(start: start)
            case 0x2C:
                try readImage(start: start)
            case 0x3B:
                guard imageCount > 0 else { throw .damaged("a GIF holds no picture") }
                kept.keep(start..<reader.position)
                return
            case 0x00:
                // A block terminator too many, which some old encoders write and every viewer steps over.
                if !removingMetadata {
                    kept.keep(start..<reader.position)
                }
            default:
                throw .damaged("a GIF has an unknown block")
            }
        }
    }

    private mutating func readHeader() throws(ImageProblem) {
        try reader.take(6)
        width = try reader.littleEndian(2)
        height = try reader.littleEndian(2)
        try ImageLimits.check(width: width, height: height)
        let flags = try reader.byte()
        try reader.take(2)
        try skipColourTable(flags: flags)
        kept.keep(0..<reader.position)
    }

    /// Steps over a colour table, if the flags of a screen or an image announce one.
    private mutating func skipColourTable(flags: UInt8) throws(ImageProblem) {
        guard flags & 0x80 != 0 else { return }
        try reader.take(3 << (Int(flags & 0x07) + 1))
    }

    private mutating func readImage(start: Int) throws(ImageProblem) {
        let left = try reader.littleEndian(2)
        let top = try reader.littleEndian(2)
        let frameWidth = try reader.littleEndian(2)
        let frameHeight = try reader.littleEndian(2)
        try ImageLimits.check(width: frameWidth, height: frameHeight)
        // Old files have frames that stick out of the screen; viewers clip them or enlarge the screen, so the enlarged one has to be in bounds.
        try ImageLimits.check(width: max(width, left + frameWidth), height: max(height, top + frameHeight))
        try skipColourTable(flags: try reader.byte())
        let minimumCodeBits = try reader.byte()
        guard (1...11).contains(minimumCodeBits) else { throw .damaged("a GIF picture has an impossible code size") }
        guard try skipSubBlocks() > 0 else { throw .damaged("a GIF picture holds no data") }
        if let pendingControl {
            kept.keep(pendingControl)
        }
        pendingControl = nil
        kept.keep(start..<reader.position)
        imageCount += 1
    }

    /// Steps over sub-blocks and their terminator, and returns how many bytes of data they hold.
    @discardableResult
    private mutating func skipSubBlocks() throws(ImageProblem) -> Int {
        var dataByteCount = 0
        while true {
            let count = Int(try reader.byte())
            guard count > 0 else { return dataByteCount }
            try reader.take(count)
            dataByteCount += count
        }
    }

    private mutating func readExtension(start: Int) throws(ImageProblem) {
        let label = try reader.byte()
        switch label {
        case 0xF9:
            guard try reader.byte() == 4 else { throw .damaged("a GIF control extension has a wrong size") }
            try reader.take(4)
            guard try reader.byte() == 0 else { throw .damaged("a GIF control extension has a wrong size") }
            if removingMetadata {
                pendingControl = start..<reader.position
                return
            }
        case 0xFF where removingMetadata:
            try readApplicationExtension(start: start)
            return
        case 0x01:
            // Drawn text, which no viewer draws. The control extension before it is about it, and must not reach the next image.
            try skipSubBlocks()
            pendingControl = nil
        default:
            // Comments, and extensions that are not defined.
            try skipSubBlocks()
        }
        if !removingMetadata {
            kept.keep(start..<reader.position)
        }
    }

    /// Keeps how often an animation repeats, written anew without anything else, and drops every other application's data,
    /// among which are XMP and colour profiles that no viewer applies.
    private mutating func readApplicationExtension(start: Int) throws(ImageProblem) {
        let name = try reader.section(Int(try reader.byte()), of: "a GIF application extension")
        guard name.remaining > 0 else { return }
        var repetitions: Range<Int>?
        while true {
            let count = Int(try reader.byte())
            guard count > 0 else { break }
            let block = try reader.take(count)
            if repetitions == nil, count == 3, reader.bytes[block.lowerBound] == 1 {
                repetitions = block
            }
        }
        let isRepeating = name.remaining == 11 && (name.starts(with: "NETSCAPE2.0") || name.starts(with: "ANIMEXTS1.0"))
        guard isRepeating, let repetitions else { return }
        // As most files have it, with nothing else to leave out.
        if reader.position - start == 19 { return kept.keep(start..<reader.position) }
        kept.insert([0x21, 0xFF, 11])
        kept.keep(name.position..<name.end)
        kept.insert([3])
        kept.keep(repetitions)
        kept.insert([0])
    }
}
