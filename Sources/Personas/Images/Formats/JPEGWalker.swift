/// Walks a JPEG file (ITU-T T.81 annex B): marker segments, one frame, its scans, the end marker.
struct JPEGWalker {
    /// The markers that matter here, by their second byte (T.81 table B.1).
    private enum Marker {
        static let restart: ClosedRange<UInt8> = 0xD0...0xD7
        static let startOfImage: UInt8 = 0xD8
        static let endOfImage: UInt8 = 0xD9
        static let startOfScan: UInt8 = 0xDA
        static let quantizationTables: UInt8 = 0xDB
        static let numberOfLines: UInt8 = 0xDC
        static let restartInterval: UInt8 = 0xDD
        static let huffmanTables: UInt8 = 0xC4
        /// Baseline, extended sequential and progressive, all with Huffman coding.
        static let supportedFrames: ClosedRange<UInt8> = 0xC0...0xC2
        /// Lossless, differential and arithmetic coding, of which browsers show none; the Huffman tables lie among their numbers.
        static let otherCodings: ClosedRange<UInt8> = 0xC3...0xCF
        static let application: ClosedRange<UInt8> = 0xE0...0xEF
        static let comment: UInt8 = 0xFE
    }

    private struct Component {
        let identifier: UInt8
        let horizontalSampling: Int
        let verticalSampling: Int
        let quantizationTable: UInt8
    }

    private struct Frame {
        let isProgressive: Bool
        let width: Int
        let height: Int
        let components: [Component]

        /// How many blocks of 8 × 8 samples the components have together (T.81 section A.1.1).
        var blockCount: Int {
            let horizontalMax = components.reduce(1) { max($0, $1.horizontalSampling) }
            let verticalMax = components.reduce(1) { max($0, $1.verticalSampling) }
            return components.reduce(0) { sum, component in
                let columns = Self.blocks(side: width, sampling: component.horizontalSampling, samplingMax: horizontalMax)
                let rows = Self.blocks(side: height, sampling: component.verticalSampling, samplingMax: verticalMax)
                return sum + columns * rows
            }
        }

        private static func blocks(side: Int, sampling: Int, samplingMax: Int) -> Int {
            let samples = (side * sampling + samplingMax - 1) / samplingMax
            return (samples + 7) / 8
        }
    }

    private struct Segment {
        let marker: UInt8
        let payload: ByteReader
        /// From the marker to the end of the payload.
        let range: Range<Int>
    }

    private let removingMetadata: Bool
    private var reader: ByteReader
    private var kept: KeptBytes
    private var frame: Frame?
    /// Bit n is set once quantization table n has been defined.
    private var definedQuantizationTables: UInt8 = 0
    private var scanCount = 0
    private var scannedComponents: Set<UInt8> = []
    private var entropyCodedByteCount = 0
    private var hasExif = false

    private init(_ bytes: [UInt8], removingMetadata: Bool) {
        self.removingMetadata = removingMetadata
        reader = ByteReader(bytes)
        kept = KeptBytes(of: bytes)
    }

    /// Checks a file that starts as a JPEG does.
    static func sanitize(_ bytes: [UInt8], removingMetadata: Bool) throws(ImageProblem) -> SanitizedImage {
        var walker = JPEGWalker(bytes, removingMetadata: removingMetadata)
        let frame = try walker.walk()
        if !removingMetadata {
            walker.kept = KeptBytes(of: bytes)
            walker.kept.keep(0..<walker.reader.position)
        }
        return SanitizedImage(format: .jpeg, width: frame.width, height: frame.height, bytes: walker.kept.joined())
    }

