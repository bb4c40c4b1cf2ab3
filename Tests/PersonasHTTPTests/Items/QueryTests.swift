import ErrorEnvelope
import ErrorEnvelopeHummingbird
import HummingbirdCore
import Personas
import PersonasWire
import TestSupport
import Testing

@testable import PersonasHTTP

/// Cursors, list queries and byte ranges by themselves.
@Suite("Queries")
struct QueryTests {
    private static let filters: [PikzonalityFilter] = [
        PikzonalityFilter(), PikzonalityFilter(mode: .persona), PikzonalityFilter(mode: .style), PikzonalityFilter(status: .failed),
        PikzonalityFilter(mode: .style, status: .completed, search: "a"), PikzonalityFilter(search: "persona"),
        PikzonalityFilter(search: "é\n🙂"), PikzonalityFilter(externalID: "a"), PikzonalityFilter(search: "a", externalID: "a"),
        PikzonalityFilter(metadata: [MetadataMember(key: "a", value: "b")]),
        PikzonalityFilter(metadata: [MetadataMember(key: "b", value: "a")]),
        PikzonalityFilter(metadata: [MetadataMember(key: "a", value: "b\nc\nZA==")]),
        PikzonalityFilter(metadata: [MetadataMember(key: "a", value: "b"), MetadataMember(key: "c", value: "d")]),
        PikzonalityFilter(externalID: "a", metadata: [MetadataMember(key: "a", value: "")]),
    ]

    private static let positions: [PikzonalityPosition] = [
        PikzonalityPosition(nameKey: "nova", createdAt: Timestamp(milliseconds: 1_763_695_740_123), id: .random()),
        PikzonalityPosition(nameKey: "", createdAt: Timestamp(milliseconds: .min), id: .random()),
        PikzonalityPosition(nameKey: "abcdefghijklmnopqrstuvwxy", createdAt: Timestamp(milliseconds: .max), id: .random()),
        PikzonalityPosition(nameKey: "~~~", createdAt: Timestamp(milliseconds: -1), id: .random()),
    ]

