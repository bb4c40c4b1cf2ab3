/// An archive all of which was looked at.
package struct VerifiedArchive: Sendable {
    /// Where the files of items lie, in their order.
    let itemFiles: [Range<Int>]
    /// How many items there are.
    package let itemCount: Int
    /// Where each image lies.
    let images: any DigestIndex
}

/// Looks at the whole of an archive before anything is made of it: every header, path, length, count and hash, every image and every line.
///
/// Files of items and images may stand in any order; those of items are numbered from 1 without a gap, and the manifest is the last. Memory does not grow
/// with the archive, but for some bytes a file of items.
package struct ArchiveVerification {
    /// Bytes of the longest manifest.
    private static let manifestBytesMax = 65_536
    private static let chunkBytes = 65_536

    let format: any ArchiveFormat
    let images: any DigestIndex
    let makeDigest: () -> any RunningDigest

    /// - Parameter images: an empty index, which comes to know the images.
    package init(format: any ArchiveFormat, images: any DigestIndex, makeDigest: @escaping () -> any RunningDigest) {
        self.format = format
        self.images = images
        self.makeDigest = makeDigest
    }

    /// - Parameter progress: told how many bytes were looked at; what it throws ends the work.
    /// - Throws: `invalid` with the field `archive`.
    package func verify(_ file: any ArchiveFile, progress: (Int) throws(Failure) -> Void) throws(Failure) -> VerifiedArchive {
        var (tally, itemFiles, offset) = (ArchiveTally(makeDigest), [Range<Int>](), 0)
        while true {
            try progress(offset)
            let header = try header(at: offset, in: file)
            let content = offset + TarHeader.blockBytes..<offset + TarHeader.blockBytes + header.byteCount
            // The sum cannot overflow: eleven octal digits are 33 bits.
            let end = content.upperBound + header.paddingBytes
            guard end <= file.byteCount else { throw .badArchive("ends in the middle of \(header.path.text)") }
            guard try file.read(at: content.upperBound, count: header.paddingBytes).allSatisfy({ $0 == 0 }) else {
                throw .badArchive("holds bytes behind \(header.path.text) that belong to no file")
            }
            switch header.path {
            case .items(let number):
                guard number == itemFiles.count + 1 else { throw .badArchive("has \(header.path.text) out of its turn") }
                try addItems(content, of: file, to: &tally)
                itemFiles.append(content)
            case .image(let digest, let format):
                try addImage(digest, format, header, at: content, of: file, to: &tally)
            case .manifest:
                try requireEnd(of: file, at: end)
                let archive = try verifyLines(of: itemFiles, in: file, progress)
                tally.add(items: archive.itemCount)
                try requireManifest(tally.finish(), header, at: content, in: file)
                return archive
            }
            offset = end
        }
    }

    private func header(at offset: Int, in file: any ArchiveFile) throws(Failure) -> TarHeader {
        let block = try file.read(at: offset, count: TarHeader.blockBytes)
        guard block.count == TarHeader.blockBytes, block.contains(where: { $0 != 0 }) else {
            throw .badArchive("ends without a manifest, at byte \(offset)")
        }
        do throws(TarProblem) {
            return try TarHeader(block: block)
        } catch {
            throw .badArchive("has a header at byte \(offset) that \(error.reason)")
        }
    }

    private func addItems(_ place: Range<Int>, of file: any ArchiveFile, to tally: inout ArchiveTally) throws(Failure) {
        tally.beginItems(byteCount: place.count)
        for start in stride(from: place.lowerBound, to: place.upperBound, by: Self.chunkBytes) {
            tally.add(try file.read(at: start, count: min(Self.chunkBytes, place.upperBound - start)))
        }
    }

    private func addImage(
        _ digest: [UInt8], _ format: ImageFormat, _ header: TarHeader, at place: Range<Int>, of file: any ArchiveFile,
        to tally: inout ArchiveTally
    ) throws(Failure) {
        let name = header.path.text
        guard place.count <= Limits.imageBytesMax else { throw .badArchive("has an image that is larger than 10 MB: \(name)") }
        let bytes = try file.read(at: place.lowerBound, count: place.count)
        var actual = makeDigest()
        actual.add(bytes)
        guard actual.finish() == digest else { throw .badArchive("has an image that does not match its name: \(name)") }
        let image: SanitizedImage
        do throws(ImageProblem) {
            image = try ImageSanitizer.sanitize(bytes, removingMetadata: false)
        } catch {
            throw .badArchive("has an image that \(error.reason): \(name)")
        }
        guard image.format == format else { throw .badArchive("has an image that is no \(format.rawValue): \(name)") }
        guard try images.insert(digest, at: place) else { throw .badArchive("has an image twice: \(name)") }
        tally.addImage(header.path, byteCount: place.count)
    }

    /// Behind the last file an archive has two blocks of zeros, and no more than zeros behind those, by which some programs fill it up.
    private func requireEnd(of file: any ArchiveFile, at offset: Int) throws(Failure) {
        guard file.byteCount - offset >= TarHeader.end.count else { throw .badArchive("is cut short behind its manifest") }
        for start in stride(from: offset, to: file.byteCount, by: Self.chunkBytes) {
            guard try file.read(at: start, count: Self.chunkBytes).allSatisfy({ $0 == 0 }) else {
                throw .badArchive("goes on behind its manifest")
            }
        }
    }

    private func requireManifest(
        _ found: ArchiveManifest, _ header: TarHeader, at place: Range<Int>, in file: any ArchiveFile
    ) throws(Failure) {
        guard place.count <= Self.manifestBytesMax else { throw .badArchive("has too long a manifest") }
        let manifest: ArchiveManifest
        do throws(Failure) {
            manifest = try format.manifest(in: try file.read(at: place.lowerBound, count: place.count))
        } catch {
            throw error.at("manifest.json")
        }
        guard manifest == found else { throw .badArchive("holds other items or images than its manifest says") }
    }

    /// Reads every line, now that it is known which images there are.
    private func verifyLines(
        of itemFiles: [Range<Int>], in file: any ArchiveFile, _ progress: (Int) throws(Failure) -> Void
    ) throws(Failure) -> VerifiedArchive {
        var reader = ArchiveLines(files: itemFiles, format: format)
        while let item = try reader.next(in: file) {
            try progress(reader.offset)
            for digest in item.digests where try images.place(of: digest) == nil {
                throw .badArchive("does not hold an image that \(reader.place) names")
            }
        }
        return VerifiedArchive(itemFiles: itemFiles, itemCount: reader.linesRead, images: images)
    }
}

