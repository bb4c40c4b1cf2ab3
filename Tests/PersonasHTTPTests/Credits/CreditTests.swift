import ErrorEnvelope
import HTTPTypes
import Personas
import PersonasHTTP
import TestImages
import TestSupport
import Testing

/// `GET /v2/credits` and `GET /v2/credits/entries`.
@Suite("Credits", .serialized)
struct CreditTests {
    private static let off = #""credits":null}"#

    @Test("are nowhere to be seen unless a setting says so")
    func off() async throws {
        var configuration = HTTPConfiguration()
        configuration.allowedOrigins = try AllowedOrigins(["*"])
        try await TestService.run(configuration: configuration) { service in
            // What an operator writes to a ledger changes nothing of that.
            try await service.grant(7)
            for path in ["/v2/credits", "/v2/credits/entries", "/v2/credits/smart-balance", "/v2/credits/smart-balance/resume"] {
                for method in [HTTPRequest.Method.get, .post, .put, .delete] {
                    for key in [TestService.Key.own, .none] {
                        try await service.send(method, path, key: key).expect(404, .notFound, "Not found")
                    }
                }
            }
            for mount in Mount.all {
                let created = try await service.send(
                    .post, mount.creation, .create("Nova \(mount.isTyped)"), headers: [.origin: "https://a.example"])
                #expect(created.status < 300 && created.header("X-Credits-Remaining") == nil)
                #expect(created.header("Access-Control-Expose-Headers")?.contains("Credits") == false)
            }
            #expect(try await service.send(.get, "/v2/me").text.hasSuffix(Self.off))
            #expect(try await service.administration.perform(ShowCredits(accountName: "studio")).balance == 7)
        }
    }

