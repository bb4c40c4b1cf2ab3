import Foundation
import TestImages
import Testing

/// What images tell beside the picture: where it was taken, by whom, with what.
///
/// The photograph is that of Rear Admiral Grace Hopper by James S. Davis, United States Navy, in the public domain. Like the other images it
/// carries invented metadata, in which every text holds the word CANARY.
@Suite("Metadata of images", .timeLimit(.minutes(10)))
struct MetadataEndToEndTests {
    /// Two creates, which have every format and every kind of metadata among them: EXIF with GPS, XMP, IPTC, comments, texts, private chunks.
    private static let creates = [
        ["photograph-metadata.jpg", "jpeg-metadata.jpg", "png-metadata.png"],
        ["webp-metadata.webp", "gif-extensions.gif", "webp-metadata-lossless.webp"],
    ]

    /// Sends the images and fetches what became of them.
    private static func stored(_ names: [String], by client: Client) async throws -> [[UInt8]] {
        let images = names.map { JSONValue.string(Picture.base64(SampleImages.bytes($0))) }
        let created = try await client.post(
            "/v2/personas", ["name": .string("With \(names[0].prefix(4))"), "image_base64s": .array(images)])
        try #require(created.status == 201, "\(created.text)")
        let item = try await client.trained(try created.id)
        var stored: [[UInt8]] = []
        for url in try #require(item["reference"]?.array) { stored.append(try await client.get(try #require(url.string)).body) }
        return stored
    }

    @Test(
        "Location, camera, author and comments are gone from what is served and from what lies on disk; the picture and its orientation stay"
    )
    func removed() async throws {
        try await Stage.run { stage in
            let client = try await stage.serve().client(try await stage.key())
            for names in Self.creates {
                let stored = try await Self.stored(names, by: client)
                for (name, bytes) in zip(names, stored) {
                    let sent = Data(SampleImages.bytes(name))
                    #expect(sent.range(of: Data("CANARY".utf8)) != nil, "\(name)")
                    Self.expectNoMetadata(in: bytes, name)
                    #expect(bytes.count < sent.count, "\(name)")
                }
            }
            let media = "\(stage.data)/media"
            var files = 0
            for path in try FileManager.default.subpathsOfDirectory(atPath: media) {
                guard let content = FileManager.default.contents(atPath: "\(media)/\(path)"), !content.isEmpty else { continue }
                files += 1
                Self.expectNoMetadata(in: [UInt8](content), path)
            }
            #expect(files == 6)
        }
    }

    private static func expectNoMetadata(in bytes: [UInt8], _ name: String) {
        for word in [
            "CANARY", "2024:05:06", "ASCII", "GPSLatitude", "xmpmeta", "xpacket", "8BIM", "ns.adobe.com", "tEXt", "iTXt", "zTXt", "XMP",
        ] {
            #expect(Data(bytes).range(of: Data(word.utf8)) == nil, "\(word) is left in \(name)")
        }
    }

    @Test("The compressed pixels of a photograph are those that were sent, and it is still shown upright")
    func pixels() async throws {
        let client = try await SharedService.embedded.newcomer()
        let stored = Data(try await Self.stored(Self.creates[0], by: client)[0])
        let sent = Data(SampleImages.bytes("photograph-metadata.jpg"))
        // From the first quantization table on nothing differs, up to the end of the file.
        let tables = Data([0xFF, 0xDB])
        let (first, second) = (try #require(sent.range(of: tables)), try #require(stored.range(of: tables)))
        #expect(sent[first.lowerBound...].elementsEqual(stored[second.lowerBound...]))
        // Tag 0x0112, one SHORT of 6: turn it by a quarter.
        #expect(stored.range(of: Data([0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 6])) != nil)
    }

    @Test("With --keep-image-metadata images are stored as they were sent")
    func kept() async throws {
        try await Stage.run { stage in
            let client = try await stage.serve("--keep-image-metadata").client(try await stage.key())
            for names in Self.creates {
                #expect(try await Self.stored(names, by: client) == names.map(SampleImages.bytes))
            }
        }
    }
}
