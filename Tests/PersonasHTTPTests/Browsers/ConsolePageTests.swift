import ErrorEnvelope
import Foundation
import HTTPTypes
import HummingbirdTesting
import NIOCore
import Personas
import Synchronization
import Testing

@testable import PersonasHTTP

/// How the console comes to its users.
@Suite("The console's page")
struct ConsolePageTests {
    private static let version = Page.console(EmbeddedFiles.all).version
    /// What it loads, by the path from its folder, of which it shares some with the other page.
    private static let assets = Dictionary(
        uniqueKeysWithValues: EmbeddedFiles.all.compactMap { path, bytes -> (String, ByteBuffer)? in
            guard path.hasPrefix("console/") || path.hasPrefix("shared/"), path != "console/index.html" else { return nil }
            return (String(path.drop { $0 != "/" }.dropFirst()), bytes)
        })

    /// The policy of a page that shows images of an origin beside its own.
    private static func policy(images: String) -> String {
        """
        default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:\(images); connect-src 'self'; form-action 'none'; \
        base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'
        """
    }

    @Test("is the service's first page, and says to everybody what it may do")
    func page() async throws {
        try await TestService.run { service in
            for key in [TestService.Key.none, .own, .text("nonsense")] {
                for method in [HTTPRequest.Method.get, .head] {
                    let answer = try await service.send(method, "/", key: key)
                    #expect(answer.status == 200)
                    #expect(answer.headers[.contentType] == "text/html; charset=utf-8")
                    #expect(answer.headers[.cacheControl] == "no-cache")
                    #expect(answer.headers[.contentSecurityPolicy] == Self.policy(images: " \(TestService.baseURL)"))
                    #expect(answer.header("X-Content-Type-Options") == "nosniff")
                    #expect(answer.header("Referrer-Policy") == "no-referrer")
                    #expect(answer.header("Cross-Origin-Opener-Policy") == "same-origin")
                    #expect(answer.header("RateLimit") == nil && answer.headers[.accessControlAllowOrigin] == nil)
                    #expect(answer.text.contains("<title>Personas</title>") == (method == .get))
                    #expect(!answer.text.contains("{assets}"))
                }
            }
        }
    }

    @Test("finds its parts, also where a proxy takes a prefix away", arguments: ["", "/prefix", "/a/b"])
    func parts(prefix: String) async throws {
        try await TestService.run { service in
            let text = try await service.send(.get, "/", key: .none).text
            let links = text.matches(of: /(?:src|href)="([^"#]+)"/).map { String($0.output.1) }
            #expect(links.contains { $0.hasSuffix(".js") } && links.contains { $0.hasSuffix(".css") })
            let here = try #require(URL(string: "http://a\(prefix)/"))
            for link in links {
                let target = try #require(URL(string: link, relativeTo: here)?.absoluteURL.standardized.path)
                #expect(target.hasPrefix(prefix + "/"), "\(link)")
                #expect(try await service.send(.get, String(target.dropFirst(prefix.count)), key: .none).status == 200, "\(link)")
            }
        }
    }

    @Test(
        "shows images from where their links lead, and names nothing else in its policy",
        arguments: [
            ("https://api.example.com/below/here", " https://api.example.com"),
            ("http://api.example.com:8080/x/", " http://api.example.com:8080"),
            ("HTTPS://API.example.com:443", " https://api.example.com"), ("http://127.0.0.1:8080", " http://127.0.0.1:8080"),
            // Browsers complain of sources that the grammar of policies does not know. Opened by such an address itself, the page has it as 'self'.
            ("http://[::1]:8080/x", ""), ("http://a_b.example", ""),
            ("https://a;script-src *", ""), ("https://*", ""), ("https://a b.example", ""), ("https://a,b", ""), ("nonsense", ""),
        ])
    func origins(publicURL: String, images: String) async throws {
        try await TestService.run(baseURL: publicURL) { service in
            let answer = try await service.send(.get, "/", key: .none)
            #expect(answer.headers[.contentSecurityPolicy] == Self.policy(images: images))
        }
    }

    @Test("shows images from the address that the service listens on where nothing else is set, which is known once it does")
    func listening() async throws {
        try await TestService.run(.live, baseURL: nil) { service in
            let port = try #require(service.client.port)
            let answer = try await service.send(.get, "/", key: .none)
            #expect(answer.headers[.contentSecurityPolicy] == Self.policy(images: " http://127.0.0.1:\(port)"))
        }
    }

    @Test("loads its parts under paths that hold them for good, and under no others")
    func assets() async throws {
        let version = Self.version
        try await TestService.run { service in
            for (name, expected) in Self.assets {
                let answer = try await service.send(.get, "/console/\(version)/\(name)", key: .none)
                #expect(answer.status == 200, "\(name) has no route")
                #expect(answer.bytes == [UInt8](buffer: expected))
                #expect(answer.headers[.cacheControl] == "public, max-age=31536000, immutable")
                #expect(answer.headers[.contentType] != "application/octet-stream", "\(name) is of a type that the service does not know")
                #expect(answer.header("X-Content-Type-Options") == "nosniff")
                #expect(answer.header("RateLimit") == nil && answer.headers[.accessControlAllowOrigin] == nil)
            }
            let types = [
                "dom.js": "text/javascript; charset=utf-8", "tokens.css": "text/css; charset=utf-8", "favicon.svg": "image/svg+xml",
            ]
            for (name, type) in types {
                #expect(try await service.send(.get, "/console/\(version)/\(name)", key: .none).headers[.contentType] == type)
            }
            let reference = Page.reference(EmbeddedFiles.all).version
            for path in [
                "/console/\(version)/index.html", "/console/\(version)/nothing.js", "/console/\(version)/views/nothing.js",
                "/console/\(version)/views", "/console/\(version)/views/dom.js", "/console/\(version)", "/console/dom.js",
                "/console/\(version.dropLast())/dom.js", "/console/\(reference)/dom.js", "/docs/assets/\(version)/dom.js",
                "/console/\(version)/x/dom.js", "/console/\(version)/views/..%2Fdom.js", "/console/\(version)/%2e%2e/dom.js",
                "/console/\(version)/views/x/dom.js", "/console/{version}/dom.js",
            ] {
                try await service.send(.get, path, key: .none).expect(404, .notFound, "Not found")
            }
        }
    }

    @Test("takes files of its views from their folder")
    func views() {
        let files = ["console/index.html": "{assets}", "console/views/a.js": "1", "docs/b.js": "2"].mapValues { ByteBuffer(string: $0) }
        let page = Page.console(files)
        #expect(page.assets.keys.sorted() == ["views/a.js"])
        #expect(String(buffer: page.html()) == "console/\(page.version)")
    }

    @Test("has a line for each module that comes with it, beside those that it names itself")
    func modules() {
        let markup = "<script src=\"{assets}/app.js\">\n<link href=\"{assets}/{module}\">\n<body>"
        let names = ["app.js", "b.js", "views/a.js", "c.css"]
        let files = Dictionary(uniqueKeysWithValues: names.map { ("console/\($0)", "1") } + [("console/index.html", markup)])
        let page = Page.console(files.mapValues { ByteBuffer(string: $0) })
        let lines = String(buffer: page.html()).split(separator: "\n")
        let folder = "console/\(page.version)"
        #expect(
            lines == [
                "<script src=\"\(folder)/app.js\">", "<link href=\"\(folder)/b.js\">", "<link href=\"\(folder)/views/a.js\">", "<body>",
            ])
    }