    private mutating func walk() throws(ImageProblem) -> Frame {
        kept.keep(try reader.take(2))
        while true {
            guard try reader.byte() == 0xFF else { throw .damaged("a JPEG has data between its segments") }
            // Any number of bytes of 0xFF may stand before a marker.
            var marker = try reader.byte()
            while marker == 0xFF {
                marker = try reader.byte()
            }
            let start = reader.position - 2
            if marker == Marker.endOfImage {
                kept.keep(start..<reader.position)
                return try checkedFrame()
            }
            guard marker >= 0xC0, !Marker.restart.contains(marker), marker != Marker.startOfImage else {
                throw .damaged("a JPEG has a marker that does not belong there")
            }
            let length = try reader.bigEndian(2)
            guard length >= 2 else { throw .damaged("a JPEG has a segment of impossible size") }
            let payload = try reader.section(length - 2, of: "a JPEG segment")
            try read(Segment(marker: marker, payload: payload, range: start..<reader.position))
        }
    }

    private mutating func read(_ segment: Segment) throws(ImageProblem) {
        switch segment.marker {
        case Marker.supportedFrames:
            guard frame == nil else { throw .damaged("a JPEG has more than one frame") }
            frame = try Self.readFrame(segment)
            kept.keep(segment.range)
        case Marker.startOfScan:
            try readScan(segment)
        case Marker.quantizationTables:
            try readQuantizationTables(segment.payload)
            kept.keep(segment.range)
        case Marker.huffmanTables:
            try Self.checkHuffmanTables(segment.payload)
            kept.keep(segment.range)
        case Marker.otherCodings:
            throw .unsupported("a JPEG must be baseline, extended or progressive with Huffman coding")
        case Marker.restartInterval:
            guard segment.payload.remaining == 2 else { throw .damaged("a JPEG has a segment of impossible size") }
            kept.keep(segment.range)
        case Marker.application:
            readApplicationData(segment)
        case Marker.comment, Marker.numberOfLines:
            // The number of lines is in the frame, or the frame was refused; it is not read here.
            break
        default:
            throw .damaged("a JPEG has a marker that does not belong there")
        }
    }

    private static func readFrame(_ segment: Segment) throws(ImageProblem) -> Frame {
        var payload = segment.payload
        let precision = try payload.byte()
        let height = try payload.bigEndian(2)
        let width = try payload.bigEndian(2)
        let componentCount = Int(try payload.byte())
        guard precision == 8 else { throw .unsupported("a JPEG must have 8 bits a sample") }
        try ImageLimits.check(width: width, height: height)
        guard [1, 3, 4].contains(componentCount), payload.remaining == componentCount * 3 else {
            throw .damaged("a JPEG frame has an impossible number of components")
        }
        var components: [Component] = []
        for _ in 0..<componentCount {
            let identifier = try payload.byte()
            let sampling = try payload.byte()
            let table = try payload.byte()
            guard (1...4).contains(sampling >> 4), (1...4).contains(sampling & 0x0F), table <= 3 else {
                throw .damaged("a JPEG frame has an impossible component")
            }
            components.append(
                Component(
                    identifier: identifier,
                    horizontalSampling: Int(sampling >> 4),
                    verticalSampling: Int(sampling & 0x0F),
                    quantizationTable: table
                )
            )
        }
        return Frame(isProgressive: segment.marker == 0xC2, width: width, height: height, components: components)
    }

    private mutating func readQuantizationTables(_ payload: ByteReader) throws(ImageProblem) {
        var payload = payload
        while payload.remaining > 0 {
            let header = try payload.byte()
            let precision = header >> 4
            let number = header & 0x0F
            guard precision <= 1, number <= 3 else { throw .damaged("a JPEG has an impossible quantization table") }
            try payload.take(precision == 0 ? 64 : 128)
            definedQuantizationTables |= 1 << number
        }
    }

    private static func checkHuffmanTables(_ payload: ByteReader) throws(ImageProblem) {
        var payload = payload
        while payload.remaining > 0 {
            let header = try payload.byte()
            var symbolCount = 0
            for _ in 1...16 { symbolCount += Int(try payload.byte()) }
            guard header >> 4 <= 1, header & 0x0F <= 3, symbolCount <= 256 else {
                throw .damaged("a JPEG has an impossible Huffman table")
            }
            try payload.take(symbolCount)
        }
    }

