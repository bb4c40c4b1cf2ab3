import ErrorEnvelope
import Foundation
import HTTPTypes
import Personas
import PersonasHTTP
import TestImages
import TestSupport
import Testing

/// Archives that are damaged, or made to do harm.
@Suite("Hostile archives", .timeLimit(.minutes(5)))
struct HostileArchiveTests {
    /// What is wrong, how it comes about, and what is said of it.
    struct Attack: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let message: String
        let make: @Sendable (TarFile) throws -> [UInt8]

        init(_ name: String, _ message: String, _ make: @escaping @Sendable (TarFile) throws -> [UInt8]) {
            (testDescription, self.message, self.make) = (name, message, make)
        }

        /// One whose manifest says what is there.
        static func entry(_ name: String, _ message: String, _ path: String, _ change: @escaping @Sendable (inout TarFile.Entry) -> Void)
            -> Attack
        {
            Attack(name, message) { $0.changing(path, change).bytes }
        }

        /// One with a file more.
        static func extra(_ name: String, _ message: String, _ change: @escaping @Sendable (inout TarFile.Entry) -> Void) -> Attack {
            Attack(name, message) { archive in
                var archive = archive
                var entry = TarFile.Entry("media/\(String(repeating: "0", count: 64)).png", [1])
                change(&entry)
                archive.entries.insert(entry, at: 0)
                archive.addManifest()
                return archive.bytes
            }
        }

