import Foundation
import TestImages
import Testing

/// Images by URL: never from inside the operator's network, unless development is what the server is for.
@Suite("Image downloads", .timeLimit(.minutes(10)))
struct DownloadEndToEndTests {
    private static func create(_ client: Client, _ name: String, _ urls: [String]) async throws -> ClientAnswer {
        try await client.post("/v2/personas", ["name": .string(name), "image_urls": .array(urls.map(JSONValue.string))])
    }

    @Test("Without the development setting nothing on this machine is connected to, whatever it is called")
    func forbiddenAddresses() async throws {
        try await LocalImageServer.run({ _ in .content(Picture.png()) }) { server in
            let client = try await SharedService.embedded.newcomer()
            let hosts = [
                "127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433", "0x7f.1", "127.1", "LOCALHOST.",
                "10.0.0.1",
            ]
            for host in hosts {
                let answer = try await Self.create(
                    client, "Inside", Array(repeating: server.url("/a.png", scheme: "https", host: host), count: 3))
                #expect((answer.status, answer.code) == (400, "INVALID_IMAGE"), "\(host)")
                #expect(answer.fields == ["image_urls", "image_urls", "image_urls"])
                #expect(answer.message?.contains("image_urls[0] cannot be fetched from that address") == true, "\(host): \(answer.text)")
            }
            let plain = try await Self.create(client, "Inside", Array(repeating: server.url("/a.png"), count: 3))
            #expect((plain.status, plain.code) == (400, "VALIDATION_ERROR"))
            #expect(server.connections == 0)
            #expect(try await client.all("/v2/personas").isEmpty)
        }
    }

    @Test("With the development setting images come from this machine, and the log warns of it")
    func development() async throws {
        try await LocalImageServer.run({ path in
            let index = Int(path.dropFirst()) ?? 0
            return .content(Picture.formats[index].bytes, type: index == 2 ? "application/octet-stream" : "image/jpeg")
        }) { server in
            try await Stage.run { stage in
                let service = try await stage.serve("--development-downloads")
                #expect(service.process.standardError.contains("\"level\":\"warning\",\"message\":\"development downloads are on"))
                let client = service.client(try await stage.key())
                let created = try await Self.create(client, "Local", (1...3).map { server.url("/\($0)") })
                #expect(created.status == 201, "\(created.text)")
                let item = try await client.trained(try created.id)
                for (index, url) in (item["reference"]?.array ?? []).enumerated() {
                    let image = try await client.get(try #require(url.string))
                    #expect(image.header("Content-Type") == Picture.formats[index + 1].contentType)
                    #expect(image.body == Picture.formats[index + 1].bytes)
                }
            }
        }
    }

    @Test("Redirects are followed to allowed hosts alone; what is slow, too large or no image is refused by its position")
    func misbehavingHosts() async throws {
        let large = Picture.largest[0] + [UInt8](repeating: 0, count: 1_048_576)
        try await LocalImageServer.run({ _ in .content(Picture.png(seed: 1)) }) { other in
            try await LocalImageServer.run({ path in
                switch path {
                case "/moved": .redirect(other.url("/target", host: "localhost"))
                case "/relative": .redirect("good")
                case "/loop": .redirect("/loop")
                case "/metadata": .redirect("http://169.254.169.254/latest/meta-data/")
                case "/file": .redirect("file:///etc/passwd")
                case "/dripping": .dripping(Picture.png())
                case "/page": .content(Array("<html></html>".utf8), type: "text/html")
                case "/disguised": .content(Array("<html></html>".utf8))
                case "/half": .content(Array(Picture.png().prefix(100)))
                case "/missing": .content(Picture.png(), status: 404)
                case "/large": .content(large)
                case "/unannounced": .unannounced(large)
                default: .content(Picture.png())
                }
            }) { server in
                try await Stage.run { stage in
                    let service = try await stage.serve("--development-downloads")
                    let client = service.client(try await stage.key())
                    let moved = try await Self.create(
                        client, "Moved", [server.url("/moved"), server.url("/relative"), server.url("/good")])
                    #expect(moved.status == 201, "\(moved.text)")
                    #expect(other.paths == ["/target"])
                    let table: [(String, Int, String, String)] = [
                        ("/loop", 400, "INVALID_IMAGE", "redirects too often"),
                        ("/metadata", 400, "INVALID_IMAGE", "cannot be fetched from that address"),
                        ("/file", 400, "INVALID_IMAGE", "cannot be fetched from that address"),
                        ("/page", 400, "INVALID_IMAGE", "is not an image"),
                        ("/disguised", 400, "INVALID_IMAGE", ""), ("/half", 400, "INVALID_IMAGE", ""),
                        ("/missing", 400, "INVALID_IMAGE", "answered with status 404"), ("/large", 413, "IMAGE_TOO_LARGE", ""),
                        ("/unannounced", 413, "IMAGE_TOO_LARGE", ""), ("/dripping", 400, "INVALID_IMAGE", "could not be fetched"),
                    ]
                    for (path, status, code, words) in table {
                        let start = ContinuousClock.now
                        let answer = try await Self.create(client, "Refused", [server.url("/good"), server.url(path), server.url("/good")])
                        #expect((answer.status, answer.code) == (status, code), "\(path): \(answer.text)")
                        #expect(answer.fields == ["image_urls"])
                        #expect(answer.message?.contains("image_urls[1] \(words)") == true, "\(path): \(answer.text)")
                        #expect(ContinuousClock.now - start < .seconds(35), "\(path)")
                    }
                    #expect(try await client.all("/v2/personas").count == 1)
                }
            }
        }
    }
}
