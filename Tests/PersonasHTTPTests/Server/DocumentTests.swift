import ErrorEnvelope
import Foundation
import HTTPTypes
import HummingbirdTesting
import NIOCore
import Personas
import Testing

@testable import PersonasHTTP

/// The description of the API, for programs and for people.
@Suite("The description of the API", .serialized)
struct DocumentTests {
    /// The folder of what the service speaks, from where files are embedded.
    private static let sources =
        URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path + "/http"

    private static func bytes(of path: String) throws -> [UInt8] {
        try [UInt8](Data(contentsOf: URL(fileURLWithPath: "\(sources)/\(path)")))
    }

    private static let keys: [TestService.Key] = [.none, .own, .text("nonsense"), .text("pkz_unknown")]

    @Test("every file of the pages is embedded, and nothing else, as it lies in its folder")
    func embedded() throws {
        let files = try ["console", "docs", "shared"].flatMap { folder in
            try FileManager.default.subpathsOfDirectory(atPath: "\(Self.sources)/\(folder)").map { "\(folder)/\($0)" }
        }.filter { (try? Self.bytes(of: $0)) != nil }
        #expect(EmbeddedFiles.all.keys.sorted() == (files + ["openapi.json", "openapi.yaml"]).sorted(), "run .ci/embed, and build")
        for (path, bytes) in EmbeddedFiles.all {
            #expect(try Self.bytes(of: path) == [UInt8](buffer: bytes), "\(path) was not embedded anew")
        }
    }

    @Test(
        "is given as YAML and as JSON to everybody, of whatever origin",
        arguments: [("yaml", "application/yaml"), ("json", "application/json")])
    func documents(ending: String, type: String) async throws {
        let expected = try Self.bytes(of: "openapi.\(ending)")
        try await TestService.run { service in
            for key in Self.keys {
                let answer = try await service.send(.get, "/openapi.\(ending)", key: key)
                #expect(answer.status == 200)
                #expect(answer.bytes == expected)
                #expect(answer.headers[.contentType] == type)
                #expect(answer.headers[.contentLength] == String(expected.count))
                #expect(answer.headers[.cacheControl] == "no-cache")
                #expect(answer.headers[.accessControlAllowOrigin] == "*")
                #expect(answer.header("RateLimit") == nil && answer.header("RateLimit-Policy") == nil)
            }
        }
    }

    private static let pageSecurity = """
        default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; form-action 'none'; \
        base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'
        """

