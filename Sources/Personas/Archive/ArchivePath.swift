/// What a file of an archive is, as its path says. No other path stands in one, so that none leads anywhere.
package enum ArchivePath: Sendable, Equatable {
    /// Items, a JSON document a line; the files are numbered from 1.
    case items(number: Int)
    /// The bytes of an image, under their SHA-256.
    case image(digest: [UInt8], ImageFormat)
    /// What the archive holds, to be compared with what is there; the last file.
    case manifest

    /// The largest number of a file of items: its digits are six.
    package static let numberMax = 999_999
    private static let (itemsFolder, itemsEnd) = (Array("items/".utf8), Array(".jsonl".utf8))
    private static let imageFolder = Array("media/".utf8)
    private static let manifestName = Array("manifest.json".utf8)

    /// Reads a path, which has to be written as `bytes` writes it; nil for all else.
    package init?(bytes: ArraySlice<UInt8>) {
        guard let path = Self.read(bytes), path.bytes.elementsEqual(bytes) else { return nil }
        self = path
    }

    private static func read(_ bytes: ArraySlice<UInt8>) -> ArchivePath? {
        if bytes.elementsEqual(manifestName) { return .manifest }
        if bytes.starts(with: itemsFolder) {
            let digits = bytes.dropFirst(itemsFolder.count).prefix(6)
            guard digits.count == 6, digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
            let number = digits.reduce(0) { $0 * 10 + Int($1 - 0x30) }
            return number > 0 ? .items(number: number) : nil
        }
        guard bytes.starts(with: imageFolder) else { return nil }
        let name = bytes.dropFirst(imageFolder.count)
        guard let digest = bytesOfHexadecimal(name.prefix(64)), digest.count == 32 else { return nil }
        let ending = name.dropFirst(64)
        return ImageFormat.allCases.first { ending.elementsEqual(".\($0.fileExtension)".utf8) }.map { .image(digest: digest, $0) }
    }

    /// The path as it stands in an archive.
    package var bytes: [UInt8] {
        switch self {
        case .items(let number):
            let digits = String(number)
            return Self.itemsFolder + Array(String(repeating: "0", count: max(0, 6 - digits.utf8.count)).utf8) + digits.utf8 + Self.itemsEnd
        case .image(let digest, let format): return Self.imageFolder + Array("\(hexadecimal(digest)).\(format.fileExtension)".utf8)
        case .manifest: return Self.manifestName
        }
    }

    /// The same as text.
    package var text: String { String(decoding: bytes, as: UTF8.self) }
}

/// The bytes that lower-case hexadecimal digits stand for; nil for anything else.
package func bytesOfHexadecimal(_ digits: some Collection<UInt8>) -> [UInt8]? {
    func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        default: nil
        }
    }
    guard digits.count.isMultiple(of: 2) else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(digits.count / 2)
    var high: UInt8?
    for digit in digits {
        guard let value = value(digit) else { return nil }
        if let first = high {
            bytes.append(first << 4 | value)
            high = nil
        } else {
            high = value
        }
    }
    return bytes
}
