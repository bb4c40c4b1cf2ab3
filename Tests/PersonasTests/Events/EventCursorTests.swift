import Personas
import Testing

@Suite("Places among events")
struct EventCursorTests {
    private let epoch = RandomToken(text: "0123456789abcdef0123456789abcdef")!

    @Test("are written and read in one way alone")
    func text() throws {
        for sequence in [0, 1, 9, 10, 4_182, Int64.max] {
            let text = EventCursor(sequence: sequence, epoch: epoch).description
            #expect(text == "\(sequence).01234567")
            let cursor = try #require(EventCursor(text))
            #expect(cursor.sequence == sequence && cursor.isOf(epoch))
        }
        for text in [
            "", ".", "1", "1.", ".01234567", "01.01234567", "-1.01234567", "+1.01234567", "1.0123456", "1.012345678", "1.0123456g",
            "1.0123456A",
            "1.01234567.", "1..01234567", " 1.01234567", "1.01234567\n", "9223372036854775808.01234567", "١.01234567", "1.01234567e\u{301}",
        ] { #expect(EventCursor(text) == nil, "\(text.debugDescription)") }
    }

    @Test("belong to one life of the database")
    func epochs() throws {
        let cursor = EventCursor(sequence: 1, epoch: epoch)
        #expect(cursor.isOf(epoch) && !cursor.isOf(.random()))
        #expect(try #require(EventCursor("1.01234567")) == cursor)
    }
}

@Suite("Types of events that are asked for")
struct EventPatternsTests {
    private func types(_ text: String) throws -> Set<String> { Set(try #require(try EventFilter.types(text)).map(\.text)) }

    @Test("are named one by one, by their kind, or all")
    func patterns() throws {
        #expect(try EventFilter.types(nil) == nil)
        #expect(try types("persona.completed") == ["persona.completed"])
        #expect(try types("persona.progress,style.failed") == ["persona.progress", "style.failed"])
        let personas = try types("persona.*")
        #expect(personas.count == EventKind.allCases.count - 1 && personas.allSatisfy { $0.hasPrefix("persona.") })
        #expect(!personas.contains("persona.progress"), "progress has to be named")
        #expect(try types("persona.*,persona.progress").count == EventKind.allCases.count)
        #expect(try types("webhook.*") == ["webhook.disabled"])
        #expect(try types("*").count == EventType.all.count - Mode.allCases.count)
    }

    @Test("are refused where they stand for none")
    func unknown() throws {
        for text in [
            "", ",", "persona.completed,", "persona", "persona.", "persona.c*", "Persona.completed", "persona.born", "webhook.test", "**",
            ".*", "*.completed",
            "persona.completed, style.*", "persona.comple\u{74}\u{301}ed", Array(repeating: "*", count: 100).joined(separator: ","),
        ] {
            #expect(throws: Violation.self, "\(text.debugDescription)") { try EventFilter.types(text) }
        }
    }
}
