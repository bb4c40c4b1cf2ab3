import Foundation
import Personas
import TestSupport
import Testing

@Suite("Decoding reference images")
struct ReferenceImageDecodeTests {
    static let position = ImagePosition(field: .imageBase64s, index: 2)
    static let broken = Failure.invalidImage(position, reason: "is not valid base64")
    static let notBase64URL = Failure.invalidImage(position, reason: "is not a base64 data URL")
    static let tooLarge = Failure.imageTooLarge(position)

    static func decode(_ text: String) throws(Failure) -> [UInt8] {
        try ReferenceImage.decode(base64: ArraySlice(text.utf8), at: position)
    }

    @Test("Bytes of any number come back from bare base64 and from a data URL")
    func roundTrip() throws {
        var generator = SplitMix64(seed: 1)
        for count in Array(0...70) + [1_000, 4_095, 65_537] {
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
            let base64 = Data(bytes).base64EncodedString()
            #expect(try Self.decode(base64) == bytes)
            #expect(try Self.decode("data:image/png;base64,\(base64)") == bytes)
            // A part of a request body does not begin at index 0.
            let body = ArraySlice("{\"image\":\"\(base64)\"}".utf8)
            #expect(try ReferenceImage.decode(base64: body.dropFirst(10).dropLast(2), at: Self.position) == bytes)
        }
    }

    @Test(
        "The declared type is ignored, right, wrong or missing",
        arguments: [
            "data:image/jpeg;base64,", "data:image/png;base64,", "data:text/html;base64,", "data:;base64,", "data:nonsense;base64,",
            "data:image/svg+xml;charset=utf-8;base64,", "data:image/jpeg;name=a.png;base64,",
        ])
    func declaredTypeIsIgnored(prefix: String) throws {
        #expect(try Self.decode(prefix + "iVBORw==") == [0x89, 0x50, 0x4E, 0x47])
    }

    @Test(
        "A data URL that does not say base64 is refused",
        arguments: [
            "data:", "data:,", "data:image/png,iVBORw==", "data:image/png;base64", "data:image/png;base64iVBORw==",
            "data:image/png;base6,iVBORw==", "data:base64,iVBORw==", "data:image/png;base64;charset=utf-8,iVBORw==",
            "data:image/png;base64 ,iVBORw==", "data:iVBORw==",
        ])
    func notBase64(text: String) {
        #expect(throws: Self.notBase64URL) { try Self.decode(text) }
    }

    @Test(
        "Broken base64 is refused",
        arguments: [
            "iVBORw=", "iVBORw", "iVBOR", "iVBO=Rw=", "iV=ORw==", "=", "A", "AA", "AAA", "AAAAA", "AA==AAAA", "iVBO Rw==", "iVBO\tRw==",
            "iVBO\u{0}w==", "iVB-Rw==", "iVB_Rw==", "iVB%2BRw", "iVBORw==!", "iVBORwé=", "😀", "not base64 at all", "nil",
            "base64,iVBORw==", "image/png;base64,iVBORw==",
        ])
    func brokenBase64(text: String) {
        #expect(throws: Self.broken) { try Self.decode(text) }
        #expect(throws: Self.broken) { try Self.decode("data:image/png;base64,\(text)") }
    }

    @Test("Bytes that are not even UTF-8 are refused")
    func notText() {
        #expect(throws: Self.broken) { try ReferenceImage.decode(base64: [0xFF, 0xFE, 0x80, 0x81], at: Self.position) }
        #expect(throws: Self.broken) { try ReferenceImage.decode(base64: [0x41, 0x41, 0xC3, 0xA9], at: Self.position) }
    }

    @Test("Base64 cut anywhere but between groups of four is refused")
    func truncated() throws {
        let whole = Data((0..<90).map { UInt8($0) }).base64EncodedString()
        for count in 1..<whole.utf8.count where count % 4 != 0 {
            #expect(throws: Self.broken, "\(count) characters") { try Self.decode(String(whole.prefix(count))) }
        }
    }

