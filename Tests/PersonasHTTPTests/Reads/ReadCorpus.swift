import Personas
import TestSupport

/// Requests that read, or seem to, made at random: most of them as a client sends them but for one or two things.
struct ReadCorpus {
    /// What there is to ask for.
    struct Scene: Sendable {
        /// Ids of items in every status, of both modes.
        let items: [String]
        /// Ids that lead to nothing: of another account's item, of a deleted one.
        let foreign: [String]
        /// A key that may read, and nothing else, so that both ways find what the other found.
        let key: String
        /// Keys that may not, for all the reasons there are.
        let refusedKeys: [String]
        /// Tokens of images, and the tag of the first one.
        let tokens: [String]
        let tag: String
        /// The tag of an item that was trained.
        let itemTag: String
        let cursors: [String]
    }

    private let scene: Scene
    private var generator: SplitMix64
    /// Decides by itself from where requests come, so that they are otherwise what they would be without.
    private var origins: SplitMix64

    init(_ scene: Scene, seed: UInt64) {
        self.scene = scene
        generator = SplitMix64(seed: seed)
        origins = SplitMix64(seed: ~seed)
    }

    /// Whether something happens that does so many times out of hundred.
    private mutating func happens(_ percent: Int) -> Bool { Self.happens(percent, by: &generator) }

    private static func happens(_ percent: Int, by generator: inout SplitMix64) -> Bool {
        Int.random(in: 0..<100, using: &generator) < percent
    }

    private mutating func one<Element>(of elements: [Element]) -> Element { elements[Int.random(in: elements.indices, using: &generator)] }

    /// Requests that are sent in one piece: mostly a single one.
    mutating func batch() -> [WireRequest] {
        let count = happens(5) ? Int.random(in: 2...24, using: &generator) : 1
        return (0..<count).map { _ in request(isAlone: count == 1) }
    }

