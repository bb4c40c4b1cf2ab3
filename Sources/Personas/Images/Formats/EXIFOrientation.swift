/// The one EXIF field that is kept when metadata is removed: how a viewer has to turn or mirror the picture (tag 0x0112,
/// CIPA DC-008 4.6.5). Phones store a portrait lying down and say so only here; without it a face would be shown sideways.
enum EXIFOrientation {
    /// The orientation in an EXIF block (a TIFF header and its first directory), if it asks for any change: 2…8.
    ///
    /// An orientation of 1, which is "as stored", none at all, and a damaged block are all nil: the block is dropped in each case.
    static func value(inTIFF block: ByteReader) -> UInt8? {
        (try? find(in: block)).flatMap { (2...8).contains($0) ? UInt8($0) : nil }
    }

    /// The smallest TIFF block that states an orientation: big-endian header, one directory of one entry, no next directory.
    static func tiff(_ orientation: UInt8) -> [UInt8] {
        [0x4D, 0x4D, 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0]
    }

    private static func find(in block: ByteReader) throws(ImageProblem) -> Int? {
        var reader = block
        let isBigEndian = reader.starts(with: "MM")
        guard isBigEndian || reader.starts(with: "II") else { return nil }
        try reader.take(2)
        guard try number(2, from: &reader, isBigEndian) == 42 else { return nil }
        let directoryOffset = try number(4, from: &reader, isBigEndian)
        reader = block
        try reader.take(directoryOffset)
        for _ in 0..<(try number(2, from: &reader, isBigEndian)) {
            let tag = try number(2, from: &reader, isBigEndian)
            let type = try number(2, from: &reader, isBigEndian)
            let count = try number(4, from: &reader, isBigEndian)
            var value = reader
            try reader.take(4)
            guard tag == 0x0112 else { continue }
            // SHORT is the standard's type; some writers use LONG, and viewers take both.
            switch (type, count) {
            case (3, 1): return try number(2, from: &value, isBigEndian)
            case (4, 1): return try number(4, from: &value, isBigEndian)
            default: return nil
            }
        }
        return nil
    }

    private static func number(_ byteCount: Int, from reader: inout ByteReader, _ isBigEndian: Bool) throws(ImageProblem) -> Int {
        isBigEndian ? try reader.bigEndian(byteCount) : try reader.littleEndian(byteCount)
    }
}
