import HTTPTypes
import HummingbirdTesting
import PersonasHTTP
import Testing

/// What links begin with.
@Suite("Base of links")
struct PublicURLTests {
    @Test("links begin with the operator's setting, or else with the address that came to be")
    func publicURL() {
        for (setting, base) in [
            ("https://a.test", "https://a.test"), ("https://a.test/", "https://a.test"), ("https://a.test/x//", "https://a.test/x"),
        ] {
            let url = PublicURL(setting)
            url.listening(at: "http://127.0.0.1:8080")
            #expect(url.base == base)
        }
        for setting in [nil, ""] as [String?] {
            let url = PublicURL(setting)
            #expect(url.base == "")
            url.listening(at: "http://127.0.0.1:8080")
            url.listening(at: "http://127.0.0.1:9090")
            #expect(url.base == "http://127.0.0.1:8080")
        }
    }

    @Test("links of a server without a setting lead back to it")
    func listening() async throws {
        try await TestService.run(.live, baseURL: nil) { service in
            let port = try #require(service.client.port)
            let created = try await service.send(.post, "/v2/personas", .create("Nova"))
            let id = try #require(created.string("id"))
            #expect(created.headers[.location] == "http://127.0.0.1:\(port)/v2/personas/\(id)")
            try await service.train()
            let item = try await service.send(.get, "/v2/personas/\(id)")
            #expect(item.string("portrait_url")?.hasPrefix("http://127.0.0.1:\(port)/media/") == true)
        }
    }
}
