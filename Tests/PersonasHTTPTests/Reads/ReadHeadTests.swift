import CoreMetrics
import ErrorEnvelopeHummingbird
import HTTPTypes
import NIOHTTP1
import Personas
import PersonasDB
import TestSupport
import Testing

@testable import PersonasHTTP

/// Which heads leave no doubt what is read, and which path is whose.
@Suite("Heads of reads")
struct ReadHeadTests {
    private static func head(_ target: String, method: HTTPMethod = .GET, _ fields: [(String, String)] = []) -> ReadHead? {
        ReadHead(HTTPRequestHead(version: .http1_1, method: method, uri: target, headers: HTTPHeaders(fields)))
    }

    @Test(
        "Targets of plain form are taken apart",
        arguments: [
            ("/a", "/a", nil), ("/v2/personas/a-b.c_d~e", "/v2/personas/a-b.c_d~e", nil), ("/A/9/z", "/A/9/z", nil), ("/.", "/.", nil),
            ("/..", "/..", nil), ("/a?", "/a", ""), ("/a?b=c", "/a", "b=c"), ("/a??", "/a", "?"), ("/a?b/c//?d", "/a", "b/c//?d"),
            ("/a?%zz+&=\"<>{}|\\^`", "/a", "%zz+&=\"<>{}|\\^`"),
        ] as [(String, String, String?)])
    func plain(target: String, path: String, query: String?) throws {
        let head = try #require(Self.head(target))
        #expect(head.path == path && head.query == query)
        #expect(head.method == .get && head.apiKey == nil && head.requestID == nil && head.knownTags == nil && head.trace == nil)
        #expect(head.origin == nil)
        #expect(Self.head(target, method: .HEAD)?.method == .head)
    }

    @Test(
        "All others are left to those who know what to make of them",
        arguments: [
            "", "*", "a", "a/b", "?", "?a", "/", "//", "//a", "/a/", "/a//b", "/a//", "/?a", "/a/?b", "http://a/b", "/a%41", "/a b", "/a#b",
            "/a?b#c", "/a?b c", "/a?\u{e9}", "/\u{e9}", "/a\0", "/a?\0", "/a?\u{7f}", "/a;b", "/a:b", "/a@b", "/a,b", "/a+b", "/a!b",
            "/a'b",
            "/a(b)", "/a*", "/a&b", "/a=b", "/a$b", "/a\\b", "/a\"b", "/a<b", "/a[b]", "/a|b", "/a^b", "/a`b", "/a{b}",
        ])
    func other(target: String) {
        #expect(Self.head(target) == nil)
    }

    @Test("Only GET and HEAD read", arguments: [HTTPMethod.POST, .PUT, .PATCH, .DELETE, .OPTIONS, .TRACE, .RAW(value: "get")])
    func methods(method: HTTPMethod) {
        #expect(Self.head("/a", method: method) == nil)
    }

