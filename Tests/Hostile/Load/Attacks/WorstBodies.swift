import Foundation
import Measuring
import Personas

/// A request body that is meant to cost more processor time than its bytes justify.
package struct WorstBody: Sendable {
    /// What it is called.
    package let name: String
    /// Makes it.
    /// - Parameter number: tells its name from those of others, where it has one that is taken.
    let bytes: @Sendable (_ number: Int) -> [UInt8]

    /// Those that cost nothing but what every body of their size does: reading JSON, and decoding base64.
    package static func plain(textBytes: Int, imageBytes: Int) -> [WorstBody] {
        [
            WorstBody(name: "plain JSON") { _ in
                Array("{\"name\":\"\",\"padding\":\"".utf8) + Bodies.repeated("x", bytes: textBytes) + Array("\"}".utf8)
            },
            images("plain base64", [UInt8](repeating: 0x5A, count: imageBytes)),
        ]
    }

    /// The worst that are known.
    /// - Parameters:
    ///   - textBytes: of each text.
    ///   - imageBytes: of each of three images, before base64.
    package static func all(textBytes: Int, imageBytes: Int) -> [WorstBody] {
        let texts: [(String, String)] = [
            ("ASCII", "a"), ("combining marks", "\u{301}\u{323}"), ("escapes", "\\u0061"), ("escaped combining marks", "\\u0301\\u0323"),
            ("escaped pairs of surrogates", "\\uD83D\\uDE00"), ("spaces", " "), ("line ends", "\\n"), ("Hangul jamo", "\u{1100}\u{1161}"),
        ]
        let names = texts.map { label, text in
            WorstBody(name: "name of \(label)") { _ in
                Array("{\"image_base64s\":[\"\",\"\",\"\"],\"name\":\"".utf8) + Bodies.repeated(text, bytes: textBytes) + Array("\"}".utf8)
            }
        }
        let instructions = [texts[1], texts[3]].map { label, text in
            WorstBody(name: "instructions of \(label)") { _ in
                Array("{\"name\":\"A\",\"image_base64s\":[\"\",\"\",\"\"],\"special_instructions\":\"".utf8)
                    + Bodies.repeated(text, bytes: textBytes) + Array("\"}".utf8)
            }
        }
        let addresses = [texts[0], texts[1], texts[2]].map { label, text in
            WorstBody(name: "address of \(label)") { _ in
                Array("{\"name\":\"A\",\"image_urls\":[\"https://a.example/b\",\"https://a.example/c\",\"https://a.example/".utf8)
                    + Bodies.repeated(text, bytes: textBytes) + Array("\"]}".utf8)
            }
        }
        let members = WorstBody(name: "member name of combining marks") { _ in
            Array("{\"name\":\"A\",\"".utf8) + Bodies.repeated(texts[1].1, bytes: textBytes) + Array("\":1}".utf8)
        }
        return names + instructions + addresses + [members] + images(imageBytes: imageBytes)
    }

    private static func images(imageBytes: Int) -> [WorstBody] {
        [
            images("JPEG of empty comments", WorstImage.jpeg(byteCount: imageBytes, filler: [0xFF, 0xFE, 0, 2])),
            images("JPEG of empty application segments", WorstImage.jpeg(byteCount: imageBytes, filler: [0xFF, 0xE1, 0, 2])),
            images("JPEG of fill bytes", WorstImage.jpeg(byteCount: imageBytes, filler: [0xFF])),
            images("PNG of empty chunks", WorstImage.png(byteCount: imageBytes, chunk: "teXt")),
            images("PNG of empty data chunks", WorstImage.png(byteCount: imageBytes, chunk: "IDAT")),
            images("GIF of empty comments", WorstImage.gif(byteCount: imageBytes, filler: [0x21, 0xFE, 0])),
            images("GIF of empty applications", WorstImage.gif(byteCount: imageBytes, filler: [0x21, 0xFF, 1, 0x41, 0])),
            images("GIF of frames", WorstImage.gif(byteCount: imageBytes, filler: WorstImage.gifFrame)),
            images("WebP of empty chunks", WorstImage.webp(byteCount: imageBytes)),
            images("WebP of frames", WorstImage.animatedWebP(byteCount: imageBytes)),
            brokenLines(imageBytes: imageBytes),
        ]
    }

    /// Base64 with a line end behind every character.
    private static func brokenLines(imageBytes: Int) -> WorstBody {
        let text = Bodies.repeated("A\\n", bytes: imageBytes)
        return WorstBody(name: "base64 of line ends") { number in Bodies.create(name: "L\(number)", images: [text, text, text]) }
    }

    private static func images(_ name: String, _ image: [UInt8]) -> WorstBody {
        let base64 = Array(Data(image).base64EncodedString().utf8)
        return WorstBody(name: name) { number in Bodies.create(name: "W\(number)", images: [base64, base64, base64]) }
    }
}

