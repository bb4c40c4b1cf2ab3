import Crypto
import Foundation
import Personas
package import TestSupport

extension TarFile {
    /// An archive made by hand.
    /// - Parameter edit: changes a line before it goes in.
    package static func made(
        items count: Int = 1, images: [[UInt8]] = (1...3).map { Picture.png(seed: $0) },
        _ edit: (Int, inout [String: Any]) -> Void = { _, _ in }
    ) throws -> TarFile {
        let digests = images.map { hexadecimal(Array(SHA256.hash(data: $0))) }
        let lines = try (0..<count).map { number in
            var item: [String: Any] = [
                "id": UUID().uuidString.lowercased(), "mode": "persona", "name": "Item \(number)", "status": "completed",
                "special_instructions": NSNull(), "external_id": NSNull(), "metadata": [String: String](), "error": NSNull(),
                "reference": Array(digests.prefix(3)), "portrait": NSNull(), "created_at": "2026-01-02T03:04:05.006Z",
                "updated_at": "2026-01-02T03:04:06.007Z",
            ]
            edit(number, &item)
            return try JSONSerialization.data(withJSONObject: item, options: [.sortedKeys, .withoutEscapingSlashes]) + Data("\n".utf8)
        }
        var archive = TarFile(
            zip(digests, images).map { Entry("media/\($0).png", $1) } + [Entry("items/000001.jsonl", lines.flatMap(Array.init))])
        archive.addManifest()
        return archive
    }

    /// Ends the archive with the manifest of what it holds.
    package mutating func addManifest() {
        entries.removeAll { $0.path == "manifest.json" }
        let (items, images) = (entries.filter { $0.path.hasPrefix("items/") }, entries.filter { $0.path.hasPrefix("media/") })
        let lines = items.flatMap(\.content)
        func hash(_ bytes: [UInt8]) -> String { hexadecimal(Array(SHA256.hash(data: bytes))) }
        let text = """
            {"format":"personas-archive","version":1,"items":\(lines.count { $0 == 0x0A }),"items_files":\(items.count),\
            "items_bytes":\(lines.count),"items_sha256":"\(hash(lines))","media_files":\(images.count),\
            "media_bytes":\(images.reduce(0) { $0 + $1.content.count }),\
            "media_sha256":"\(hash(images.flatMap { Array("\($0.path)\n".utf8) }))"}

            """
        entries.append(Entry("manifest.json", Array(text.utf8)))
    }

    /// The same with one file changed, and a manifest that says so.
    package func changing(_ path: String, _ change: (inout Entry) -> Void) -> TarFile {
        var changed = self
        if let index = entries.firstIndex(where: { $0.path.hasPrefix(path) }) { change(&changed.entries[index]) }
        if path != "manifest.json" { changed.addManifest() }
        return changed
    }
}
