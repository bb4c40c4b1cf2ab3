import Personas
import Testing

/// The rules for the ids and labels of clients' own.
@Suite("Names of the client's own, by their rules")
struct OwnNamesTests {
    static let badID = Violation(.externalID, "must be 1 to 64 visible ASCII characters")
    static let badKeys = Violation(.metadata, "must have keys of 1 to 40 letters A-Z and a-z, digits, underscores, dots and hyphens")
    static let badValues = Violation(.metadata, "must have values that are strings of at most 500 characters")
    static let tooMany = Violation(.metadata, "must have at most 16 members")

    private static func draft(
        id: JSONField<String> = .absent, labels: JSONField<[MetadataMemberDraft]> = .absent
    ) -> DetailsDraft {
        DetailsDraft(name: .absent, specialInstructions: .absent, externalID: id, metadata: labels)
    }

    private static func labels(_ pairs: [(String, JSONField<String>)]) -> JSONField<[MetadataMemberDraft]> {
        .value(pairs.map { MetadataMemberDraft(key: $0.0, value: $0.1) })
    }

    @Test(
        "An id is 1 to 64 visible ASCII characters, kept as they are",
        arguments: ["a", "!", "~", "order/7?x=\"1\"&y='2'", String(repeating: "x", count: 64)])
    func goodIDs(text: String) throws {
        let change = try Self.draft(id: .value(text)).checked()
        #expect(change.externalID.map { $0.map { Array($0.utf8) } } == .some(.some(Array(text.utf8))))
    }

    @Test(
        "Nothing else is an id",
        arguments: ["", " ", "a b", " a", "a\n", "a\0", "\u{7f}", "é", "e\u{301}", "🙂", String(repeating: "x", count: 65)])
    func badIDs(text: String) {
        #expect(throws: Failure.invalid([Self.badID])) { try Self.draft(id: .value(text)).checked() }
    }

    @Test("An id that is absent stays, null clears it, another type is refused")
    func absentIDs() throws {
        #expect(try Self.draft().checked().externalID == nil)
        guard case .some(.none) = try Self.draft(id: .null).checked().externalID else { throw Failure.notFound }
        #expect(throws: Failure.invalid([Violation(.externalID, "must be a string")])) {
            try Self.draft(id: .malformed("must be a string")).checked()
        }
    }

    @Test("Labels are taken within their bounds", arguments: ["", "\0\u{1b}[31m", "é\n", String(repeating: "🙂", count: 500)])
    func goodLabels(value: String) throws {
        for key in ["a", "Az09_.-", String(repeating: "k", count: 40)] {
            #expect(try Self.draft(labels: Self.labels([(key, .value(value))])).checked().metadata == .merge([key: value]))
        }
    }

    @Test("Labels beyond them are refused, each rule told once however often it is broken")
    func badLabels() {
        let rows: [(JSONField<[MetadataMemberDraft]>, [Violation])] = [
            (.malformed("must be an object"), [Violation(.metadata, "must be an object")]),
            (Self.labels([("", .value("x"))]), [Self.badKeys]), (Self.labels([("a b", .value("x"))]), [Self.badKeys]),
            (Self.labels([("é", .value("x")), ("k[", .value("x"))]), [Self.badKeys]),
            (Self.labels([(String(repeating: "k", count: 41), .null)]), [Self.badKeys]),
            (Self.labels([("a", .value(String(repeating: "x", count: 501))), ("b", .malformed("must be a string"))]), [Self.badValues]),
            (Self.labels((0..<17).map { ("k\($0)", .value("")) }), [Self.tooMany]),
            (
                Self.labels([("", .null), ("a", .malformed(""))] + (0..<17).map { ("k\($0)", .value("")) }),
                [Self.badKeys, Self.badValues, Self.tooMany]
            ),
        ]
        for (labels, violations) in rows {
            #expect(throws: Failure.invalid(violations)) { try Self.draft(labels: labels).checked() }
        }
    }

    @Test("A null takes a label away where there may be one, and is no value of a new item")
    func nulls() throws {
        let labels = Self.labels([("a", .null), ("b", .value("1"))])
        #expect(try Self.draft(labels: labels).checked().metadata == .merge(["a": nil, "b": "1"]))
        let images = ["https://a.test/1", "https://a.test/2", "https://a.test/3"]
        func create(_ labels: JSONField<[MetadataMemberDraft]>) throws(Failure) -> PikzonalityDetails {
            try CreateDraft(
                details: DetailsDraft(name: .value("Nova"), specialInstructions: .absent, externalID: .value("x"), metadata: labels),
                imageURLs: .value(images), imageBase64s: .absent
            ).checked(acceptingPlainHTTP: false).details
        }
        #expect(throws: Failure.invalid([Self.badValues])) { try create(labels) }
        #expect(try create(.null).metadata == .none)
        let details = try create(Self.labels([("b", .value("1")), ("a", .value("2"))]))
        #expect(details.externalID == "x")
        #expect(details.metadata.members == [MetadataMember(key: "a", value: "2"), MetadataMember(key: "b", value: "1")])
    }

    @Test("As many labels may be taken away at once as are named, and the bound is on what there is in the end")
    func manyNulls() throws {
        let labels = Self.labels((0..<100).map { ("k\($0)", .null) } + (100..<116).map { ("k\($0)", .value("v")) })
        guard case .merge(let members) = try Self.draft(labels: labels).checked().metadata else { throw Failure.notFound }
        #expect(members.count == 116)
    }

    @Test("The same labels are the same bytes in whatever order they came, and no damage to them is fatal")
    func bytes() {
        let members = [MetadataMember(key: "b", value: ""), MetadataMember(key: "a", value: "é"), MetadataMember(key: "B", value: "2")]
        let metadata = Metadata(members)
        #expect(metadata == Metadata(members.reversed()))
        #expect(metadata.members.map(\.key) == ["B", "a", "b"])
        #expect(metadata.bytes.withUnsafeBytes { Metadata(stored: $0) } == metadata)
        #expect(Metadata.none.isEmpty && Metadata([]) == .none && Metadata.none.members == [])
        for count in metadata.bytes.indices {
            let cut = metadata.bytes[..<count].withUnsafeBytes { Metadata(stored: $0) }
            #expect(metadata.members.starts(with: cut.members), "\(count)")
            var changed = metadata.bytes
            changed[count] = 0xFF
            #expect(changed.withUnsafeBytes { Metadata(stored: $0) }.members.count <= 3)
        }
    }
}
