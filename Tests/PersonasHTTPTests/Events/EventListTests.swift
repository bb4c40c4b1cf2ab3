import ErrorEnvelope
import Foundation
import HTTPTypes
import Personas
import PersonasDB
import TestSupport
import Testing

@testable import PersonasHTTP

/// Events as lists. Whatever is read here is read both ways; see `TestService.send`.
@Suite("Lists of events", .serialized)
struct EventListTests {
    private static func epoch(_ service: TestService) -> String { String(service.storage.epoch.epoch.text.prefix(8)) }

    private static func types(_ answer: Answer) -> [String] { answer.items.compactMap { $0["type"] as? String } }

    @Test("tell what became of items, whole and in order, and where to go on")
    func pages() async throws {
        try await TestService.run { service in
            let epoch = Self.epoch(service)
            let empty = try await service.send(.get, "/v2/events")
            empty.expect(200, #"{"data":[],"has_more":false,"next_cursor":"0.\#(epoch)","gap":false}"#)
            #expect(empty.headers[values: .vary].contains("Accept"))
            let id = try await service.create(.persona, "Nova")
            try await service.send(.patch, "/v2/personas/\(id)", #"{"name":"Vega"}"#)
            try await service.train()
            try await service.send(.delete, "/v2/personas/\(id)")
            let all = try await service.send(.get, "/v2/events")
            #expect(Self.types(all) == ["persona.created", "persona.updated", "persona.completed", "persona.deleted"])
            #expect(all.items.compactMap { $0["sequence"] as? Int } == [1, 2, 3, 4])
            #expect(all.string("next_cursor") == "4.\(epoch)")
            var (cursor, seen): (String?, [String]) = (nil, [])
            repeat {
                let page = try await service.send(.get, "/v2/events?limit=3" + (cursor.map { "&after=\($0)" } ?? ""))
                seen += Self.types(page)
                cursor = page.string("next_cursor")
                if page.object?["has_more"] as? Bool == false { break }
            } while seen.count < 10
            #expect(seen == Self.types(all))
            // From the last place polling goes on, whether or not there is anything.
            let after = try #require(cursor)
            #expect(try await service.send(.get, "/v2/events?after=\(after)").string("next_cursor") == after)
            try await service.create(.style, "Nova")
            let next = try await service.send(.get, "/v2/events?after=\(after)")
            #expect(Self.types(next) == ["style.created"] && next.string("next_cursor") == "5.\(epoch)")
        }
    }

    @Test("of one item, on every surface, are found also when it is gone", arguments: Mount.all)
    func items(mount: Mount) async throws {
        try await TestService.run { service in
            let id = try await service.createCompleted(mount.mode, "Nova")
            try await service.create(mount.mode, "Other")
            let path = mount.item(id) + "/events"
            let expected = ["\(mount.mode.rawValue).created", "\(mount.mode.rawValue).completed"]
            #expect(Self.types(try await service.send(.get, path)) == expected)
            #expect(Self.types(try await service.send(.get, "/v2/events?item=\(id.uppercased())")) == expected)
            try await service.send(.delete, mount.item(id))
            let gone = try await service.send(.get, path)
            #expect(Self.types(gone) == expected + ["\(mount.mode.rawValue).deleted"])
            #expect(!gone.text.contains("Nova"), "what is gone for good is told nobody any more")
            let other = try await service.newKey(account: "other")
            #expect(try await service.send(.get, path, key: other).status == 404)
            #expect(try await service.send(.get, "/v2/events?item=\(id)", key: other).status == 404)
            #expect(try await service.send(.get, mount.item(Identifier.random().text) + "/events").status == 404)
        }
    }

    @Test("of the other mode's item, and of what is no id, are what the item itself is")
    func otherItems() async throws {
        try await TestService.run { service in
            let id = try await service.create(.persona, "Nova")
            #expect(try await service.send(.get, "/v2/styles/\(id)/events").status == 404)
            try await service.send(.get, "/v2/personas/x/events").expect(400, .invalidPersona, "The persona id is not a UUID")
            try await service.send(.get, "/v2/styles/x/events?type=x").expect(400, .invalidStyle, "The style id is not a UUID")
            #expect(try await service.send(.get, "/v2/pikzonality/x/events").status == 404)
            #expect(try await service.send(.get, "/v2/pikzonality/persona/events").status == 404)
        }
    }

    @Test("leave out what is not asked for")
    func filters() async throws {
        try await TestService.run { service in
            _ = try await service.createCompleted(.persona, "Nova")
            _ = try await service.createCompleted(.style, "Nova")
            for (types, expected) in [
                ("persona.completed", ["persona.completed"]), ("style.*", ["style.created", "style.completed"]),
                ("persona.created,style.completed", ["persona.created", "style.completed"]), ("persona.deleted", []),
                ("*", ["persona.created", "persona.completed", "style.created", "style.completed"]),
            ] as [(String, [String])] {
                let answer = try await service.send(.get, "/v2/events?type=\(types)")
                #expect(Self.types(answer) == expected && answer.string("next_cursor")?.hasPrefix("4.") == true, "\(types)")
            }
        }
    }

    @Test("say where there is a gap: in another life of the database, and behind what has expired")
    func gaps() async throws {
        try await TestService.run { service in
            let epoch = Self.epoch(service)
            for number in 0..<3 { try await service.create(.persona, "Nova \(number)") }
            let gap = #"{"data":[],"has_more":false,"next_cursor":"3.\#(epoch)","gap":true}"#
            for after in ["1.\(epoch == "00000000" ? "00000001" : "00000000")", "4.\(epoch)"] {
                try await service.send(.get, "/v2/events?after=\(after)").expect(200, gap)
            }
            _ = try await service.storage.events.clear(progressBefore: .now, before: Timestamp.now.adding(seconds: 1), limit: 2)
            try await service.send(.get, "/v2/events?after=1.\(epoch)").expect(200, gap)
            #expect(try await service.send(.get, "/v2/events?after=2.\(epoch)").items.count == 1)
            #expect(try await service.send(.get, "/v2/events").items.count == 1)
        }
    }

    @Test("are refused where the query asks for what there is not, and to keys without the scope")
    func refused() async throws {
        try await TestService.run { service in
            let cursor = "is not the id of an event in a stream, nor a cursor of this list"
            let types = "must be types of events, such as persona.completed or style.*, separated by commas; one of them is not known"
            for form in ["application/json", "text/event-stream"] {
                let fields: HTTPFields = [.accept: form]
                try await service.send(.get, "/v2/events?after=1&type=persona.born&item=1&limit=0&until=x", headers: fields)
                    .expectViolations([
                        ("limit", "limit must be a whole number of at least 1"), ("type", "type \(types)"), ("item", "item must be a UUID"),
                        ("after", "after \(cursor)"), ("until", "until must be settled"),
                    ])
                try await service.send(.get, "/v2/events?until=settled", headers: fields).expectViolations([
                    ("until", "until can be asked for the events of one item alone")
                ])
                try await service.send(.get, "/v2/events", headers: [.accept: form, .lastEventID: "x"]).expectViolations([
                    ("Last-Event-ID", "Last-Event-ID \(cursor)")
                ])
                let writer = try await service.key(scopes: [.write])
                #expect(try await service.send(.get, "/v2/events", key: .text(writer.key), headers: fields).status == 403)
                #expect(try await service.send(.get, "/v2/events", key: .none, headers: fields).status == 401)
            }
        }
    }

    @Test("HEAD is answered as GET would be, and opens no stream")
    func head() async throws {
        try await TestService.run { service in
            for (form, type) in [("*/*", "application/json"), ("text/event-stream", "text/event-stream")] {
                let answer = try await service.send(.head, "/v2/events", headers: [.accept: form])
                #expect(answer.status == 200 && answer.headers[.contentType] == type && answer.headers[values: .vary].contains("Accept"))
            }
            #expect(service.storage.feed.bellCount == 0)
        }
    }

    @Test(
        "are what a request gets that does not ask for a stream",
        arguments: [
            (nil, false), ("*/*", false), ("application/json", false), ("text/event-stream", true), ("TEXT/Event-Stream", true),
            ("text/event-stream;q=0", false), ("text/event-stream; q=0.5, application/json", false),
            ("application/json, text/event-stream", true), ("application/json;q=0.9,text/event-stream;charset=utf-8", true),
            ("text/event-streams", false), ("", false), (",;,", false), ("text/event-stream;q=x", true),
        ] as [(String?, Bool)])
    func forms(accept: String?, isStream: Bool) { #expect(EventForm.isStream(accept) == isStream) }
}