        /// One whose first line is another.
        static func line(_ name: String, _ message: String, _ change: @escaping @Sendable (String) -> String) -> Attack {
            entry(name, message, "items/") { $0.content = Array(change(String(decoding: $0.content, as: UTF8.self)).utf8) }
        }
    }

    private static let foreign = "names a file that no archive of the service holds"
    private static let special = "is that of something other than a plain file"

    static let headers: [Attack] = [
        .init("no archive", "has a header at byte 0 that is not that of a POSIX tar archive") { _ in Array(repeating: 0x41, count: 5_000) },
        .init("nothing", "ends without a manifest, at byte 0") { _ in [] },
        .init("zeros", "ends without a manifest, at byte 0") { _ in Array(repeating: 0, count: 10_240) },
        .init("half a file", "ends in the middle of media/") { Array($0.bytes.prefix(700)) },
        .init("half a header", "ends without a manifest") { Array($0.bytes.prefix(1_500 / 512 * 512 + 100)) },
        .init("no manifest", "ends without a manifest") { archive in
            var archive = archive
            archive.entries.removeLast()
            return archive.bytes
        },
        .init("no end", "is cut short behind its manifest") { archive in
            var archive = archive
            archive.end = []
            return archive.bytes
        },
        .init("something behind the end", "goes on behind its manifest") { $0.bytes + [0, 0, 1] },
        .init("files behind the manifest", "goes on behind its manifest") { archive in
            var archive = archive
            archive.entries.append(archive.entries[0])
            return archive.bytes
        },
        .init("bytes that fill up", "that belong to no file") { archive in
            var bytes = archive.bytes
            bytes[512 + archive.entries[0].content.count] = 1
            return bytes
        },
        .extra("a path that leads out", foreign) { $0.path = "../../etc/passwd" },
        .extra("a path that leads out of a folder of ours", foreign) { $0.path = "media/../../x.png" },
        .extra("an absolute path", foreign) { $0.path = "/etc/cron.d/x" },
        .extra("a path with a zero", foreign) { $0.path = "manifest.json\u{0}x" },
        .extra("a path that begins otherwise", foreign) { $0.path = "./manifest.json" },
        .extra("capitals", foreign) { $0.path = $0.path.replacing("0", with: "A") },
        .extra("a file too many", foreign) { $0.path = "README.md" },
        .extra("a folder", "has a header at byte 0") { ($0.path, $0.type, $0.content) = ("media/", UInt8(ascii: "5"), []) },
        .extra("a link", special) { ($0.type, $0.linkName, $0.content) = (UInt8(ascii: "2"), "/etc/passwd", []) },
        .extra("a hard link", special) { ($0.type, $0.linkName, $0.content) = (UInt8(ascii: "1"), "manifest.json", []) },
        .extra("a plain file with a link", "names a link") { $0.linkName = "/etc/passwd" },
        .extra("a long path", "names a link or a long path") { $0.prefix = "media" },
        .extra("a device", special) { $0.type = UInt8(ascii: "3") },
        .extra("a pipe", special) { $0.type = UInt8(ascii: "6") },
        .extra("an extended header", special) { $0.type = UInt8(ascii: "x") },
        .extra("a long name of GNU", special) { $0.type = UInt8(ascii: "L") },
        .extra("a sparse file", special) { $0.type = UInt8(ascii: "S") },
        .extra("a wrong checksum", "does not match its checksum") { $0.checksumError = 1 },
        .extra("another form", "is not that of a POSIX tar archive") { $0.magic = "\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}" },
        .extra("a length in base 256", "states no length") { $0.size = [0x80] + Array(repeating: 0xFF, count: 11) },
        .extra("a negative length", "states no length") { $0.size = Array("-0000000001\u{0}".utf8) },
        .extra("a length of twelve digits", "states no length") { $0.size = Array("777777777777".utf8) },
        .extra("a length that is none", "states no length") { $0.size = Array("0000000009\u{0}\u{0}".utf8) },
        .extra("a length beyond the end", "ends in the middle of media/") { $0.size = Array("77777777777\u{0}".utf8) },
    ]

    static let contents: [Attack] = [
        .extra("an image that is none", "has an image that does not match its name") { _ in },
        .entry("an image that was changed", "does not match its name", "media/") { $0.content[40] ^= 1 },
        .entry("an empty image", "does not match its name", "media/") { $0.content = [] },
        .entry("an image under another ending", "has an image that is no jpeg", "media/") {
            $0.path = $0.path.replacing(".png", with: ".jpg")
        },
        .init("an image that is too large", "is larger than 10 MB") { archive in
            try TarFile.made(images: [Picture.png(byteCount: Limits.imageBytesMax + 1)] + (2...3).map { Picture.png(seed: $0) }).bytes
        },
        .init("an image that is cut", "is truncated") { _ in
            try TarFile.made(images: [Array(Picture.png(seed: 1).dropLast(20))] + (2...3).map { Picture.png(seed: $0) }).bytes
        },
        .init("an image twice", "has an image twice") { archive in
            var archive = archive
            archive.entries.insert(archive.entries[0], at: 0)
            archive.addManifest()
            return archive.bytes
        },
        .init("an image that is missing", "does not hold an image that items/000001.jsonl, line 1, names") { archive in
            var archive = archive
            archive.entries.removeFirst()
            archive.addManifest()
            return archive.bytes
        },
        .entry("files out of their turn", "out of its turn", "items/") { $0.path = "items/000002.jsonl" },
        .entry("number 0", foreign, "items/") { $0.path = "items/000000.jsonl" },
        .entry("a file without items", "has a file without items", "items/") { $0.content = [] },
        .entry("a line without an end", "lacks the end of a line", "items/") { $0.content.removeLast() },
        .entry("a line that is too long", "holds too long a line", "items/") {
            $0.content = Array(repeating: 0x20, count: 300_000) + [0x0A]
        },
        .init("too many items in a file", "has more than 1000 items") { _ in try TarFile.made(items: 1_001).bytes },
        .line("an empty line", "line 2, the body must be a JSON object") { $0 + "\n" },
        .line("no JSON", "is not valid JSON") { _ in "{]\n" },
        .line("deep JSON", "nests deeper") { _ in String(repeating: "[", count: 5_000) + "\n" },
        .line("a text with a zero", "is not valid JSON") { $0.replacing("Item 0", with: "Item\u{0}0") },
        .line("members twice", "has the same member twice") { $0.replacing("{\"", with: "{\"id\":\"x\",\"") },
        .line("an item without a name", "name is required") { $0.replacing("\"name\"", with: "\"nome\"") },
        .line("a name that is none", "line 1, name") { $0.replacing("Item 0", with: "<script>") },
        .line("a fourth status", "status is not what an archive holds") { $0.replacing("completed", with: "waiting") },
        .line("an error of a completed item", "error must be given where") {
            $0.replacing("\"error\":null", with: "\"error\":{\"code\":\"CANCELLED\",\"message\":\"m\"}")
        },
        .line("a failed item without its error", "error must be given where") { $0.replacing("completed", with: "failed") },
        .line("a path for an image", "reference is not what an archive holds") {
            $0.replacing(/"reference":\["[0-9a-f]{4}/, with: "\"reference\":[\"../x")
        },
        .line("four images", "reference is not what") {
            $0.replacing("\"reference\":[", with: "\"reference\":[\"\(String(repeating: "a", count: 64))\",")
        },
        .line("a time that is none", "created_at is not what") { $0.replacing("2026-01-02T03:04:05.006Z", with: "yesterday") },
        .entry("a manifest of another version", "version must be 1", "manifest.json") {
            $0.content = Array("{\"format\":\"personas-archive\",\"version\":2}\n".utf8)
        },
        .entry("a manifest of another program", "version must be 1", "manifest.json") { $0.content = Array("{}".utf8) },
        .entry("a manifest that is no JSON", "manifest.json the body is not valid JSON", "manifest.json") { $0.content = Array("x".utf8) },
        .entry("a manifest that is too long", "has too long a manifest", "manifest.json") {
            $0.content += Array(repeating: 0x20, count: 70_000)
        },
        .entry("a manifest with a count too many", "holds other items or images than its manifest says", "manifest.json") {
            $0.content = Array(String(decoding: $0.content, as: UTF8.self).replacing("\"items\":1,", with: "\"items\":2,").utf8)
        },
        .entry("a manifest with another hash", "holds other items or images than its manifest says", "manifest.json") {
            $0.content = Array(
                String(decoding: $0.content, as: UTF8.self).replacing(/_sha256":"./, with: "_sha256\":\"g").replacing("\"g", with: "\"0")
                    .utf8)
        },
    ]

    @Test("are refused by their headers, and change nothing", arguments: headers)
    func header(attack: Attack) async throws { try await expectRefusal(attack) }

    @Test("are refused by what they hold, and change nothing", arguments: contents)
    func content(attack: Attack) async throws { try await expectRefusal(attack) }

    private func expectRefusal(_ attack: Attack) async throws {
        let archive = try attack.make(try TarFile.made())
        try await TestService.run { service in
            try await service.create(.persona, "There before")
            try await service.withoutTrace {
                let answer = try await service.takeIn(archive, under: "key")
                #expect(answer.status == 400, "\(answer.text.prefix(300))")
                let envelope = try answer.envelope
                #expect(envelope.error.code == .validationError && envelope.error.details.map(\.field) == ["archive"])
                #expect(
                    envelope.error.message.contains("the archive ") && envelope.error.message.contains(attack.message),
                    "\(envelope.error.message)")
                for outside in ["passwd", "script", "\u{0}", "yesterday", "waiting"] { #expect(!envelope.error.message.contains(outside)) }
            }
            #expect(try service.data.incomingFiles().isEmpty)
            // Nothing is remembered under the key either.
            #expect(try await service.takeIn(try TarFile.made().bytes, under: "key").totals?["created"] == 1)
        }
    }

    @Test("of any one byte that was changed are refused, or are the same items")
    func mutations() async throws {
        let archive = try TarFile.made().bytes
        try await TestService.run { service in
            var generator = SplitMix64(seed: 12)
            var refused = 0
            for _ in 0..<400 {
                var changed = archive
                let place = Int.random(in: 0..<changed.count, using: &generator)
                changed[place] ^= UInt8.random(in: 1...255, using: &generator)
                let answer = try await service.takeIn(changed)
                if answer.status == 400 {
                    refused += 1
                } else {
                    // No byte but those of a header that say nothing, such as its time, may be another, and these its checksum covers.
                    Issue.record("byte \(place) of \(changed.count) may be anything: \(answer.text.prefix(200))")
                }
            }
            #expect(refused == 400)
            #expect(try await service.send(.get, "/v2/personas").items.isEmpty)
        }
    }

    @Test("that end anywhere are refused")
    func cut() async throws {
        let archive = try TarFile.made().bytes
        try await TestService.run { service in
            for end in stride(from: 0, to: archive.count, by: 97) {
                let answer = try await service.takeIn(Array(archive.prefix(end)))
                #expect(answer.status == 400, "\(end) bytes of \(archive.count)")
            }
            let list = try await service.send(.get, "/v2/personas")
            #expect(list.items.isEmpty)
            let whole = try await service.takeIn(archive)
            #expect(whole.totals?["created"] == 1)
        }
    }

    @Test("of other programs are taken where they hold the same files in another order")
    func otherPrograms() async throws {
        try await TestService.run { service in
            var archive = try TarFile.made()
            // Items first, as `tar cf - items media manifest.json` has them, in GNU's form, filled up to ten KB.
            archive.entries = [archive.entries[3]] + archive.entries[..<3]
            archive.addManifest()
            for index in archive.entries.indices { archive.entries[index].magic = "ustar  \u{0}" }
            archive.end = [UInt8](repeating: 0, count: 10_240)
            #expect(try await service.takeIn(archive.bytes).totals?["created"] == 1)
        }
    }
}
