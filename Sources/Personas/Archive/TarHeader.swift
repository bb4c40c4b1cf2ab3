/// The header of one file of an archive, which is a tar of the POSIX kind (`ustar`, IEEE Std 1003.1, pax).
///
/// What no archive of the service needs is refused and not passed over, whatever other programs make of it: links, devices, folders, extended headers,
/// numbers in other forms than octal digits.
package struct TarHeader: Sendable, Equatable {
    /// A header has so many bytes, and a file is filled up with zeros to a multiple of them.
    package static let blockBytes = 512
    /// What ends an archive: two blocks of zeros.
    package static let end = [UInt8](repeating: 0, count: 2 * blockBytes)

    private static let name = 0..<100
    private static let size = 124..<136
    private static let checksum = 148..<156
    private static let type = 156
    private static let linkName = 157..<257
    private static let magic = 257..<265
    private static let prefix = 345..<500
    /// POSIX's, and that of GNU tar, which differs in nothing that is used here.
    private static let magics = [Array("ustar\u{0}00".utf8), Array("ustar  \u{0}".utf8)]
    private static let sizeDigits = 11

    /// What the file is.
    package let path: ArchivePath
    /// Its length.
    package let byteCount: Int

    package init(path: ArchivePath, byteCount: Int) {
        self.path = path
        self.byteCount = byteCount
    }

    /// Reads a block.
    /// - Throws: what is wrong with it, in words that end a sentence about it and quote nothing.
    package init(block: [UInt8]) throws(TarProblem) {
        guard block.count == Self.blockBytes else { throw TarProblem(reason: "is cut short") }
        guard Self.magics.contains(where: { block[Self.magic].elementsEqual($0) }) else {
            throw TarProblem(reason: "is not that of a POSIX tar archive")
        }
        guard Self.octal(block[Self.checksum]) == Self.sum(block) else { throw TarProblem(reason: "does not match its checksum") }
        guard block[Self.type] == UInt8(ascii: "0") || block[Self.type] == 0 else {
            throw TarProblem(reason: "is that of something other than a plain file, or of a file with an extended header")
        }
        guard block[Self.linkName].allSatisfy({ $0 == 0 }), block[Self.prefix].allSatisfy({ $0 == 0 }) else {
            throw TarProblem(reason: "names a link or a long path")
        }
        guard let byteCount = Self.octal(block[Self.size]) else { throw TarProblem(reason: "states no length in octal digits") }
        let nameBytes = block[Self.name]
        let path = nameBytes.prefix { $0 != 0 }
        guard nameBytes.dropFirst(path.count).allSatisfy({ $0 == 0 }), let known = ArchivePath(bytes: path) else {
            throw TarProblem(reason: "names a file that no archive of the service holds")
        }
        self.init(path: known, byteCount: byteCount)
    }

    /// The block: the same for the same path and length, whoever writes it and whenever.
    package var block: [UInt8] {
        var block = [UInt8](repeating: 0, count: Self.blockBytes)
        func put(_ bytes: some Collection<UInt8>, at place: Int) {
            block.replaceSubrange(place..<place + bytes.count, with: bytes)
        }
        put(path.bytes, at: Self.name.lowerBound)
        put("0000644\u{0}0000000\u{0}0000000\u{0}".utf8, at: Self.name.upperBound)
        put(Self.digits(byteCount, count: Self.sizeDigits), at: Self.size.lowerBound)
        put(Self.digits(0, count: 11), at: Self.size.upperBound)
        block[Self.type] = UInt8(ascii: "0")
        put(Self.magics[0], at: Self.magic.lowerBound)
        // Numbers of devices, which some programs expect to be there.
        put("0000000\u{0}0000000\u{0}".utf8, at: 329)
        put(Self.digits(Self.sum(block), count: 6) + Array("\u{0} ".utf8), at: Self.checksum.lowerBound)
        return block
    }

    /// Zeros behind a file.
    package var paddingBytes: Int { Self.padding(of: byteCount) }

    private static func padding(of byteCount: Int) -> Int { (blockBytes - byteCount % blockBytes) % blockBytes }

    /// The sum of all bytes, those of the checksum taken for blanks.
    private static func sum(_ block: [UInt8]) -> Int {
        block.enumerated().reduce(0) { $0 + (checksum.contains($1.offset) ? 0x20 : Int($1.element)) }
    }

    private static func digits(_ number: Int, count: Int) -> [UInt8] {
        let digits = Array(String(number, radix: 8).utf8)
        return Array(repeating: UInt8(ascii: "0"), count: max(0, count - digits.count)) + digits
    }

    /// Octal digits, behind blanks and before blanks or zeros; nil for anything else. Eleven at most, so that no number overflows.
    private static func octal(_ field: ArraySlice<UInt8>) -> Int? {
        let digits = field.drop { $0 == 0x20 }.prefix { $0 != 0 && $0 != 0x20 }
        guard (1...sizeDigits).contains(digits.count), digits.allSatisfy({ (0x30...0x37).contains($0) }),
            field[digits.endIndex...].allSatisfy({ $0 == 0 || $0 == 0x20 })
        else { return nil }
        return digits.reduce(0) { $0 << 3 | Int($1 & 7) }
    }
}

/// Why bytes are no header that is taken.
package struct TarProblem: Error, Sendable, Equatable {
    /// The predicate of a sentence about the header.
    package let reason: String
}