    private mutating func readScan(_ segment: Segment) throws(ImageProblem) {
        guard let frame else { throw .damaged("a JPEG has a scan before its frame") }
        scanCount += 1
        guard scanCount <= ImageLimits.jpegScansMax else {
            throw .unsupported("a JPEG may have at most \(ImageLimits.jpegScansMax) scans")
        }
        var payload = segment.payload
        let componentCount = Int(try payload.byte())
        guard (1...frame.components.count).contains(componentCount), payload.remaining == componentCount * 2 + 3 else {
            throw .damaged("a JPEG scan has an impossible number of components")
        }
        for _ in 0..<componentCount {
            let identifier = try payload.byte()
            try payload.take(1)
            guard let component = frame.components.first(where: { $0.identifier == identifier }) else {
                throw .damaged("a JPEG scan names an unknown component")
            }
            guard definedQuantizationTables & 1 << component.quantizationTable != 0 else {
                throw .damaged("a JPEG lacks a quantization table")
            }
            scannedComponents.insert(identifier)
        }
        let firstCoefficient = try payload.byte()
        let lastCoefficient = try payload.byte()
        // Sequential decoders ignore the range of coefficients, and some encoders write nonsense there.
        if frame.isProgressive {
            guard firstCoefficient <= lastCoefficient, lastCoefficient <= 63, firstCoefficient == 0 || componentCount == 1 else {
                throw .damaged("a JPEG scan has impossible coefficients")
            }
        }
        let dataStart = reader.position
        try skipEntropyCodedData()
        guard reader.position > dataStart else { throw .damaged("a JPEG scan holds no data") }
        entropyCodedByteCount += reader.position - dataStart
        kept.keep(segment.range.lowerBound..<reader.position)
    }

    /// Goes to the marker that ends a scan. Within the data, 0xFF is followed by 0 (a data byte) or is a restart marker.
    private mutating func skipEntropyCodedData() throws(ImageProblem) {
        while true {
            try reader.advance(to: 0xFF)
            let markerStart = reader.position
            var code: UInt8 = 0xFF
            while code == 0xFF {
                code = try reader.byte()
            }
            if code != 0, !Marker.restart.contains(code) {
                reader.rewind(to: markerStart)
                return
            }
        }
    }

    private func checkedFrame() throws(ImageProblem) -> Frame {
        guard let frame, scanCount > 0 else { throw .damaged("a JPEG holds no picture") }
        guard frame.components.allSatisfy({ scannedComponents.contains($0.identifier) }) else {
            throw .damaged("a JPEG lacks the data of a component")
        }
        // A Huffman code is at least 1 bit long and every block needs one, so less data than this cannot hold the whole picture.
        guard entropyCodedByteCount * 8 >= frame.blockCount else { throw .truncated }
        return frame
    }

    /// Keeps of the application data what decides how the picture looks.
    private mutating func readApplicationData(_ segment: Segment) {
        let payload = segment.payload
        let start = payload.position
        switch segment.marker {
        case 0xE0 where payload.remaining >= 14 && payload.starts(with: "JFIF\0"):
            if payload.remaining == 14 {
                kept.keep(segment.range)
            } else {
                // What follows is a thumbnail, which may show what has been cropped from the picture: the last two bytes are its size.
                kept.insert([0xFF, 0xE0, 0, 16])
                kept.keep(start..<(start + 12))
                kept.insert([0, 0])
            }
        case 0xE1 where !hasExif && scanCount == 0 && payload.starts(with: "Exif\0"):
            hasExif = true
            var block = payload
            if (try? block.take(6)) != nil, let orientation = EXIFOrientation.value(inTIFF: block) {
                let tiff = EXIFOrientation.tiff(orientation)
                kept.insert([0xFF, 0xE1, 0, UInt8(tiff.count + 8)])
                kept.insert("Exif\0\0".utf8)
                kept.insert(tiff)
            }
        case 0xE2 where payload.starts(with: "ICC_PROFILE\0"):
            kept.keep(segment.range)
        case 0xEE where payload.remaining == 12 && payload.starts(with: "Adobe"):
            // It tells how the colours of a CMYK or RGB picture are stored.
            kept.keep(segment.range)
        default:
            break
        }
    }
}