    private mutating func request(isAlone: Bool) -> WireRequest {
        let method = happens(80) ? "GET" : happens(60) ? "HEAD" : one(of: ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "get", "GETX"])
        let isMedia = happens(10)
        var target = isMedia ? "/media/\(one(of: scene.tokens))" : happens(92) ? plainTarget() : oddTarget()
        if happens(isMedia ? 5 : 25) { target += "?\(query())" }
        let version = isAlone && happens(3) ? one(of: ["1.0", "1.2", "2.0", "0.9"]) : "1.1"
        var fields: [String] = happens(95) ? ["Host: \(one(of: ["a", "localhost:8080", "[::1]:80"]))"] : one(of: Self.hosts)
        fields += happens(70) ? ["X-Api-Key: \(scene.key)"] : keys()
        if isMedia || happens(10) { fields += knownTags() }
        if happens(20) { fields += one(of: Self.ids) }
        if happens(20) { fields += one(of: Self.traces) }
        if happens(20) { fields += one(of: Self.others) }
        if happens(10) { fields.shuffle(using: &generator) }
        if happens(10) { fields = fields.map(happens(50) ? Self.lowercasedName : Self.uppercasedName) }
        if Self.happens(20, by: &origins) {
            let more = (Self.happens(95, by: &origins) ? Self.origins : Self.oddOrigins).randomElement(using: &origins) ?? []
            fields.insert(contentsOf: more, at: Int.random(in: 0...fields.count, using: &origins))
        }
        var body = ""
        // A request that ends its connection comes alone, because which of those behind it are read depends on what arrives when.
        if isAlone, happens(15) {
            let (more, itsBody) = one(of: Self.connections)
            fields += more
            body = itsBody
        }
        let text = "\(method) \(target) HTTP/\(version)\r\n\(fields.map { $0 + "\r\n" }.joined())\r\n\(body)"
        return WireRequest(method: method, bytes: Array(text.utf8))
    }

    private mutating func plainTarget() -> String {
        let path = one(of: ["/v2/personas", "/v2/styles", "/v2/pikzonality"])
        if happens(10) { return "/v2/me" }
        return happens(25) ? path : "\(path)/\(id())"
    }

    private mutating func id() -> String {
        guard happens(50) else { return one(of: scene.items) }
        let id = one(of: scene.items + scene.foreign)
        let forms: [String] = [
            id.uppercased(), "{\(id)}", "%7B\(id)%7D", id.replacing("-", with: ""), String(id.dropLast()), "\(id)0", "%\(id)",
            "%3\(id.prefix(1))\(id.dropFirst())", id.replacing("-", with: "%2D"), id.replacing("-", with: "_"), "g\(id.dropFirst())",
            "urn:uuid:\(id)", Identifier.random().text, "00000000-0000-0000-0000-000000000000", "\(id)%00", "\(id)\0", "\u{e9}", "%C3%A9",
            "%c3", ".", "..", "%2e%2e", "~", "a.b-c_d", "*", "persona", "style", "personas", "\(id);x=1", "\(id),", "\(id)+", "'\(id)'",
            String(repeating: "x", count: 300), "\(id)/", "\(id)/x", "/\(id)", id,
        ]
        return one(of: forms)
    }

    private mutating func oddTarget() -> String {
        let id = one(of: scene.items)
        let forms: [String] = [
            "/", "", "*", "/v2", "/v2/", "//v2/personas", "/v2//personas/\(id)", "/v2/personas/", "/v2/personas//", "/v2/personas/\(id)/",
            "/v2/./personas", "/v2/personas/../styles", "/V2/personas", "/v2/Personas/\(id)", "/v2/personasx", "/v2/personas.json",
            "http://a/v2/personas", "http://a/v2/personas/\(id)", "https://b:1/healthz", "HTTP://a", "v2/personas", "v2/personas/\(id)",
            "/v2/pikzonality/persona", "/v2/pikzonality/style", "/v2/pikzonality/persona/", "/v2/pikzonality/Persona",
            "/v2/training/lease", "/v2/training/\(id)/complete", "/v2/training/\(id)/fail", "/v2/training", "/v2/training/\(id)/other",
            "/healthz", "/readyz", "/healthz/", "/readyz//", "/healthz/x", "/Healthz", "/metrics/x", "/metricsx", "/media", "/media/",
            "/media/x", "/media/\(scene.tokens[0].uppercased())", "/media/\(scene.tokens[0])/", "/media/\(scene.tokens[0])x", "/media//x",
            "/favicon.ico", "/v2/me/", "/v2/Me", "/v2/me/x", "/v2/mex", "/v2/me%20", "/nowhere/\(id)", "/v2/personas%2F\(id)",
            "/v2%2Fpersonas", "/v2/personas;x=1", "/v2/personas#x",
            "/v2/personas:1",
            "/v2/per\u{e9}sonas", "/v2/personas\\x", "/v2/personas\"", "/a b", "/\(String(repeating: "x/", count: 500))",
            "/\(String(repeating: "x", count: 9_000))",
        ]
        return one(of: forms)
    }

    private mutating func query() -> String {
        let cursor = one(of: scene.cursors)
        let parts: [String] = [
            "limit=1", "limit=2", "limit=100", "limit=1000", "limit=0", "limit=-1", "limit=%2B5", "limit=+5", "limit=%31", "limit=",
            "limit",
            "limit=x", "limit=99999999999999999999", "LIMIT=1", "limit%3D1", "cursor=\(cursor)", "cursor=\(cursor)x", "cursor=x", "cursor=",
            "sort=name", "sort=-name", "sort=created_at", "sort=-created_at", "sort=x", "sort=", "mode=persona", "mode=style", "mode=x",
            "status=processing", "status=completed", "status=failed", "status=x", "q=", "q=no", "q=Nova%20", "q=n+o", "q=%", "q=%zz", "q",
            "external_id=own", "external_id=", "external_id=%6Fwn&sort=name", "metadata[k]=v", "metadata%5Bk%5D=v",
            "metadata[k]=v&sort=-name",
            "metadata[k]=v&metadata[l]=w", "metadata[k]=v&metadata[k]=v", "metadata[", "metadata[]=", "metadata", "metadata[k]",
            "metadata%5=v", "%6Detadata[k]=v", "metadata[k]=%FF", "metadata[k]=v&mode=style&limit=1", "metadata[k]=v&cursor=\(cursor)",
            "external_id=own&cursor=\(cursor)", "metadata[k]=v&status=completed", "external_id=own&q=no",
            "wait=1", "wait=0", "wait=61", "wait=x", "wait=", "wait", "wait=%31", "x=1", "&", "=", "==", "?", "?limit=1", "a?b?c", "%00",
            "limit=1%00", "\u{e9}", "#x", "#", "+", "'", "\"", "<", "{}", "|", "\\",
            String(repeating: "x", count: 200), "", "cursor=\(cursor)&sort=name", "cursor=\(cursor)&limit=1",
        ]
        if happens(1) { return String(repeating: "x", count: 9_000) }
        return (0..<Int.random(in: 1...3, using: &generator)).map { _ in one(of: parts) }.joined(separator: "&")
    }

    private mutating func keys() -> [String] {
        let key = scene.key
        if happens(40) { return ["X-Api-Key: \(one(of: scene.refusedKeys))"] }
        let forms: [[String]] = [
            [], [], ["X-Api-Key:"], ["X-Api-Key:  \(key)  "], ["X-Api-Key:\t\(key)\t"], ["X-Api-Key:\(key)"], ["X-Api-Key: \(key)\u{e9}"],
            ["X-Api-Key: \(key)", "X-Api-Key: \(key)"], ["X-Api-Key: \(key)", "X-Api-Key: x"], ["X-Api-Key: x", "X-Api-Key: \(key)"],
            ["X-Api-Key: \(key)", "x-api-key:"], ["X-Api-Key: \(key), \(key)"], ["X-Api-Key: \(key.dropLast())"],
            ["X-Api-Key: \(key)0"], ["X-Api-Key: \(key.uppercased())"], ["X-Api-Key: Bearer \(key)"], ["Authorization: Bearer \(key)"],
            ["X-Api-Key: pkz_ \(key.dropFirst(4))"], ["X_Api_Key: \(key)"], ["X-Api-Key: pkz_\u{301}"], ["X-Api-Key: \u{e9}"],
            ["X-Api-Keys: \(key)"], ["X-Api-Key: \"\(key)\""],
        ]
        return one(of: forms)
    }

    private mutating func knownTags() -> [String] {
        let tag = one(of: [scene.tag, scene.itemTag])
        let forms: [[String]] = [
            ["If-None-Match: \(tag)"], ["If-None-Match: \(tag)"], ["If-None-Match: W/\(tag)"], ["If-None-Match: *"],
            ["If-None-Match: \"x\""],
            ["If-None-Match: \"x\", \(tag)"], ["If-None-Match:  \"x\" ,\t\(tag) ,"], ["If-None-Match: ,, W/\(tag)"], ["If-None-Match:"],
            ["If-None-Match: \"x\"", "If-None-Match: \(tag)"], ["If-None-Match: \(tag)", "If-None-Match: \(tag)"],
            ["If-None-Match: w/\(tag)"], ["If-None-Match: \(tag)\u{e9}"], ["If-None-Match: \(tag)", "Range: bytes=0-9"],
            ["Range: bytes=0-9"],
            ["If-None-Match: \(tag.dropLast())"], ["If-None-Match: \(tag) \(tag)"], ["If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT"],
            [],
        ]
        return one(of: forms)
    }

    private static func lowercasedName(_ field: String) -> String { withName(field) { $0.lowercased() } }
    private static func uppercasedName(_ field: String) -> String { withName(field) { $0.uppercased() } }

    private static func withName(_ field: String, _ change: (Substring) -> String) -> String {
        let end = field.firstIndex(of: ":") ?? field.endIndex
        return change(field[..<end]) + field[end...]
    }

    /// The origins that a server lists which is asked.
    static let allowedOrigins = ["https://app.example", "https://*.sub.example:8443", "http://localhost:3000"]
    private static let origins: [[String]] = [
        ["Origin: https://app.example"], ["ORIGIN: https://a.b.sub.example:8443"], ["origin: http://localhost:3000"],
        ["Origin: https://evil.example"], ["Origin: https://sub.example:8443"], ["Origin: null"], ["Origin:  https://app.example"],
        ["Origin: https://app.example", "Access-Control-Request-Method: GET"], ["Access-Control-Request-Method: POST"],
    ]
    private static let oddOrigins: [[String]] = [
        ["Origin:"], ["Origin: "], ["Origin: https://app.example "], ["Origin: https://app.example", "Origin: https://app.example"],
        ["Origin: https://app.example", "origin: https://evil.example"], ["Origin: https://app.example, https://app.example"],
        ["Origin: \u{e9}"], ["Origin: https://\u{e9}.sub.example:8443"], ["Origin: https://app.example\tx"],
    ]
    private static let hosts: [[String]] = [
        [], ["Host:"], ["Host: a", "Host: a"], ["Host: a", "host: b"], ["Host: a b"], ["Host: a/b"], ["Host: \u{e9}"], ["Host: a:80"],
        ["Host: u@a"], ["Host: a,b"], ["Host:\ta\t"], ["Host: A"], ["Host: [::1"],
    ]
    private static let ids: [[String]] = [
        ["X-Request-Id: abc-123"], ["X-Request-Id: a b"], ["X-Request-Id:"], ["X-Request-Id: \(String(repeating: "x", count: 128))"],
        ["X-Request-Id: \(String(repeating: "x", count: 129))"], ["X-Request-Id: a", "X-Request-Id: b"], ["X-Request-Id: \u{e9}"],
        ["X-Request-Id: a\tb"], ["X-Request-Id:   abc   "], ["X-Request-Id: \"a\",b;c=~"],
    ]
    private static let traces: [[String]] = {
        let (trace, parent) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
        let valid = "00-\(trace)-\(parent)-01"
        let values: [[String]] = [
            [valid], ["  \(valid)  "], ["\t\(valid)"], [valid.uppercased()], ["ff\(valid.dropFirst(2))"], ["01\(valid.dropFirst(2))-more"],
            ["\(valid)-more"], ["\(valid)\u{e9}"], [valid, valid], [valid, "x"], [""], ["x"],
            ["00-\(String(repeating: "0", count: 32))-\(parent)-01"],
        ]
        return values.map { $0.map { "traceparent: \($0)" } }
    }()
    private static let others: [[String]] = [
        ["Accept: */*", "User-Agent: x/1", "Accept-Encoding: gzip, br", "Cookie: a=b; c=d"], ["Connection: keep-alive"],
        ["Connection: Keep-Alive"], ["Connection: keep-alive", "connection: KEEP-ALIVE"], ["Keep-Alive: timeout=5"],
        ["X: \(String(repeating: "x", count: 8_000))"], (0..<58).map { "X-\($0): a" }, ["X-Forwarded-For: 1.2.3.4"],
        ["X-Forwarded-For: 1.2.3.4, 5.6.7.8", "x-forwarded-for: 9.9.9.9"], ["X-Forwarded-For: \u{e9}, 1.2.3.4"], ["X-Forwarded-For:"],
        ["TE: trailers"],
        ["Content-Type: application/json"], ["Idempotency-Key: \"x\""], ["X-HTTP-Method-Override: DELETE"], ["X: \u{e9}"], ["X:"],
        ["If-Match: *"], ["If-Range: x"], ["Range: bytes=0-1"], ["Prefer: wait=x"], ["Prefer: wait=1"],
        ["Prefer: respond-async", "prefer: wait=0"], ["Prefer: \u{e9}"], ["Prefer:"], ["Max-Forwards: 0"], ["Origin: https://x"],
        ["Forwarded: for=1.2.3.4"],
    ]
    /// What concerns the connection, and the body that goes with it.
    private static let connections: [(fields: [String], body: String)] = [
        (["Connection: close"], ""), (["Connection: Close"], ""), (["Connection: keep-alive, close"], ""),
        (["Connection: keep-alive, x"], ""),
        (["Connection:"], ""), (["Connection: \u{e9}"], ""), (["Connection: keep-alive", "Connection: close"], ""),
        (["Connection: TE"], ""),
        (["Expect: 100-continue"], ""), (["Expect: x"], ""), (["Expect:"], ""), (["Expect: 100-continue", "Content-Length: 5"], "hello"),
        (["Upgrade: h2c", "Connection: Upgrade"], ""), (["Upgrade: websocket"], ""), (["Upgrade:"], ""),
        (["Content-Length: 0"], ""), (["content-length: 00"], ""), (["Content-Length: 5"], "hello"), (["Content-Length: 2"], "{}"),
        (["Content-Length: -1"], ""), (["Content-Length: x"], ""), (["Content-Length: 5", "Content-Length: 5"], "hello"),
        (["Transfer-Encoding: chunked"], "0\r\n\r\n"), (["Transfer-Encoding: chunked"], "5\r\nhello\r\n0\r\n\r\n"),
        (["Transfer-Encoding: gzip, chunked"], "0\r\n\r\n"), (["Transfer-Encoding: identity"], ""),
        (["X: \(String(repeating: "x", count: 9_000))"], ""), ((0..<70).map { "X-\($0): a" }, ""), ([" folded"], ""), (["X : a"], ""),
        (["X\u{e9}: a"], ""), ((0..<3).map { "X-\($0): \(String(repeating: "x", count: 7_000))" }, ""), (["X: a\0b"], ""),
        (["no colon"], ""),
        (["Proxy-Connection: close"], ""), (["Trailer: X"], ""), (["HTTP2-Settings: AAMAAABk"], ""),
    ]
}
