import Foundation
import Personas
import PersonasHTTP
import Testing

@testable import PersonasCLI

@Suite("The demo's drawings")
struct DemoArtworkTests {
    @Test("Each is a complete PNG image of moderate size that nothing need be taken from", arguments: DemoArtwork.names)
    func isImage(name: String) throws {
        let file = try #require(DemoArtwork.file(named: name))
        let image = try ImageSanitizer.sanitize(file)
        #expect(image.format == .png)
        #expect(image.width == 512 && image.height == 512)
        #expect(image.bytes == file)
        #expect(file.count < 300_000)
    }

    @Test("No two are alike, and a name that is not there draws nothing")
    func distinct() {
        #expect(Set(DemoArtwork.names.compactMap(DemoArtwork.file)).count == DemoArtwork.names.count)
        #expect(DemoArtwork.file(named: "mona-lisa") == nil)
    }
}

@Suite("Deflate")
struct DeflateEncoderTests {
    /// Decodes the fixed code, so that what was written is read by another way than it was written.
    private func inflate(_ stream: [UInt8]) throws -> [UInt8] {
        var output: [UInt8] = []
        var position = 16
        func bits(_ count: Int) -> Int {
            (0..<count).reduce(0) { value, bit in value | Int(stream[(position + bit) / 8] >> UInt8((position + bit) % 8) & 1) << bit }
        }
        func take(_ count: Int) -> Int {
            defer { position += count }
            return bits(count)
        }
        func code(_ count: Int) -> Int { (0..<count).reduce(0) { value, _ in value << 1 | take(1) } }
        #expect(stream[0] == 0x78 && (Int(stream[0]) * 256 + Int(stream[1])) % 31 == 0)
        #expect(take(1) == 1 && take(2) == 1)
        while true {
            var symbol = code(7)
            if symbol <= 0x17 {
                symbol += 256
            } else {
                symbol = symbol << 1 | code(1)
                switch symbol {
                case 0x30...0xBF: symbol -= 0x30
                case 0xC0...0xC7: symbol += 280 - 0xC0
                default: symbol = (symbol << 1 | code(1)) - 0x190 + 144
                }
            }
            if symbol < 256 {
                output.append(UInt8(symbol))
                continue
            }
            if symbol == 256 { break }
            let lengthCode = symbol - 257
            let lengthBits = lengthCode < 8 || lengthCode == 28 ? 0 : (lengthCode - 4) / 4
            let lengthBase = lengthCode < 8 ? lengthCode + 3 : lengthCode == 28 ? 258 : (4 + lengthCode % 4) << lengthBits + 3
            let length = lengthBase + take(lengthBits)
            let distanceCode = code(5)
            let distanceBits = distanceCode < 4 ? 0 : (distanceCode - 2) / 2
            let distanceBase = distanceCode < 4 ? distanceCode + 1 : (2 + distanceCode % 2) << distanceBits + 1
            let distance = distanceBase + take(distanceBits)
            try #require(distance <= output.count)
            for _ in 0..<length { output.append(output[output.count - distance]) }
        }
        var (low, high) = (1, 0)
        for byte in output {
            low = (low + Int(byte)) % 65_521
            high = (high + low) % 65_521
        }
        let tail = stream.suffix(4).reduce(0) { $0 << 8 | Int($1) }
        #expect(tail == high << 16 | low)
        #expect((position + 7) / 8 + 4 == stream.count)
        return output
    }

    static let inputs: [[UInt8]] = [
        [], [7], [UInt8](0...255), [UInt8](repeating: 0, count: 100_000), (0..<20_000).map { UInt8(truncatingIfNeeded: $0 * $0 >> 3) },
        (0..<600).flatMap { [UInt8](repeating: UInt8(truncatingIfNeeded: $0 * 37), count: $0) },
        [UInt8]((0..<40).map { _ in (0..<1_537).map { UInt8(truncatingIfNeeded: $0 * 31 % 251) } }.joined()),
    ]

    @Test("What was compressed comes back byte for byte", arguments: inputs)
    func roundTrip(input: [UInt8]) throws {
        let stream = DeflateEncoder.zlibStream(input, repeatDistances: [1, 3, 1_537])
        #expect(try inflate(stream) == input)
    }

    @Test("Repetition costs next to nothing")
    func compresses() {
        #expect(DeflateEncoder.zlibStream([UInt8](repeating: 0, count: 100_000), repeatDistances: [1]).count < 1_000)
    }
}

@Suite("The demo's introduction")
struct DemoIntroductionTests {
    @Test("It names the address and the key, and its create is one that the rules accept")
    func introduction() throws {
        let lines = Demo.introduction(key: "pkz_x", address: "http://127.0.0.1:8080")
        let curls = lines.filter { $0.hasPrefix("curl ") }
        #expect(curls.first == "curl -H 'X-Api-Key: pkz_x' http://127.0.0.1:8080/v2/personas")
        let body = try #require(curls.last?.split(separator: "'").first { $0.hasPrefix("{") })
        let object = try JSONSerialization.jsonObject(with: Data(body.utf8))
        let members = try #require(object as? [String: Any])
        let images = try #require(members["image_base64s"] as? [String])
        #expect(images.count == Limits.referenceImages)
        for image in images { _ = try ImageSanitizer.sanitize([UInt8](try #require(Data(base64Encoded: image)))) }
        _ = try Name(normalising: try #require(members["name"] as? String))
    }

    @Test(
        "The address is one that this machine reaches",
        arguments: [
            ("127.0.0.1", "http://127.0.0.1:1"), ("0.0.0.0", "http://127.0.0.1:1"), ("::", "http://127.0.0.1:1"), ("::1", "http://[::1]:1"),
            ("localhost", "http://localhost:1"),
        ])
    func address(host: String, expected: String) {
        #expect(PublicURL.address(host: host, port: 1) == expected)
    }
}