    @Test("a cursor says where it was made, to its own list alone", arguments: PikzonalitySort.allCases)
    func cursors(sort: PikzonalitySort) throws {
        for filter in Self.filters {
            for position in Self.positions {
                let text = Cursor(position: position).text(filter: filter, sort: sort)
                #expect(text.wholeMatch(of: /[A-Za-z0-9_-]+/) != nil)
                let read = try #require(Cursor(text: text, filter: filter, sort: sort)).position
                #expect(read.id == position.id)
                #expect(read.createdAt == position.createdAt)
                #expect(read.nameKey == (sort.isByName ? position.nameKey : ""))
                for other in Self.filters where other != filter { #expect(Cursor(text: text, filter: other, sort: sort) == nil) }
                for other in PikzonalitySort.allCases where other != sort {
                    #expect(Cursor(text: text, filter: filter, sort: other) == nil)
                }
            }
        }
    }

    @Test("a cursor that was changed in any way is none", arguments: PikzonalitySort.allCases)
    func damagedCursors(sort: PikzonalitySort) {
        let filter = PikzonalityFilter(mode: .persona)
        var generator = SplitMix64(seed: 11)
        for position in Self.positions {
            let text = Cursor(position: position).text(filter: filter, sort: sort)
            for length in 0..<text.count {
                #expect(Cursor(text: String(text.prefix(length)), filter: filter, sort: sort) == nil, "\(length)")
            }
            for length in 1..<text.count {
                #expect(Cursor(text: String(text.dropFirst(length)), filter: filter, sort: sort) == nil, "\(length)")
            }
            for place in text.indices {
                for character in "A9_-+/= é\0" where character != text[place] {
                    var changed = text
                    changed.replaceSubrange(place...place, with: String(character))
                    #expect(Cursor(text: changed, filter: filter, sort: sort) == nil)
                }
            }
            for addition in ["A", "=", "==", "AAAA", " ", "\n", "\0"] {
                #expect(Cursor(text: text + addition, filter: filter, sort: sort) == nil)
            }
            for _ in 0..<200 {
                let garbage = String((0..<text.count).map { _ in "ABCDwxyz0189-_".randomElement(using: &generator) ?? "A" })
                #expect(Cursor(text: garbage, filter: filter, sort: sort) == nil)
            }
        }
    }

    @Test(
        "the link to the next page leads to the same list, whatever is searched for",
        arguments: [
            "a b", "a+b", "100%", "%41", "a&limit=0", "a#b", "a=b", "é", "日本", "🙂", "\"<>", "\n\r\t", "\u{1}", "'", "a;b", "?", "/", "\\",
            String(repeating: "ß", count: 200),
        ]
    )
    func links(search: String) throws {
        let item = Pikzonality(
            id: .random(), accountID: .random(), mode: .persona, details: PikzonalityDetails(name: Name(stored: "Nova")),
            status: .processing, progress: 0, referenceTokens: [], portraitToken: nil, error: nil, createdAt: .now, updatedAt: .now,
            version: 1)
        for (fixedMode, mode) in [(nil, nil), (nil, Mode.style), (Mode.persona, nil)] as [(Mode?, Mode?)] {
            for sort in PikzonalitySort.allCases {
                let bytes = search.utf8.map { byte in "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
                let own = "metadata%5Bk.1%5D=\(bytes)&metadata[B]=&external_id=%26%25a"
                let first = try ListQuery(
                    URI("/v2/x?limit=7&q=\(bytes)&\(own)&sort=\(sort.word)\(mode.map { "&mode=\($0.rawValue)" } ?? "")&status=failed")
                        .query,
                    fixedMode: fixedMode, itemsMax: 100)
                #expect(first.filter.search == search)
                #expect(first.filter.externalID == "&%a")
                #expect(first.filter.metadata == [MetadataMember(key: "B", value: ""), MetadataMember(key: "k.1", value: search)])
                #expect(first.after == nil)
                let next = first.next(after: item, path: "/v2/x", fixedMode: fixedMode)
                #expect(next.target.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && !"<>\"".utf8.contains($0) })
                let second = try ListQuery(URI(next.target).query, fixedMode: fixedMode, itemsMax: 100)
                #expect(second.filter == first.filter)
                #expect(second.sort == first.sort)
                #expect(second.limit == first.limit)
                #expect(second.after?.id == item.id)
                #expect(next.target.contains("cursor=\(next.cursor)"))
            }
        }
    }

    @Test("a list query has its defaults")
    func defaults() throws {
        for uri in ["/v2/x", "/v2/x?", "/v2/x?&", "/v2/x?unknown=1", "/v2/x?q=", "/v2/x?%6Cimit=5"] as [URI] {
            let query = try ListQuery(uri.query, fixedMode: nil, itemsMax: 100)
            #expect(query.limit == Limits.pageItemsDefault)
            #expect(query.filter == PikzonalityFilter())
            #expect(query.sort == .newestFirst)
            #expect(query.after == nil)
        }
        #expect(try ListQuery("mode=style", fixedMode: .persona, itemsMax: 100).filter.mode == .persona)
    }

    @Test(
        "a byte range lies within the file",
        arguments: [
            (0, "bytes=0-0", .unsatisfiable), (0, "bytes=0-", .unsatisfiable), (0, "bytes=-1", .unsatisfiable),
            (1, "bytes=0-0", .part(0..<1)),
            (1, "bytes=0-", .part(0..<1)), (1, "bytes=-1", .part(0..<1)), (1, "bytes=1-", .unsatisfiable), (1, "bytes=-2", .part(0..<1)),
            (10, "bytes=2-4", .part(2..<5)), (10, "bytes=2-200", .part(2..<10)), (10, "bytes=9-9", .part(9..<10)),
            (10, "bytes=10-9", .whole), (10, "bytes=4-2", .whole), (10, "bytes=--2", .whole), (10, "bytes=2--4", .whole),
            (10, "bytes=2-4-", .whole), (10, "bytes=-0", .unsatisfiable), (10, nil, .whole),
            (10, "bytes=9223372036854775807-", .unsatisfiable), (10, "bytes=0-9223372036854775807", .part(0..<10)),
            (10, "bytes=-9223372036854775807", .part(0..<10)), (10, "bytes=0-9223372036854775808", .part(0..<10)),
            (10, "bytes=99999999999999999999-99999999999999999999", .unsatisfiable), (10, "bytes=٢-٤", .whole), (10, "bytes=\0-1", .whole),
        ] as [(Int, String?, ByteRange)]
    )
    func byteRanges(byteCount: Int, header: String?, meant: ByteRange) {
        #expect(ByteRange(header, of: byteCount) == meant)
    }

    @Test("no text makes a byte range that leaves the file")
    func randomByteRanges() {
        var generator = SplitMix64(seed: 5)
        for _ in 0..<5_000 {
            let text =
                "bytes="
                + String(
                    (0..<Int.random(in: 0...8, using: &generator)).map { _ in "0123456789--,".randomElement(using: &generator) ?? "-" })
            let byteCount = Int.random(in: 0...1_000, using: &generator)
            guard case .part(let range) = ByteRange(text, of: byteCount) else { continue }
            #expect(!range.isEmpty && range.lowerBound >= 0 && range.upperBound <= byteCount, "\(text) \(byteCount)")
        }
    }

    @Test("every request target is taken for a list within its bounds, or refused by the name of what is wrong with it")
    func randomTargets() {
        var generator = SplitMix64(seed: 3)
        let pieces = [
            "/", "?", "#", ":", "//", "://", "http://", "&", "=", "%", "%4", "%41", "%zz", "limit", "q", "cursor", "é", "\0", " ", "@", "[",
            "]", "1", "+",
        ]
        var taken = 0
        var refused: Set<String> = []
        for _ in 0..<20_000 {
            let target = (0..<Int.random(in: 0...10, using: &generator)).map { _ in pieces.randomElement(using: &generator) ?? "" }.joined()
            let uri = URI(target)
            #expect(target.isEmpty || uri.description == target)
            _ = (uri.path, uri.host, uri.port, uri.query)
            do throws(Failure) {
                let query = try ListQuery(uri.query, fixedMode: nil, itemsMax: 100)
                taken += 1
                #expect((1...100).contains(query.limit) && query.filter.search?.isEmpty != true && query.after == nil, "\(target)")
                #expect(query.limit == 20 || target.contains("limit=") || target.contains("%"), "\(target)")
                #expect(query.sort == .newestFirst && query.filter.mode == nil && query.filter.status == nil, "\(target)")
            } catch {
                guard case .invalid(let violations) = error else {
                    Issue.record("\(target): \(error)")
                    continue
                }
                let fields = error.envelopeError.details.map(\.field)
                #expect(!violations.isEmpty && fields.allSatisfy { target.contains($0) }, "\(target): \(violations)")
                refused.formUnion(fields)
            }
        }
        // Otherwise only one of the two was seen.
        #expect(taken > 1_000)
        #expect(refused == ["limit", "cursor"])
    }
}
