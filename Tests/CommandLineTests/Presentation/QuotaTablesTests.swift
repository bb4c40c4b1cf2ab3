import Foundation
import Personas
import Testing

@testable import PersonasCLI

@Suite("Quotas on the command line")
struct QuotaTablesTests {
    private static func report(items: (Int, Int?), bytes: (Int, Int?)) throws -> QuotaReport {
        func usage(_ usage: (Int, Int?)) -> String { #"{"used":\#(usage.0),"limit":\#(usage.1.map { String($0) } ?? "null")}"# }
        let json = #"{"account":"acme","items":\#(usage(items)),"storedBytes":\#(usage(bytes))}"#
        return try JSONDecoder().decode(QuotaReport.self, from: Data(json.utf8))
    }

    @Test("Bounds are whole numbers, those of bytes with units, or none")
    func bounds() throws {
        for (text, max) in [("0", 0), ("12", 12), ("007", 7), ("9223372036854775807", Int.max)] {
            #expect(try QuotaChange.Bound(items: text) == .max(max))
            #expect(try QuotaChange.Bound(bytes: text) == .max(max))
        }
        for (text, max) in [("1K", 1_024), ("20m", 20 << 20), ("2G", 2 << 30), ("0k", 0)] {
            #expect(try QuotaChange.Bound(bytes: text) == .max(max))
            #expect(throws: (any Error).self, "\(text)") { try QuotaChange.Bound(items: text) }
        }
        for text in ["none", "None"] {
            #expect(try QuotaChange.Bound(items: text) == QuotaChange.Bound.none)
            #expect(try QuotaChange.Bound(bytes: text) == QuotaChange.Bound.none)
        }
        for text in ["", "-1", "+1", "1.5", "1e3", "K", "1KB", "1 K", "٣", "9223372036854775808", "9007199254740992K", "unlimited"] {
            #expect(throws: (any Error).self, "\(text)") { try QuotaChange.Bound(items: text) }
            #expect(throws: (any Error).self, "\(text)") { try QuotaChange.Bound(bytes: text) }
        }
    }

    @Test("What is used stands beside what may be, and what is beyond is warned about")
    func table() throws {
        let free = try Self.report(items: (3, nil), bytes: (500, 1_000))
        #expect(free.tables[0].rows == [["items", "3", "none"], ["bytes of images", "500", "1000"]])
        #expect((free.items.cell, free.storedBytes.cell) == ("3", "500 of 1000"))
        #expect(free.warnings.isEmpty)
        #expect(try Self.report(items: (3, 3), bytes: (5, 5)).warnings.isEmpty)
        let beyond = try Self.report(items: (3, 2), bytes: (6, 5)).warnings
        #expect(
            beyond == [
                "personas: account acme has 3 items, more than its quota: they stay, and nothing can be created until there are fewer",
                "personas: account acme has 6 bytes of images, more than its quota: they stay, and nothing can be created until there are fewer",
            ])
    }

    @Test("Programs get every member, null where there is no bound")
    func json() throws {
        #expect(
            try Output.jsonText(try Self.report(items: (3, nil), bytes: (6, 5)))
                == #"{"account":"acme","items":{"limit":null,"used":3},"stored_bytes":{"limit":5,"used":6}}"#)
    }
}
