import PersonasHTTP
import Testing

/// Which origins a list of them allows.
@Suite("Allowed origins")
struct AllowedOriginsTests {
    private static func permission(_ origin: String, of list: [String]) throws -> String? {
        try AllowedOrigins(list).permission(for: origin)
    }

    @Test("are none where none are listed", arguments: ["https://app.example", "null", "", "*"])
    func none(origin: String) throws {
        #expect(AllowedOrigins().permission(for: origin) == nil)
        #expect(try Self.permission(origin, of: []) == nil)
    }

    @Test(
        "are found as browsers write them, whatever the letters and the port of the list",
        arguments: [
            ("https://app.example", "https://app.example"), ("HTTPS://App.Example", "https://app.example"),
            ("https://app.example:443", "https://app.example"), ("http://app.example:80", "http://app.example"),
            ("https://app.example:80", "https://app.example:80"), ("http://app.example:443", "http://app.example:443"),
            ("http://localhost:3000", "http://localhost:3000"), ("https://app.example:65535", "https://app.example:65535"),
            ("https://a-b_c.xn--bcher-kva.example", "https://a-b_c.xn--bcher-kva.example"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://[::1]:5173", "http://[::1]:5173"), ("https://[2001:DB8::1]", "https://[2001:db8::1]"),
            ("http://[::1]:80", "http://[::1]"),
        ])
    func single(listed: String, origin: String) throws {
        #expect(try Self.permission(origin, of: ["https://other.example", listed]) == origin)
        #expect(try Self.permission(origin, of: ["https://other.example"]) == nil)
    }

    @Test(
        "are no others than those listed: scheme, host and port count, and all of them",
        arguments: [
            "http://app.example", "https://app.example:444", "https://app.example:443", "https://app.example/", "https://app.exampl",
            "https://app.example.", "https://app.example.evil", "https://evil-app.example", "https://a.app.example", "https://App.example",
            " https://app.example", "https://app.example ", "https://app.example, https://app.example", "null", "", "*", "app.example",
            "https://app.examplé", "https://app.example\u{301}",
        ])
    func others(origin: String) throws {
        #expect(try Self.permission(origin, of: ["https://app.example"]) == nil)
    }

    @Test(
        "of subdomains have a name before the domain, and the same scheme and port",
        arguments: [
            ("https://*.a.example", "https://b.a.example", true), ("https://*.a.example", "https://c.b.a.example", true),
            ("https://*.a.example", "https://x-1_y.a.example", true), ("https://*.example", "https://a.example", true),
            ("https://*.A.Example", "https://b.a.example", true), ("https://*.a.example:443", "https://b.a.example", true),
            ("https://*.a.example:8443", "https://b.a.example:8443", true), ("http://*.localhost:3000", "http://app.localhost:3000", true),
            ("https://*.a.example", "https://a.example", false), ("https://*.a.example", "https://.a.example", false),
            ("https://*.a.example", "https://evil-a.example", false), ("https://*.a.example", "https://evila.example", false),
            ("https://*.a.example", "http://b.a.example", false), ("https://*.a.example", "https://b.a.example:8443", false),
            ("https://*.a.example:8443", "https://b.a.example", false), ("https://*.a.example", "https://b.a.example.evil", false),
            ("https://*.a.example", "https://evil/.a.example", false), ("https://*.a.example", "https://evil:1.a.example", false),
            ("https://*.a.example", "https://evil#.a.example", false), ("https://*.a.example", "https://b..a.example", false),
            ("https://*.a.example", "https://b.a.example.", false), ("https://*.a.example", "https://B.a.example", false),
            ("https://*.a.example", "https://*.a.example", false), ("https://*.a.example", "https://\u{e9}.a.example", false),
            ("https://*.a.example", "null", false), ("https://*.a.example", "", false), ("https://*.a.example", "https://", false),
        ])
    func subdomains(listed: String, origin: String, isAllowed: Bool) throws {
        #expect(try Self.permission(origin, of: [listed]) == (isAllowed ? origin : nil))
    }

    @Test("are all where the list says so, and none is told by its name", arguments: ["https://app.example", "null", "x"])
    func all(origin: String) throws {
        #expect(try Self.permission(origin, of: ["*"]) == "*")
        #expect(try Self.permission(origin, of: ["https://app.example", "*"]) == "*")
    }

    @Test(
        "are texts that name a scheme, a host and no more, and the first that does not is named",
        arguments: [
            "", " ", "app.example", "//app.example", "ftp://app.example", "https:app.example", "https://", "https:///",
            "https://app.example/",
            "https://app.example/x", "https://app.example?x", "https://app.example#x", "https://u@app.example", "https://app..example",
            "https://.app.example", "https://app.example.", "https://app.example:", "https://app.example:0", "https://app.example:080",
            "https://app.example:65536", "https://app.example:123456", "https://app.example:x", "https://app.example:-1",
            "https://bücher.example",
            "https://a b", " https://app.example", "https://app.example ", "https://*", "https://*.", "https://*:443", "https://*a.example",
            "https://*.*.example", "https://a.*.example", "https://app.*", "*.example", "**", "*://app.example", "null", "https://[::1",
            "https://[]", "https://::1", "https://[::1]x", "https://[::1]]", "https://[app]", "https://*.[::1]", "https://[::1%25eth0]",
        ])
    func malformed(text: String) {
        #expect(throws: AllowedOrigins.Malformed(text: text)) { try AllowedOrigins(["https://app.example", text, "nonsense"]) }
    }
}