/// Whole images of one pixel, or of few, that are long because of parts that show nothing.
enum WorstImage {
    /// A JPEG with filler between its header and its tables.
    static func jpeg(byteCount: Int, filler: [UInt8]) -> [UInt8] {
        let table: [UInt8] = [0xFF, 0xDB, 0, 67, 0] + [UInt8](repeating: 1, count: 64)
        let frame: [UInt8] = [0xFF, 0xC0, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0]
        let scan: [UInt8] = [0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0, 0x2A, 0x2A, 0xFF, 0xD9]
        let end = table + frame + scan
        return [0xFF, 0xD8] + Bodies.repeated(filler, bytes: byteCount - end.count - 2) + end
    }

    /// A PNG with empty chunks between its header and its end.
    static func png(byteCount: Int, chunk type: String) -> [UInt8] {
        let header = chunk("IHDR", [0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0])
        let data = chunk("IDAT", [0x78, 0x01, 1, 2, 0, 0xFD, 0xFF, 0, 0, 0, 2, 0, 1])
        let end = chunk("IEND", [])
        let filler = Bodies.repeated(chunk(type, []), bytes: byteCount - header.count - data.count - end.count - 8)
        return [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A] + header + (type == "IDAT" ? data + filler : filler + data) + end
    }

    /// A frame of a GIF of one pixel.
    static let gifFrame: [UInt8] = [0x2C, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 1, 0x44, 0]

    /// A GIF with filler before its last frame.
    static func gif(byteCount: Int, filler: [UInt8]) -> [UInt8] {
        let header = Array("GIF89a".utf8) + [1, 0, 1, 0, 0, 0, 0]
        return header + Bodies.repeated(filler, bytes: byteCount - header.count - gifFrame.count - 1) + gifFrame + [0x3B]
    }

    /// A WebP with empty chunks behind its picture.
    static func webp(byteCount: Int) -> [UInt8] {
        let start = riffChunk("VP8X", [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]) + riffChunk("VP8L", pixel)
        return riff(start + Bodies.repeated(riffChunk("none", []), bytes: byteCount - start.count - 12))
    }

    /// A WebP with many frames of a pixel.
    static func animatedWebP(byteCount: Int) -> [UInt8] {
        let start = riffChunk("VP8X", [2, 0, 0, 0, 0, 0, 0, 0, 0, 0]) + riffChunk("ANIM", [0, 0, 0, 0, 0, 0])
        let frame = riffChunk("ANMF", [UInt8](repeating: 0, count: 16) + riffChunk("VP8L", pixel))
        return riff(start + Bodies.repeated(frame, bytes: byteCount - start.count - 12))
    }

    /// A lossless picture of one pixel, as far as its header goes.
    private static let pixel: [UInt8] = [0x2F, 0, 0, 0, 0, 0]

    private static func riff(_ content: [UInt8]) -> [UInt8] {
        Array("RIFF".utf8) + littleEndian(content.count + 4) + Array("WEBP".utf8) + content
    }

    private static func riffChunk(_ type: String, _ content: [UInt8]) -> [UInt8] {
        Array(type.utf8) + littleEndian(content.count) + content
    }

    private static func chunk(_ type: String, _ content: [UInt8]) -> [UInt8] {
        let checked = Array(type.utf8) + content
        return bigEndian(content.count) + checked + bigEndian(Int(CRC32.checksum(checked)))
    }

    private static func littleEndian(_ number: Int) -> [UInt8] { withUnsafeBytes(of: UInt32(number).littleEndian) { Array($0) } }

    private static func bigEndian(_ number: Int) -> [UInt8] { withUnsafeBytes(of: UInt32(number).bigEndian) { Array($0) } }
}

/// Bodies that cost much, one after another, each by as many clients at once as there are accounts.
package struct WorstBodies: Attack {
    package let name = "worst bodies"
    let accounts: [String]
    let bodies: [WorstBody]
    /// Seconds between one and the next.
    let pauseSeconds: Double

    /// Takes all members.
    package init(accounts: [String], bodies: [WorstBody], pauseSeconds: Double) {
        self.accounts = accounts
        self.bodies = bodies
        self.pauseSeconds = pauseSeconds
    }

    package func run(on service: Service, _ run: AttackRun) throws {
        run.ready()
        // Another start each time, so that no name is taken already, which would be told before an image is looked at.
        var number = Int.random(in: 0..<1_000_000_000)
        repeat {
            number += 1
            let body = bodies[number % bodies.count]
            try send(body, number: number, to: service, run)
        } while run.pause(pauseSeconds)
    }

    /// Sends a body by all accounts at once and waits for the answers. Returns how many bytes those bodies had together.
    @discardableResult
    func send(_ body: WorstBody, number: Int, to service: Service, _ run: AttackRun) throws -> Int {
        let bytes = body.bytes(number)
        let statuses = try Threads.gather(accounts.count) { index in
            let connection = try service.connection(timeoutSeconds: 120)
            do {
                let answer = try connection.exchange("POST", "/v2/personas", key: service.key(accounts[index]), json: bytes)
                return ["\(answer.status)\(answer.code.map { " \($0)" } ?? "")"]
            } catch let problem as ConnectionFailure {
                return ["\(problem)"]
            }
        }
        for status in statuses { run.count(status) }
        return bytes.count * accounts.count
    }
}
