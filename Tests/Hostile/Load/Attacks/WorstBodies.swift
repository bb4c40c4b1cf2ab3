import Foundation
import TestImages
import TestSupport

/// A request body that is meant to cost more processor time than its bytes justify.
package struct WorstBody: Sendable {
    /// What it is called.
    package let name: String
    /// What its header says that it is.
    var contentType = "application/json"
    /// Makes it.
    /// - Parameter number: tells its name from those of others, where it has one that is taken.
    let bytes: @Sendable (_ number: Int) -> [UInt8]

    /// Those that cost nothing but what every body of their size does: reading JSON, and decoding base64.
    package static func plain(textBytes: Int, imageBytes: Int) -> [WorstBody] {
        [
            WorstBody(name: "plain JSON") { _ in
                Array("{\"name\":\"\",\"padding\":\"".utf8) + repeated("x", bytes: textBytes) + Array("\"}".utf8)
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
                Array("{\"image_base64s\":[\"\",\"\",\"\"],\"name\":\"".utf8) + repeated(text, bytes: textBytes) + Array("\"}".utf8)
            }
        }
        let instructions = [texts[1], texts[3]].map { label, text in
            WorstBody(name: "instructions of \(label)") { _ in
                Array("{\"name\":\"A\",\"image_base64s\":[\"\",\"\",\"\"],\"special_instructions\":\"".utf8)
                    + repeated(text, bytes: textBytes) + Array("\"}".utf8)
            }
        }
        let addresses = [texts[0], texts[1], texts[2]].map { label, text in
            WorstBody(name: "address of \(label)") { _ in
                Array("{\"name\":\"A\",\"image_urls\":[\"https://a.example/b\",\"https://a.example/c\",\"https://a.example/".utf8)
                    + repeated(text, bytes: textBytes) + Array("\"]}".utf8)
            }
        }
        let members = WorstBody(name: "member name of combining marks") { _ in
            Array("{\"name\":\"A\",\"".utf8) + repeated(texts[1].1, bytes: textBytes) + Array("\":1}".utf8)
        }
        return names + instructions + addresses + [members] + images(imageBytes: imageBytes) + forms(imageBytes: imageBytes)
    }

    /// Forms whose files look like boundaries again and again.
    private static func forms(imageBytes: Int) -> [WorstBody] {
        let boundary = String(repeating: "-", count: 60)
        let contents = [
            ("carriage returns", "\r"), ("ends of line", "\r\n"), ("beginnings of boundaries", "\r\n--\(boundary.dropLast())x"),
        ]
        return contents.map { label, text in
            let image = repeated(text, bytes: imageBytes)
            let form = MultipartForm([("name", "F")], images: [image, image, image], boundary: boundary)
            return WorstBody(name: "form of \(label)", contentType: form.contentType) { _ in form.bytes }
        }
    }

    private static func images(imageBytes: Int) -> [WorstBody] {
        WorstImages.all(byteCount: imageBytes).filter { fillers.contains($0.name) }.map { images($0.name, $0.bytes) }
            + [brokenLines(imageBytes: imageBytes)]
    }

    /// The worst images of each format; sending all of them would take an hour.
    private static let fillers: Set = [
        "JPEG, empty comments", "JPEG, empty application segments", "JPEG, fill bytes", "PNG, empty texts", "PNG, empty data",
        "GIF, empty comments", "GIF, applications", "GIF, pictures", "WebP, empty chunks after a picture", "WebP, frames",
    ]

    /// Base64 with a line end behind every character.
    private static func brokenLines(imageBytes: Int) -> WorstBody {
        let text = repeated("A\\n", bytes: imageBytes)
        return WorstBody(name: "base64 of line ends") { number in Bodies.create(name: "L\(number)", images: [text, text, text]) }
    }

    private static func images(_ name: String, _ image: [UInt8]) -> WorstBody {
        let base64 = Array(Data(image).base64EncodedString().utf8)
        return WorstBody(name: name) { number in Bodies.create(name: "W\(number)", images: [base64, base64, base64]) }
    }
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
                let answer = try connection.exchange(
                    "POST", "/v2/personas", key: service.key(accounts[index]), headers: [("Content-Type", body.contentType)], json: bytes)
                return ["\(answer.status)\(answer.code.map { " \($0)" } ?? "")"]
            } catch let problem as ConnectionFailure {
                return ["\(problem)"]
            }
        }
        for status in statuses { run.count(status) }
        return bytes.count * accounts.count
    }
}