    @Test("is a page that runs nothing but its own scripts, and whose parts are found from each of its addresses")
    func page() async throws {
        try await TestService.run { service in
            for path in ["/docs", "/docs/"] {
                let answer = try await service.send(.get, path, key: .none)
                #expect(answer.status == 200)
                #expect(answer.headers[.contentType] == "text/html; charset=utf-8")
                #expect(answer.headers[.cacheControl] == "no-cache")
                #expect(answer.headers[.contentSecurityPolicy] == Self.pageSecurity)
                #expect(answer.header("Referrer-Policy") == "no-referrer")
                #expect(answer.header("Cross-Origin-Opener-Policy") == "same-origin")
                #expect(answer.header("RateLimit") == nil)
                let links = answer.text.matches(of: /(?:src|href)="([^"#]+)"/).map { String($0.output.1) }
                #expect(links.contains { $0.hasSuffix(".js") } && links.contains { $0.hasSuffix(".css") })
                // A proxy may have taken a prefix away: nothing is named from the root.
                #expect(links.allSatisfy { !$0.hasPrefix("/") && !$0.contains(":") }, "\(links)")
                let here = try #require(URL(string: "http://a\(path)"))
                for link in links {
                    let target = try #require(URL(string: link, relativeTo: here)?.absoluteURL.standardized.path)
                    #expect(try await service.send(.get, target, key: .none).status == 200, "\(link) from \(path)")
                }
            }
            try await service.send(.get, "/docs//", key: .none).expect(404, .notFound, "Not found")
        }
    }

    @Test("loads its parts under paths that hold them for good, and under no others")
    func assets() async throws {
        let version = Page.reference(EmbeddedFiles.all).version
        try await TestService.run { service in
            var files = EmbeddedFiles.all.filter { $0.key.hasPrefix("docs/") && $0.key != "docs/index.html" }
            for name in ["dom.js", "favicon.ico", "favicon.svg", "theme.js", "tokens.css"] {
                files["docs/\(name)"] = EmbeddedFiles.all["console/\(name)"]
            }
            for (path, expected) in files {
                let name = path.dropFirst("docs/".count)
                let answer = try await service.send(.get, "/docs/assets/\(version)/\(name)", key: .none)
                #expect(answer.status == 200)
                #expect(answer.bytes == [UInt8](buffer: expected))
                #expect(answer.headers[.cacheControl] == "public, max-age=31536000, immutable")
                #expect(answer.headers[.contentType] != "application/octet-stream", "\(name) is of a type that the service does not know")
                #expect(answer.header("RateLimit") == nil)
            }
            for path in [
                "/docs/assets/\(version)/index.html", "/docs/assets/\(version)/nothing.js", "/docs/assets/\(version)", "/docs/app.js",
                "/docs/assets/\(version.dropLast())/app.js", "/docs/assets/{version}/app.js", "/docs/assets/\(version)/x/app.js",
                "/docs/assets/\(version)/..%2Fapp.js", "/docs/assets/\(version)/%2e%2e/app.js", "/docs/assets/app.js",
            ] {
                try await service.send(.get, path, key: .none).expect(404, .notFound, "Not found")
            }
        }
    }

    @Test("is not sent again to who has it")
    func knownTags() async throws {
        let version = Page.reference(EmbeddedFiles.all).version
        try await TestService.run { service in
            var tags: Set<String> = []
            for path in ["/docs", "/docs/", "/openapi.json", "/openapi.yaml", "/favicon.ico", "/docs/assets/\(version)/app.js"] {
                let answer = try await service.send(.get, path, key: .none)
                let tag = try #require(answer.headers[.eTag])
                #expect(tag.wholeMatch(of: /"[0-9a-f]{32}"/) != nil)
                #expect(tags.insert(tag).inserted)
                for known in [tag, "W/\(tag)", "\"x\", \(tag)", "*"] {
                    for method in [HTTPRequest.Method.get, .head] {
                        let again = try await service.send(method, path, key: .none, headers: [.ifNoneMatch: known])
                        #expect(again.status == 304 && again.bytes.isEmpty)
                        #expect(again.headers[.eTag] == tag)
                        #expect(again.headers[.cacheControl] == answer.headers[.cacheControl])
                        #expect(again.headers[.accessControlAllowOrigin] == answer.headers[.accessControlAllowOrigin])
                    }
                }
                #expect(try await service.send(.get, path, key: .none, headers: [.ifNoneMatch: "\"x\""]).status == 200)
            }
        }
    }

    @Test("answers during maintenance")
    func maintenance() async throws {
        let version = Page.reference(EmbeddedFiles.all).version
        try await TestService.run { service in
            _ = try await service.administration.perform(SetMaintenance(isOn: true, retryAfterSeconds: 9))
            for path in ["/docs", "/docs/", "/openapi.json", "/openapi.yaml", "/favicon.ico", "/docs/assets/\(version)/app.js"] {
                #expect(try await service.send(.get, path, key: .none).status == 200, "\(path)")
            }
            for path in ["/docs/x", "/openapi.jsonx"] {
                #expect(try await service.send(.get, path, key: .none, isFailureExpected: true).status == 503, "\(path)")
            }
        }
    }

    @Test("has paths of its own for each version of any of its files")
    func versions() {
        let files = ["docs/index.html": "<a href=\"{assets}/a.js\">", "docs/a.js": "1", "docs/b.js": "23", "openapi.json": "{}"]
        func page(_ change: (inout [String: String]) -> Void) -> Page {
            var files = files
            change(&files)
            return .reference(files.mapValues { ByteBuffer(string: $0) })
        }
        let version = page { _ in }.version
        #expect(page { $0["openapi.json"] = "{\"a\":1}" }.version == version, "the document has a path of its own")
        #expect(page { $0["console/app.js"] = "1" }.version == version, "the console has paths of its own")
        let others = [
            page { $0["docs/a.js"] = "2" },
            page {
                $0["docs/a.js"] = "12"; $0["docs/b.js"] = "3"
            }, page { $0["docs/c.js"] = "" },
            page { $0["docs/b.js"] = nil }, page { $0["docs/c.js"] = $0.removeValue(forKey: "docs/b.js") },
            page { $0["docs/index.html"]? += " " }, page { $0["shared/dom.js"] = "1" },
        ]
        #expect(Set(others.map(\.version) + [version]).count == others.count + 1)
        let html = page { _ in }
        #expect(String(buffer: html.html()) == "<a href=\"docs/assets/\(version)/a.js\">")
        #expect(String(buffer: html.html(root: "../")) == "<a href=\"../docs/assets/\(version)/a.js\">")
    }
}
