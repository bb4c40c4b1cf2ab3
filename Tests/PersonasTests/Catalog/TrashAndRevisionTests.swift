import Personas
import Testing

@Suite("Rules of the trash and of revisions")
struct TrashAndRevisionTests {
    private static let item = Pikzonality(
        id: .random(), accountID: .random(), mode: .persona,
        details: PikzonalityDetails(
            name: Name(stored: "Nova"), specialInstructions: "words", externalID: "own",
            metadata: Metadata([MetadataMember(key: "a", value: "1"), MetadataMember(key: "b", value: "2")])), status: .completed,
        progress: 100, referenceTokens: [.random(), .random(), .random()], portraitToken: .random(), error: nil,
        createdAt: Timestamp(milliseconds: 1), updatedAt: Timestamp(milliseconds: 2), version: 3)

    @Test("A state brings back all that it holds, and takes away what it does not")
    func change() throws {
        for details in [
            PikzonalityDetails(name: Name(stored: "Other")),
            PikzonalityDetails(
                name: Name(stored: "NOVA"), specialInstructions: "more", externalID: "x",
                metadata: Metadata([MetadataMember(key: "b", value: "3")])),
        ] {
            let revision = Revision(number: 1, details: details, changedAt: Timestamp(milliseconds: 1), requestID: nil)
            let changed = try #require(try Self.item.changed(by: revision.change, at: Timestamp(milliseconds: 9)))
            #expect(changed.details == details && changed.version == 4)
            #expect(try changed.changed(by: revision.change, at: Timestamp(milliseconds: 10)) == nil)
        }
        let present = Revision(number: 2, details: Self.item.details, changedAt: Timestamp(milliseconds: 1), requestID: nil)
        #expect(try Self.item.changed(by: present.change, at: Timestamp(milliseconds: 9)) == nil)
    }

    @Test("What is told of an item in the trash has no links and is else what it was")
    func links() {
        let told = Self.item.withoutLinks
        #expect(told.referenceTokens.isEmpty && told.portraitToken == nil)
        #expect(told.details == Self.item.details && told.version == Self.item.version && told.status == .completed)
    }

    @Test("A place in the trash is read as it was written, and nothing else is")
    func places() throws {
        let place = TrashPlace(trashedAt: Timestamp(milliseconds: 1_795_000_000_123), id: .random())
        #expect(TrashPlace(place.description) == place)
        for text in ["", ".", "1", "1.2", "x.\(place.id.text)", "\(place.description).", " \(place.description)", "1.\(place.id.text)x"] {
            #expect(TrashPlace(text) == nil, "\(text)")
        }
    }

    @Test("What is in the trash counts")
    func counts() {
        var counts = ItemCounts()
        counts[.persona, .failed] = 2
        counts.trash = [.persona: 3, .style: 4]
        #expect(counts.total == 9 && counts[.persona, .failed] == 2)
    }

    @Test("A day has 24 hours")
    func days() {
        #expect(Timestamp(milliseconds: 5).adding(days: 30).milliseconds == 5 + 30 * 86_400_000)
    }
}