    @Test("The header fields of a read are found in any case, each once")
    func fields() throws {
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        let head = try #require(
            Self.head(
                "/a",
                [
                    ("x-API-key", "pkz_a b"), ("X-REQUEST-ID", "id"), ("if-none-match", "\"a\", W/\"b\""), ("TraceParent", trace),
                    ("ORIGIN", "https://a"), ("Accept", "*/*"), ("X-Other", "\t"), ("prefeR", "wait=5"), ("X-Api-Keys", ""),
                    ("X-Api-Ke", "\u{e9}"), ("X-Other", "twice"),
                ]))
        #expect(head.apiKey == "pkz_a b" && head.requestID == "id" && head.knownTags == "\"a\", W/\"b\"")
        #expect(head.origin == "https://a" && head.prefer == "wait=5")
        #expect(head.trace?.traceID == "0af7651916cd43dd8448eb211c80319c")
        #expect(try #require(Self.head("/a", [("traceparent", "x")])).trace == nil)
    }

    @Test(
        "One that is there twice, or holds what is no plain text, is left to others",
        arguments: ["X-Api-Key", "X-Request-Id", "If-None-Match", "traceparent", "X-Forwarded-For", "Origin"])
    func doubtful(name: String) {
        #expect(Self.head("/a", [(name, "x")]) != nil)
        for value in ["", " ", " x", "x ", "\tx", "x\ty", "x\u{e9}", "x\0", "x\u{7f}", "x\r\ny"] {
            #expect(Self.head("/a", [(name, value)]) == nil, "\(value.debugDescription)")
        }
        // Each proxy may add one of these.
        let isList = name == "X-Forwarded-For"
        let twice = Self.head("/a", [(name, "x"), ("Accept", "y"), (name.uppercased(), "z")])
        #expect(twice?.forwardedFor == (isList ? ["x", "z"] : nil))
    }

    private static func word(_ route: ReadRoute?) -> String {
        switch route {
        case .health: "health"
        case .item(let reads, let id): "item \(id) of \(reads.surface.path)"
        case .list(let reads): "list of \(reads.surface.path)"
        case .me: "me"
        case .events(nil): "events"
        case .events(let item?): "events of \(item.id ?? "") of \(item.surface.path)"
        case .credits: "credits"
        case .creditEntries: "entries of credits"
        case .media(let token): "media \(token)"
        case nil: "none"
        }
    }

    @Test("Paths lead where the router leads them, and all others nowhere")
    func routes() async throws {
        try await TestService.run { service in
            let publicURL = PublicURL()
            let tags = EntityTags(epoch: service.storage.epoch, publicURL: publicURL)
            let waits = ItemWaits(changes: service.storage.changes, waitsMax: 1, factory: NOOPMetricsHandler.instance)
            let routes = ReadRoutes(
                PikzonalityReads.Surface.all.map {
                    PikzonalityReads(
                        surface: $0, catalog: service.catalog, publicURL: publicURL, tags: tags, waits: waits, pageItemsMax: 100)
                }, hasCredits: true)
            for (path, expected) in [
                ("/v2/personas", "list of /v2/personas"), ("/v2/styles", "list of /v2/styles"),
                ("/v2/credits", "credits"), ("/v2/credits/entries", "entries of credits"), ("/v2/credits/", "none"),
                ("/v2/credits/smart-balance", "none"),
                ("/v2/pikzonality", "list of /v2/pikzonality"),
                ("/v2/personas/x", "item x of /v2/personas"), ("/v2/personas/persona", "item persona of /v2/personas"),
                ("/v2/styles/..", "item .. of /v2/styles"), ("/v2/pikzonality/x", "item x of /v2/pikzonality"),
                ("/v2/pikzonality/persona", "none"), ("/v2/pikzonality/style", "none"),
                ("/v2/pikzonality/styles", "item styles of /v2/pikzonality"),
                ("/v2/pikzonality/Persona", "item Persona of /v2/pikzonality"), ("/v2/personas/x/y", "none"), ("/v2/personasx", "none"),
                ("/v2/persona", "none"), ("/V2/personas", "none"), ("/v2", "none"), ("/media/x", "media x"), ("/media", "none"),
                ("/media/x/y", "none"), ("/healthz", "health"), ("/readyz", "health"), ("/healthz/x", "none"), ("/metrics", "none"),
                ("/x", "none"), ("/v2/training/lease", "none"), ("/v2/me", "me"), ("/v2/me/x", "none"), ("/v2/events", "events"),
                ("/v2/events/x", "none"), ("/v2/eventsx", "none"),
                ("/v2/personas/x/events", "events of x of /v2/personas"), ("/v2/personas/events", "item events of /v2/personas"),
                ("/v2/styles/x/events/y", "none"), ("/v2/personas/x/y/events", "none"), ("/v2/pikzonality/style/events", "none"),
                ("/v2/pikzonality/x/events", "events of x of /v2/pikzonality"), ("/v2/Me", "none"),
            ] { #expect(Self.word(routes.route(path)) == expected, "\(path)") }
        }
    }
}
