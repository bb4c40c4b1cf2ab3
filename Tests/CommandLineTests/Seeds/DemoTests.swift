import Foundation
import Personas
import PersonasHTTP
import Testing

@testable import PersonasCLI

@Suite("The demo's pictures")
struct DemoPictureTests {
    /// Every image file that the demo's seed hands to the service.
    private func files() throws -> [[UInt8]] {
        let demo = SeedFile.demo()
        var files: [[UInt8]] = []
        for index in 1..<demo.partCount {
            let part = try demo.part(index)
            for item in (part.personas ?? []) + (part.styles ?? []) {
                for text in item.imageBase64s ?? [] { files.append([UInt8](try #require(Data(base64Encoded: text)))) }
            }
        }
        return files
    }

    @Test("Each is a complete PNG image, small, that nothing need be taken from")
    func areImages() throws {
        for file in try files() {
            let image = try ImageSanitizer.sanitize(file)
            #expect(image.format == .png)
            #expect(image.width == 256 && image.height == 256)
            #expect(image.bytes == file)
            #expect(file.count < 16_384)
        }
    }

    @Test("No two are alike")
    func distinct() throws {
        let files = try files()
        #expect(files.count == 9)
        #expect(Set(files).count == files.count)
    }
}

@Suite("The demo's introduction")
struct DemoIntroductionTests {
    @Test("It names the console and the key first, which its lines take from the environment, and its create is one that the rules accept")
    func introduction() throws {
        let lines = Demo.introduction(key: "pkz_x", address: "http://127.0.0.1:8080")
        #expect(lines[0] == "  console  http://127.0.0.1:8080/" && lines[1] == "  key      pkz_x", "what is opened first comes first")
        let commands = lines.filter { $0.hasPrefix("curl ") || $0.hasPrefix("export ") }
        #expect(commands.count == 3)
        #expect(commands[0] == "export KEY=pkz_x")
        #expect(commands[1] == "curl -H \"X-Api-Key: $KEY\" http://127.0.0.1:8080/v2/personas; echo")
        #expect(commands[2].hasSuffix(" http://127.0.0.1:8080/v2/personas; echo"))
        let body = try #require(commands[2].firstMatch(of: #/-d '(\{.*)'"\$\(date \+%d%H%M%S%N\)"'(.*\})' /#)).output
        let object = try JSONSerialization.jsonObject(with: Data("\(body.1)22235959999999999\(body.2)".utf8))
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
