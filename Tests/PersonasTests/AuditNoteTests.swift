import Personas
import Synchronization
import Testing

@Suite("What the audit says of a write")
struct AuditNoteTests {
    private func note(_ targets: [String], by author: Operator = Operator(uid: 7)) -> AuditNote<Void> {
        AuditNote(.namesReserve, by: author) { targets }
    }

    @Test("is one entry of all that was changed, in order, and none where nothing was")
    func entries() {
        let now = Timestamp(milliseconds: 5)
        #expect(
            note(["a", "b c"]).entries(of: (), at: now) == [AuditEntry(at: now, action: "names.reserve", target: "a, b c", uid: 7)])
        #expect(note([""]).entries(of: (), at: now).map(\.target) == [""])
        #expect(note([]).entries(of: (), at: now) == [])
    }

    @Test("goes on in further entries where it is long, without losing or cutting anything")
    func long() {
        let names = (0..<500).map { "name \($0)" }
        let targets = note(names).entries(of: (), at: .now).map(\.target)
        #expect(targets.count == 5 && targets.allSatisfy { $0.count <= Limits.auditTargetBytesMax })
        #expect(targets.joined(separator: ", ") == names.joined(separator: ", "))
        let huge = String(repeating: "x", count: 2 * Limits.auditTargetBytesMax)
        #expect(note(["a", huge, "b"]).entries(of: (), at: .now).map(\.target) == ["a", huge, "b"])
        let half = String(repeating: "y", count: (Limits.auditTargetBytesMax - 2) / 2)
        #expect(note([half, half]).entries(of: (), at: .now).count == 1)
        #expect(note([half + "y", half]).entries(of: (), at: .now).count == 2)
    }

    @Test("is told to who asked for it, with the reason where it was lost")
    func report() {
        let told = Mutex<[Operator.Notice]>([])
        let author = Operator(uid: 9) { notice in told.withLock { $0.append(notice) } }
        let entries = note(["a"], by: author).entries(of: (), at: .now)
        note([], by: author).report(entries)
        note([], by: author).report(entries, lost: .cancelled)
        #expect(told.withLock { $0 } == [.written(entries[0]), .lost(entries[0], .cancelled)])
    }

    @Test("Its words, which are stored, are those of the commands")
    func words() {
        for action in AuditAction.allCases {
            #expect(action.rawValue.wholeMatch(of: /[a-z]+(\.[a-z]+(-[a-z]+)*)?/) != nil, "\(action)")
        }
    }

    @Test("Places in lists are what they were when they are read again, and nothing else is one")
    func places() throws {
        #expect(AuditPlace(AuditPlace(number: 12).description) == AuditPlace(number: 12))
        for text in ["", "0", "-1", "x", "1.5", "99999999999999999999"] { #expect(AuditPlace(text) == nil, "\(text)") }
        let text = "1795000000000.01a20213-6fc2-7933-850f-3393b25a18c0"
        #expect(try #require(ItemPlace(text)).description == text)
        for text in ["", ".", "1795000000000", "x.01a20213-6fc2-7933-850f-3393b25a18c0", "1.2.3", text + "0", "5.x"] {
            #expect(ItemPlace(text) == nil, "\(text)")
        }
    }
}