    @Test("are told with the prices, on both ways; whoever may read may ask, and /v2/me says the same")
    func standing() async throws {
        try await TestService.runWithCredits { service in
            let before = service.shadow.answeredCount
            let text = #"{"balance":0,"prices":{"persona":2,"style":3},"smart_balance":null}"#
            try await service.send(.get, "/v2/credits").expect(200, text)
            service.shadow.expectAnswered(before + 1)
            #expect(try await service.send(.get, "/v2/me").text.hasSuffix(#""credits":\#(text)}"#))
            try await service.grant(40)
            try await service.send(.get, "/v2/credits").expect(200, text.replacing(#""balance":0"#, with: #""balance":40"#))
            #expect(try await service.send(.get, "/v2/me").text.contains(#""credits":{"balance":40,"#))
            try await service.send(.head, "/v2/credits")
            let other = try await service.newKey(account: "other")
            #expect(try await service.balance(key: other) == 0)
        }
    }

    @Test("are refused to whoever may not read, and to nobody else; other methods and paths there are not")
    func refusals() async throws {
        try await TestService.runWithCredits { service in
            for path in ["/v2/credits", "/v2/credits/entries"] {
                for scope in Scope.allCases {
                    let answer = try await service.send(.get, path, key: .text(try await service.key(scopes: [scope]).key))
                    guard scope != .read else {
                        #expect(answer.status == 200)
                        continue
                    }
                    answer.expect(403, .apiAccessNotEnabled, "The API key does not have the scope read")
                }
                try await service.send(.get, path, key: .none).expect(401, .missingAPIKey, ErrorCode.missingAPIKey.defaultMessage)
                let answer = try await service.send(.post, path, "{}")
                answer.expect(405, .methodNotAllowed, "This method is not allowed here")
                #expect(answer.headers[.allow] == "GET, HEAD")
                #expect(try await service.send(.get, "\(path)/x").status == 404)
            }
        }
    }

    @Test("are listed entry by entry, the newest first, with what each is about")
    func entries() async throws {
        try await TestService.runWithCredits { service in
            try await service.send(.get, "/v2/credits/entries").expect(200, #"{"data":[],"has_more":false,"next_cursor":null}"#)
            try await service.grant(10, note: "Welcome — \"you\"")
            let id = try await service.create(.persona, "Nova")
            let entries = try await service.send(.get, "/v2/credits/entries")
            entries.expect(
                200,
                """
                {"data":[{"id":"<id 1>","amount":-2,"kind":"charge","item_id":"<id 2>","note":null,"balance_after":8,"at":"<time>"},\
                {"id":"<id 3>","amount":10,"kind":"grant","item_id":null,"note":"Welcome — \\"you\\"","balance_after":10,"at":"<time>"}],\
                "has_more":false,"next_cursor":null}
                """)
            #expect(entries.items[0]["item_id"] as? String == id)
            _ = try await service.administration.perform(AdjustCredits(.revoke, accountName: "studio", amount: "3", note: nil))
            #expect(try await service.ledger() == ["revoke -3 5", "charge -2 8", "grant 10 10"])
            // An entry outlives what it is about.
            try await service.train()
            try await service.send(.delete, "/v2/personas/\(id)")
            #expect(try await service.ledger() == ["revoke -3 5", "charge -2 8", "grant 10 10"])
            let other = try await service.newKey(account: "other")
            #expect(try await service.ledger(key: other) == [])
        }
    }

    @Test("are listed in pages that miss and repeat nothing, whatever comes meanwhile")
    func pages() async throws {
        try await TestService.runWithCredits { service in
            for amount in 1...7 { try await service.grant(amount) }
            var amounts: [Int] = []
            var target: String? = "/v2/credits/entries?limit=3"
            while let current = target {
                let page = try await service.send(.get, current)
                #expect(page.status == 200 && page.items.count <= 3)
                amounts += page.items.compactMap { $0["amount"] as? Int }
                target = nil
                if let cursor = page.string("next_cursor") {
                    target = "/v2/credits/entries?limit=3&cursor=\(cursor)"
                    #expect(page.headers[.link] == "<\(TestService.baseURL)\(target ?? "")>; rel=\"next\"")
                    try await service.grant(100)
                } else {
                    #expect(page.headers[.link] == nil && page.object?["has_more"] as? Bool == false)
                }
            }
            #expect(amounts == [7, 6, 5, 4, 3, 2, 1])

            let cursor = try #require(try await service.send(.get, "/v2/credits/entries?limit=1").string("next_cursor"))
            for query in ["cursor=x", "cursor=", "cursor=\(cursor)x", "cursor=\(cursor.dropLast())"] {
                try await service.send(.get, "/v2/credits/entries?\(query)")
                    .expectViolations([("cursor", "cursor does not belong to this list")])
            }
            try await service.send(.get, "/v2/credits/entries?limit=0&cursor=x").expectViolations([
                ("limit", "limit must be a whole number of at least 1"), ("cursor", "cursor does not belong to this list"),
            ])
            let trash = try await service.send(.get, "/v2/trash?cursor=\(cursor)")
            trash.expectViolations([("cursor", "cursor does not belong to this list")])
            // It grants nothing: another account's pages are its own.
            let other = try await service.newKey(account: "other")
            #expect(try await service.send(.get, "/v2/credits/entries?cursor=\(cursor)", key: other).items.isEmpty)
        }
    }

    @Test("that are left may be read by pages of other origins")
    func exposure() async throws {
        var configuration = HTTPConfiguration()
        configuration.allowedOrigins = try AllowedOrigins(["https://app.example"])
        try await TestService.runWithCredits(balance: 9, configuration: configuration) { service in
            for (origin, isTold) in [("https://app.example", true), ("https://evil.example", false)] {
                let answer = try await service.send(
                    .post, "/v2/personas", .create("Nova \(isTold)"), headers: [.origin: origin])
                #expect(answer.status == 201 && answer.creditsRemaining != nil)
                let exposed = answer.header("Access-Control-Expose-Headers")
                #expect((exposed?.hasSuffix(", X-Credits-Remaining") == true) == isTold, "\(exposed ?? "none")")
            }
        }
    }

    @Test("are counted once they are on disk, by the kind of the entry")
    func metrics() async throws {
        try await TestService.runWithCredits(balance: 10) { service in
            func moved() async throws -> [String: String] {
                let scrape = try await MetricsScrape(service)
                return Dictionary(
                    uniqueKeysWithValues: CreditEntryKind.allCases.map {
                        ($0.rawValue, scrape[#"personas_credits_total{kind="\#($0.rawValue)"}"#] ?? "none")
                    })
            }
            try await service.create(.persona, "Nova")
            try await service.create(.style, "Nova")
            try await service.failTraining(TrainingError(code: .failed, message: "It broke"))
            #expect(try await service.send(.post, "/v2/personas", .create("NOVA")).status == 409)
            _ = try await service.administration.perform(AdjustCredits(.revoke, accountName: "studio", amount: "10", note: nil))
            try await service.send(.post, "/v2/personas", .create("Iris")).expectInsufficient(price: 2, balance: 0)
            #expect(try await moved() == ["grant": "10", "charge": "5", "refund": "5", "revoke": "10", "top_up": "0"])
        }
    }
}
