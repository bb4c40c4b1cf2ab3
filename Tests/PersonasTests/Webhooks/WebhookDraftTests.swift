import Personas
import Testing

@testable import Personas

@Suite("What an endpoint of webhooks may be")
struct WebhookDraftTests {
    @Test("A filter means what it names, and progress only by its name")
    func filters() throws {
        let progress = EventType.item(.persona, .progress)
        for (names, matching, others) in [
            (["*"], [EventType.item(.persona, .created), .item(.style, .deleted), .webhookDisabled], [progress, .webhookTest]),
            (["persona.*"], [.item(.persona, .trashed)], [progress, .item(.style, .trashed), .webhookDisabled]),
            (["persona.progress"], [progress], [.item(.style, .progress), .item(.persona, .created)]),
            (["style.failed", "persona.*", "persona.progress"], [.item(.style, .failed), progress], [.item(.style, .created)]),
            (["webhook.*"], [.webhookDisabled], [.item(.persona, .created), .webhookTest, .smartBalancePaused]),
            (["credits.*"], [.credits(.topUp), .credits(.refund)], [.smartBalancePaused]),
            (["smart_balance.*"], [.smartBalancePaused], [.credits(.topUp), .webhookDisabled]),
        ] as [([String], [EventType], [EventType])] {
            let filter = try #require(WebhookFilter(names), "\(names)")
            for type in matching { #expect(filter.matches(type), "\(names) \(type.text)") }
            for type in others { #expect(!filter.matches(type), "\(names) \(type.text)") }
            #expect(WebhookFilter(stored: filter.stored) == filter)
        }
        for names in [
            [], [""], ["persona"], ["persona.*", "Persona.*"], ["webhook.test"], ["persona.nope"], [".*"], ["*.*"], ["persona.created "],
        ] {
            #expect(WebhookFilter(names) == nil, "\(names)")
        }
        #expect(WebhookFilter(["*", "style.*", "*"])?.names == ["*", "style.*"], "each once, in the order in which they were named")
    }

    private func violations(_ draft: WebhookDraft, isNew: Bool = true, _ problem: WebhookURLProblem? = nil) async -> [String] {
        do throws(Failure) {
            if isNew { _ = try await draft.details { _ in problem } } else { _ = try await draft.change { _ in problem } }
            return []
        } catch {
            guard case .invalid(let violations) = error else { return ["\(error)"] }
            return violations.map { $0.message(naming: \.plainName) }
        }
    }

    @Test("All violations are told at once")
    func violations() async {
        let long = String(repeating: "x", count: 301)
        #expect(await violations(WebhookDraft()) == ["url is required", "events is required"])
        #expect(await violations(WebhookDraft(), isNew: false) == [])
        #expect(
            await violations(
                WebhookDraft(url: .null, events: .value([]), description: .value(long), status: .value("gone")), isNew: false)
                == [
                    "url is required", "events must name at least one type of events, or * for all but progress",
                    "description must be at most 300 characters long", "status must be enabled or disabled",
                ])
        let named = WebhookDraft(url: .value("https://a.example"), events: .value(["*"]), description: .value("a\u{0}"))
        #expect(
            await violations(named, .forbidden) == [
                "url must lead to a public host, by its name and on port 443", "description must not hold control characters",
            ])
        #expect(
            await violations(named, .malformed).first
                == "url must be an https URL in ASCII (percent-encoded, names as punycode), without credentials")
        let exact = String(repeating: "u", count: 2_048)
        #expect(await violations(WebhookDraft(url: .value(exact), events: .value(["*"]))) == [])
        #expect(
            await violations(WebhookDraft(url: .value(exact + "u"), events: .value(["*"]))) == ["url must be at most 2048 characters long"])
        #expect(
            await violations(WebhookDraft(url: .malformed("must be a string"), events: .malformed("must be an array of strings"))).count
                == 2)
        let unknown = await violations(WebhookDraft(url: .value("u"), events: .value(["*", "x", "y"])))
        #expect(unknown.count == 1)
        #expect(unknown.first?.hasPrefix("events[1] must be one of *, persona.*, ") == true)
    }

    @Test("A create does not know a status, and an empty description is none")
    func details() async throws {
        let draft = WebhookDraft(
            url: .value("https://a.example"), events: .value(["*"]), description: .value(""), status: .value("nonsense"))
        let details = try await draft.details { _ in nil }
        #expect(details.description == nil)
        let change = try await WebhookDraft(description: .null).change { _ in nil }
        #expect(change == WebhookChange(description: .some(nil)))
        #expect(change.applied(to: WebhookDetails(url: "u", description: "d", filter: details.filter)).description == nil)
        #expect(WebhookChange().applied(to: details) == details)
    }

    @Test("A replay names a time and what is to be sent")
    func replays() throws {
        func draft(_ since: JSONField<String>, _ until: JSONField<String>, _ status: JSONField<String>) -> ReplayDraft {
            ReplayDraft(since: since, until: until, status: status)
        }
        let request = try draft(.value("2026-11-21T00:00:00Z"), .absent, .value("missing")).checked()
        #expect(request.kind.statuses == [.cancelled])
        #expect(request.until == nil)
        for (bad, count) in [
            (draft(.absent, .absent, .absent), 2), (draft(.value("yesterday"), .value("now"), .value("pending")), 3),
            (draft(.value("2026-11-21"), .value("2026-11-21"), .value("all")), 1), (draft(.malformed("a"), .malformed("b"), .null), 3),
        ] {
            do throws(Failure) {
                _ = try bad.checked()
                Issue.record("\(bad)")
            } catch {
                if case .invalid(let violations) = error {
                    #expect(violations.count == count, "\(violations)")
                } else {
                    Issue.record("\(error)")
                }
            }
        }
    }

    @Test("A secret is told as libraries take it, and never by accident")
    func secrets() {
        let secret = WebhookSecret.random()
        #expect(secret.bytes.count == 32)
        #expect(secret.text.utf8.count == 50)
        #expect("\(secret)" == "whsec_…")
        #expect("\(IssuedWebhook.fixture(secret))".contains(String(secret.text.dropFirst(8))) == false)
    }
}

extension IssuedWebhook {
    fileprivate static func fixture(_ secret: WebhookSecret) -> IssuedWebhook {
        let details = WebhookDetails(url: "https://a.example", description: nil, filter: WebhookFilter(["*"])!)
        return IssuedWebhook(
            endpoint: WebhookEndpoint(
                id: .random(), accountID: .random(), details: details, createdAt: .now, updatedAt: .now),
            secret: secret)
    }
}
