import Personas
import Testing

@Suite("Quotas of accounts")
struct AccountQuotaTests {
    private typealias Row = (items: Int?, bytes: Int?, usedItems: Int, usedBytes: Int, added: Int?, refused: [QuotaSubject])

    private static let rows: [Row] = [
        (nil, nil, 1_000_000, .max, .max, []),
        (1, nil, 0, 0, nil, []), (1, nil, 1, 0, nil, [.items]), (1, nil, 2, 0, 7, [.items]), (0, nil, 0, 0, nil, [.items]),
        (nil, 100, 5, 99, nil, []), (nil, 100, 5, 100, nil, [.storedBytes]), (nil, 0, 0, 0, nil, [.storedBytes]),
        (nil, 100, 5, 90, 10, []), (nil, 100, 5, 90, 11, [.storedBytes]), (nil, 100, 5, 500, 1, [.storedBytes]),
        (nil, 100, 5, .max, .max, [.storedBytes]), (nil, .max, 5, 0, .max, []), (nil, .max, 5, 1, .max, [.storedBytes]),
        (3, 100, 2, 99, 1, []), (2, 100, 2, 99, 2, [.items, .storedBytes]),
    ]

    @Test("have room until a bound is met, and say all bounds that are")
    func room() {
        for row in Self.rows {
            let quota = AccountQuota(itemsMax: row.items, storedBytesMax: row.bytes)
            let usage = AccountUsage(quota: quota, items: row.usedItems, storedBytes: row.usedBytes)
            let expected = row.refused.map { subject in
                switch subject {
                case .items: QuotaExcess(.items, limit: row.items ?? -1, used: row.usedItems)
                case .webhooks: QuotaExcess(.webhooks, limit: -1, used: -1)
                case .storedBytes: QuotaExcess(.storedBytes, limit: row.bytes ?? -1, used: row.usedBytes, added: row.added)
                }
            }
            if expected.isEmpty {
                #expect(throws: Never.self, "\(row)") { try usage.requireRoom(forImageBytes: row.added) }
            } else {
                #expect(throws: Failure.quotaExceeded(expected), "\(row)") { try usage.requireRoom(forImageBytes: row.added) }
            }
        }
    }

    @Test("say in words how much of what is used")
    func words() {
        #expect(QuotaExcess(.items, limit: 10, used: 12).text == "12 of 10 items are used")
        #expect(QuotaExcess(.storedBytes, limit: 10, used: 10).text == "10 of 10 bytes are used")
        #expect(QuotaExcess(.storedBytes, limit: 10, used: 7, added: 5).text == "7 of 10 bytes are used, and these images have 5")
    }
}