/// Reads the items of an archive one after the other.
struct ArchiveLines {
    /// Bytes of the longest line: sixteen labels of five hundred characters each, all of them written as escapes, and the rest of an item.
    static let lineBytesMax = 131_072
    private static let chunkBytes = 65_536

    private let files: [Range<Int>]
    private let format: any ArchiveFormat
    private var fileIndex = 0
    /// Lines of the present file that were read.
    private var fileLines = 0
    private var rest: ArraySlice<UInt8> = []
    /// Where in the archive what follows `rest` is read.
    private(set) var offset: Int
    /// Lines of all files that were read.
    private(set) var linesRead = 0

    init(files: [Range<Int>], format: any ArchiveFormat) {
        self.files = files
        self.format = format
        offset = files.first?.lowerBound ?? 0
    }

    /// Where the line stands that was read last.
    var place: String { "\(ArchivePath.items(number: fileIndex + 1).text), line \(fileLines)," }

    /// The next item, nil behind the last.
    /// - Throws: `invalid` with the field `archive`.
    mutating func next(in file: any ArchiveFile) throws(Failure) -> ArchiveItem? {
        guard fileIndex < files.count else { return nil }
        if rest.isEmpty, offset == files[fileIndex].upperBound {
            guard fileLines > 0 else { throw .badArchive("has a file without items: \(ArchivePath.items(number: fileIndex + 1).text)") }
            (fileIndex, fileLines) = (fileIndex + 1, 0)
            guard fileIndex < files.count else { return nil }
            offset = files[fileIndex].lowerBound
            return try next(in: file)
        }
        (fileLines, linesRead) = (fileLines + 1, linesRead + 1)
        guard fileLines <= ArchiveExport.fileItemsMax else {
            throw .badArchive("has more than \(ArchiveExport.fileItemsMax) items in \(ArchivePath.items(number: fileIndex + 1).text)")
        }
        let line = try line(in: file)
        do throws(Failure) {
            return try format.item(in: line)
        } catch {
            throw error.at(place)
        }
    }

    private mutating func line(in file: any ArchiveFile) throws(Failure) -> [UInt8] {
        var looked = rest.startIndex
        while true {
            if let end = rest[looked...].firstIndex(of: UInt8(ascii: "\n")) {
                defer { rest = rest[(end + 1)...] }
                return Array(rest[..<end])
            }
            let count = min(Self.chunkBytes, files[fileIndex].upperBound - offset)
            guard count > 0 else { throw .badArchive("lacks the end of a line: \(place) has none") }
            guard rest.count < Self.lineBytesMax else {
                throw .badArchive("holds too long a line: \(place) is longer than \(Self.lineBytesMax) bytes")
            }
            let searched = rest.count
            rest = ArraySlice(Array(rest) + (try file.read(at: offset, count: count)))
            looked = rest.startIndex + searched
            offset += count
        }
    }
}

extension Failure {
    /// An archive is damaged, or none of the service's.
    /// - Parameter predicate: that of a sentence about it, which quotes nothing of what it holds.
    static func badArchive(_ predicate: String) -> Failure {
        .invalid([Violation(field: "archive", message: "the archive \(predicate)")])
    }

    /// The same of an archive, with the place that it is about.
    fileprivate func at(_ place: String) -> Failure {
        guard case .invalid(let violations) = self else { return self }
        let reasons = violations.map { $0.message(naming: \.plainName) }.joined(separator: "; ")
        return .badArchive("breaks a rule: \(place) \(reasons)")
    }
}
