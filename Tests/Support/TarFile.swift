import Foundation

/// A tar archive as tests make and read it, without the product's code: right or wrong, file by file.
package struct TarFile: Sendable, Equatable {
    /// One file with its header.
    package struct Entry: Sendable, Equatable {
        package var path: String
        package var content: [UInt8]
        /// The byte that says what kind of file it is: `0` for a plain one.
        package var type = UInt8(ascii: "0")
        /// What stands for the length; nil for the length as octal digits.
        package var size: [UInt8]?
        package var linkName = ""
        package var prefix = ""
        package var magic = "ustar\u{0}00"
        /// What the checksum is wrong by.
        package var checksumError = 0

        package init(_ path: String, _ content: [UInt8]) {
            self.path = path
            self.content = content
        }

        /// The header, the content and what fills up its last block.
        package var bytes: [UInt8] {
            var block = [UInt8](repeating: 0, count: 512)
            func put(_ text: some Collection<UInt8>, _ place: Int) { block.replaceSubrange(place..<place + text.count, with: text) }
            put(Array(path.utf8.prefix(100)), 0)
            put(Array("0000644\u{0}0000000\u{0}0000000\u{0}".utf8), 100)
            put(size ?? Array((Self.octal(content.count, 11) + "\u{0}").utf8), 124)
            put(Array((Self.octal(0, 11) + "\u{0}").utf8), 136)
            block[156] = type
            put(Array(linkName.utf8), 157)
            put(Array(magic.utf8), 257)
            // The numbers of a device, which plain files have none of.
            put(Array("0000000\u{0}0000000\u{0}".utf8), 329)
            put(Array(prefix.utf8), 345)
            put(Array("        ".utf8), 148)
            put(Array((Self.octal(block.reduce(checksumError) { $0 + Int($1) }, 6) + "\u{0} ").utf8), 148)
            return block + content + [UInt8](repeating: 0, count: (512 - content.count % 512) % 512)
        }

        private static func octal(_ number: Int, _ count: Int) -> String {
            let digits = String(number, radix: 8)
            return String(repeating: "0", count: max(0, count - digits.count)) + digits
        }
    }

    package var entries: [Entry]
    /// What stands behind the last file.
    package var end = [UInt8](repeating: 0, count: 1_024)

    package init(_ entries: [Entry]) {
        self.entries = entries
    }

    /// Reads an archive of plain files with short names.
    package init(parsing bytes: [UInt8]) {
        entries = []
        var place = 0
        while place + 512 <= bytes.count, bytes[place] != 0 {
            func text(_ offset: Int, _ count: Int) -> String {
                String(decoding: bytes[place + offset..<place + offset + count].prefix { $0 != 0 }, as: UTF8.self)
            }
            let count = Int(text(124, 12), radix: 8) ?? 0
            let (path, start) = (text(0, 100), place + 512)
            entries.append(Entry(path, Array(bytes[start..<min(bytes.count, start + count)])))
            place = start + (count + 511) / 512 * 512
        }
        end = Array(bytes[min(place, bytes.count)...])
    }

    package var bytes: [UInt8] { entries.flatMap(\.bytes) + end }

    /// The content of a file; none where there is no such file, which no test accepts.
    package func content(_ path: String) -> [UInt8] { entries.first { $0.path == path }?.content ?? [] }

    /// The same without ids and times, by which two archives of the same items may differ, and the one hash over them.
    package var shape: TarFile {
        var shape = self
        for index in shape.entries.indices where !shape.entries[index].path.hasPrefix("media/") {
            let text = String(decoding: shape.entries[index].content, as: UTF8.self)
            shape.entries[index].content = Array(
                text.replacing(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/, with: "<id>")
                    .replacing(/"updated_at":"[^"]*"/, with: "<time>")
                    .replacing(/"items_sha256":"[0-9a-f]*"/, with: "<hash>").utf8)
        }
        return shape
    }
}
