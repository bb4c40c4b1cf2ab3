import Personas
import Testing

@Suite("Events")
struct EventTests {
    @Test("Every type is read from its own text and from no other")
    func types() {
        #expect(EventType.all.count == 25 && Set(EventType.all.map(\.text)).count == 25)
        for type in EventType.all + [.webhookTest] { #expect(EventType(type.text) == type) }
        #expect(!EventType.all.contains(.webhookTest), "it stands among no account's events")
        for text in [
            "", "persona", "persona.", ".created", "persona.created ", "Persona.created", "persona.*", "persona.cre\u{E1}ted", "*",
        ] {
            #expect(EventType(text) == nil, "\(text)")
        }
        #expect(EventType.all.filter(\.isProgress).map(\.text) == ["persona.progress", "style.progress"])
    }

    @Test("What has changed is named, bytes told apart that look alike, and what a client cannot see is not")
    func changed() throws {
        let item = Pikzonality.fixture(instructions: "caf\u{E9}")
        let now = Timestamp(milliseconds: 1)
        func names(_ change: PikzonalityChange) throws -> [ItemMember] {
            try item.changed(by: change, at: now).map { ItemMember.changed(from: item, to: $0) } ?? []
        }
        #expect(try names(PikzonalityChange()) == [])
        #expect(try names(PikzonalityChange(name: Name(stored: "NOVA"))) == [.name])
        #expect(try names(PikzonalityChange(specialInstructions: "cafe\u{301}")) == [.specialInstructions])
        #expect(try names(PikzonalityChange(externalID: "own")) == [.externalID])
        #expect(try names(PikzonalityChange(metadata: .merge(["a": ""]))) == [.metadata])
        let progressed = try #require(item.progressed(to: 40, at: now))
        #expect(ItemMember.changed(from: item, to: progressed) == [.progress])
        #expect(item.progressed(to: 0, at: now) == nil)
        let completed = progressed.completed(portrait: .random(), at: now)
        #expect(ItemMember.changed(from: progressed, to: completed) == [.status, .progress, .portraitURL, .reference])
        let failed = item.failed(TrainingError(code: .rejected, message: "no face"), at: now)
        #expect(ItemMember.changed(from: item, to: failed) == [.status, .error])
        #expect(ItemMember.changed(from: item, to: item) == [])
    }

    @Test("What is told of an item that is gone has nothing of what it was like")
    func reduced() {
        let item = Pikzonality.fixture()
        let event = Event(
            id: .random(), accountID: item.accountID, sequence: 7, type: .item(.persona, .updated), at: Timestamp(milliseconds: 9),
            subject: .item(item), changed: ["name"], requestID: "req-1")
        let reduced = event.reduced
        #expect(reduced.subject == .gone(item.id, .persona) && reduced.itemID == item.id && reduced.reduced == reduced)
        #expect(
            (reduced.id, reduced.sequence, reduced.type, reduced.at) == (event.id, event.sequence, event.type, event.at)
                && reduced.changed == ["name"] && reduced.requestID == "req-1")
    }

    @Test("A filter takes its types of its item, and everything where it names neither")
    func filters() {
        let (item, other) = (Pikzonality.fixture(), Pikzonality.fixture())
        let (updated, deleted) = (Event.fixture(1, item, .updated), Event.fixture(2, item, .deleted))
        #expect(EventFilter().matches(updated) && EventFilter().matches(deleted))
        #expect(EventFilter(types: [updated.type]).matches(updated) && !EventFilter(types: [updated.type]).matches(deleted))
        #expect(EventFilter(itemID: item.id).matches(deleted) && !EventFilter(itemID: other.id).matches(updated))
        #expect(!EventFilter(types: [deleted.type], itemID: item.id).matches(updated) && !EventFilter(types: []).matches(updated))
    }
}