    @Test("is not sent again to who has it, unless its policy has changed")
    func knownTags() async throws {
        let paths = ["/", "/console/\(Self.version)/dom.js"]
        var tags: Set<String> = []
        for (host, count) in [("https://a.example", 2), ("https://b.example", 3)] {
            tags.formUnion(try await Self.tags(of: paths, baseURL: host))
            #expect(tags.count == count)
        }
    }

    /// The tags of paths of a service, which sends nothing again to who knows them.
    private static func tags(of paths: [String], baseURL: String) async throws -> Set<String> {
        let found = Mutex<Set<String>>([])
        try await TestService.run(baseURL: baseURL) { service in
            for path in paths {
                let answer = try await service.send(.get, path, key: .none)
                let tag = try #require(answer.headers[.eTag])
                found.withLock { _ = $0.insert(tag) }
                for method in [HTTPRequest.Method.get, .head] {
                    let again = try await service.send(method, path, key: .none, headers: [.ifNoneMatch: tag])
                    #expect(again.status == 304 && again.bytes.isEmpty)
                    #expect(again.headers[.eTag] == tag)
                    #expect(again.headers[.cacheControl] == answer.headers[.cacheControl])
                    #expect(again.headers[.contentSecurityPolicy] == answer.headers[.contentSecurityPolicy])
                }
                #expect(try await service.send(.get, path, key: .none, headers: [.ifNoneMatch: "\"x\""]).status == 200)
            }
        }
        return found.withLock { $0 }
    }

    @Test("answers during maintenance, when it says what goes on")
    func maintenance() async throws {
        try await TestService.run { service in
            _ = try await service.administration.perform(SetMaintenance(isOn: true, retryAfterSeconds: 9))
            for name in Self.assets.keys {
                #expect(try await service.send(.get, "/console/\(Self.version)/\(name)", key: .none).status == 200, "\(name)")
            }
            for method in [HTTPRequest.Method.get, .head] { #expect(try await service.send(method, "/", key: .none).status == 200) }
            try await service.send(.get, "/console/x/views/list.js", key: .none).expect(404, .notFound, "Not found")
            #expect(try await service.send(.post, "/", key: .none).status == 405)
            for path in ["/console", "/consolex", "/index.html"] {
                #expect(try await service.send(.get, path, key: .none, isFailureExpected: true).status == 503, "\(path)")
            }
        }
    }
}