    @Test("Line breaks are passed over, wherever they stand", arguments: ["\n", "\r\n", "\r", "\n\n"])
    func lineBreaks(lineBreak: String) throws {
        let bytes = (0..<200).map { UInt8($0) }
        let base64 = Data(bytes).base64EncodedString()
        for lineLength in [1, 3, 64, 76] {
            let characters = Array(base64)
            let starts = stride(from: 0, to: characters.count, by: lineLength)
            let lines = starts.map { String(characters[$0..<min($0 + lineLength, characters.count)]) }
            let wrapped = lines.joined(separator: lineBreak) + lineBreak
            #expect(try Self.decode(wrapped) == bytes)
            #expect(try Self.decode("data:image/gif;base64," + lineBreak + wrapped) == bytes)
        }
        #expect(throws: Self.broken) { try Self.decode(base64.dropLast() + lineBreak) }
    }

    @Test("Nothing at all decodes to no bytes, which no image format accepts")
    func nothing() throws {
        for text in ["", "\r\n", "data:image/png;base64,"] {
            let bytes = try Self.decode(text)
            #expect(bytes.isEmpty)
            let failure = #expect(throws: Failure.self) { try ReferenceImage.checked(bytes, keepingMetadata: false, at: Self.position) }
            guard case .badImages(let image, let others)? = failure, image.position == Self.position, case .unusable = image.problem,
                others.isEmpty
            else {
                Issue.record("\(String(describing: failure))")
                continue
            }
        }
    }

    @Test("10 MiB are taken, one byte more is too large", arguments: [0, 1, 3])
    func limit(extra: Int) throws {
        let data = Data(repeating: 0x5A, count: 10_485_760 + extra)
        let base64 = ArraySlice(data.base64EncodedData())
        for text in [base64, Array("data:image/jpeg;base64,".utf8) + base64] {
            if extra == 0 {
                let decoded = try ReferenceImage.decode(base64: text, at: Self.position)
                #expect(decoded.count == 10_485_760)
            } else {
                #expect(throws: Self.tooLarge) { try ReferenceImage.decode(base64: text, at: Self.position) }
            }
        }
    }

    @Test("What would decode to too much is refused for its size before anything is decoded")
    func refusedBeforeDecoding() {
        // Not base64 at all, so that a service that decoded it first would call it broken.
        let garbage = ArraySlice(repeating: UInt8(ascii: "!"), count: 13_981_024)
        #expect(throws: Self.tooLarge) { try ReferenceImage.decode(base64: garbage, at: Self.position) }
        #expect(throws: Self.tooLarge) {
            try ReferenceImage.decode(base64: Array("data:image/png;base64,".utf8) + garbage, at: Self.position)
        }
        // A known client cuts its texts at 14,000,000 characters.
        #expect(throws: Self.tooLarge) {
            try ReferenceImage.decode(base64: ArraySlice(repeating: UInt8(ascii: "A"), count: 14_000_000), at: Self.position)
        }
    }

    @Test("Line breaks do not count towards the size")
    func lineBreaksAreNoSize() throws {
        let wrapping: Data.Base64EncodingOptions = [.lineLength64Characters, .endLineWithCarriageReturn, .endLineWithLineFeed]
        let lines = Data(repeating: 0x5A, count: 10_485_760).base64EncodedData(options: wrapping)
        #expect(try ReferenceImage.decode(base64: ArraySlice(lines), at: Self.position).count == 10_485_760)
    }

    @Test("An image that fails is named by its position in the request")
    func positions() {
        #expect(ImagePosition(field: .imageURLs, index: 1).text { "\($0)" } == "imageURLs[1]")
        #expect(ImagePosition(field: .portrait).text { "\($0)" } == "portrait")
    }

    @Test("Checking refuses what is too large before it looks inside, and names the position of what is no image")
    func checked() throws {
        #expect(throws: Self.tooLarge) {
            try ReferenceImage.checked([UInt8](repeating: 0, count: 10_485_761), keepingMetadata: false, at: Self.position)
        }
        #expect(throws: Failure.invalidImage(Self.position, reason: "is not a JPEG, PNG, WebP or GIF image")) {
            try ReferenceImage.checked(Array("<svg/>".utf8), keepingMetadata: false, at: Self.position)
        }
        let image = try ReferenceImage.checked(ImageFixture.pngPlain.bytes, keepingMetadata: false, at: Self.position)
        #expect(image.format == .png)
    }
}
