import Foundation
import Personas
import TestSupport
import Testing

@Suite("Timestamps")
struct TimestampTests {
    @Test(
        "Known moments are written as RFC 3339 in UTC with milliseconds",
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (1, "1970-01-01T00:00:00.001Z"),
            (999, "1970-01-01T00:00:00.999Z"),
            (-86_400_000, "1969-12-31T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_799_999, "2000-02-29T23:59:59.999Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_709_164_800_000, "2024-02-29T00:00:00.000Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (1_735_689_599_999, "2024-12-31T23:59:59.999Z"),
            (1_735_689_600_000, "2025-01-01T00:00:00.000Z"),
            (1_795_231_740_123, "2026-11-21T03:29:00.123Z"),
            (2_147_483_648_000, "2038-01-19T03:14:08.000Z"),
            (-2_203_891_200_000, "1900-03-01T00:00:00.000Z"),
            (-62_135_596_800_000, "0001-01-01T00:00:00.000Z"),
            (-62_167_219_200_000, "0000-01-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ] as [(Int64, String)])
    func knownMoments(milliseconds: Int64, text: String) {
        #expect(Timestamp(milliseconds: milliseconds).text == text)
    }

    @Test("Every moment is written as Foundation writes it", arguments: 1...10 as ClosedRange<UInt64>)
    func agreesWithFoundation(seed: UInt64) throws {
        let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
        var generator = SplitMix64(seed: seed)
        // Years 1600 to 9999: Foundation's calendar before the Gregorian reform is a matter of its version.
        for _ in 0..<2_000 {
            let moment = Int64.random(in: -11_676_096_000_000...253_402_300_799_999, using: &generator)
            try #require(Timestamp(milliseconds: moment).text == Self.text(of: moment, style), "seed \(seed): \(moment)")
        }
    }

    @Test("The ends of days, months and years of 800 years are written as Foundation writes them")
    func agreesAtBoundaries() throws {
        let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = .gmt
        for year in stride(from: 1600, through: 2400, by: 1) {
            for (month, day) in [(1, 1), (2, 28), (2, 29), (3, 1), (12, 31)] {
                let date = try #require(calendar.date(from: DateComponents(year: year, month: month, day: day)))
                let start = Int64(date.timeIntervalSince1970) * 1_000
                for moment in [start - 1, start, start + 86_399_999, start + 86_400_000] {
                    try #require(Timestamp(milliseconds: moment).text == Self.text(of: moment, style), "\(moment)")
                }
            }
        }
    }

    @Test("Every text is of one length and in the order of time, so that texts can be compared")
    func textsAreOrdered() throws {
        var generator = SplitMix64(seed: 1)
        let moments = (0..<2_000).map { _ in Int64.random(in: -62_167_219_200_000...253_402_300_799_999, using: &generator) }.sorted()
        let texts = moments.map { Timestamp(milliseconds: $0).text }
        #expect(texts.allSatisfy { $0.utf8.count == 24 && $0.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/) != nil })
        #expect(texts == texts.sorted())
    }

    @Test("A moment that four digits cannot show is shown as the nearest one, and stops nothing")
    func outOfRange() {
        #expect(Timestamp(milliseconds: .min).text == "0000-01-01T00:00:00.000Z")
        #expect(Timestamp(milliseconds: -62_167_219_200_001).text == "0000-01-01T00:00:00.000Z")
        #expect(Timestamp(milliseconds: 253_402_300_800_000).text == "9999-12-31T23:59:59.999Z")
        #expect(Timestamp(milliseconds: .max).text == "9999-12-31T23:59:59.999Z")
    }

    @Test("Time goes by in seconds and is ordered")
    func arithmetic() {
        let start = Timestamp(milliseconds: 1_500)
        #expect(start.adding(seconds: 30) == Timestamp(milliseconds: 31_500))
        #expect(start.adding(seconds: -2) == Timestamp(milliseconds: -500))
        #expect(start < start.adding(seconds: 1))
        #expect(!(start < start))
    }

    @Test(
        "A moment is read as RFC 3339 has it, or from a date",
        arguments: [
            ("1970-01-01", 0), ("1970-01-01T00:00:00Z", 0), ("1969-12-31T23:59:59.999Z", -1),
            ("2026-11-21T03:29:00.123Z", 1_795_231_740_123),
            ("2026-11-21t03:29:00.123z", 1_795_231_740_123), ("2026-11-21T04:29:00.123+01:00", 1_795_231_740_123),
            ("2026-11-20T21:59:00.1239999-05:30", 1_795_231_740_123), ("2026-11-21T03:29:00.1Z", 1_795_231_740_100),
            ("2024-02-29", 1_709_164_800_000), ("2000-02-29T00:00:00-00:00", 951_782_400_000), ("2027-01-31", 1_801_353_600_000),
            ("0000-01-01", -62_167_219_200_000), ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
        ] as [(String, Int64)])
    func reading(text: String, milliseconds: Int64) {
        #expect(Timestamp(text: text) == Timestamp(milliseconds: milliseconds))
    }

    @Test(
        "What is no moment is none",
        arguments: [
            "", "2026", "2026-11", "2026-11-21T", "2026-11-21T03:29", "2026-11-21T03:29Z", "2026-11-21T03:29:00", "2026-11-21 03:29:00Z",
            "2026-11-21T03:29:00.Z", "2026-11-21T03:29:00,1Z", "2026-11-21T03:29:00+0100", "2026-11-21T03:29:00+24:00",
            "2026-11-21T03:29:00+01:60", "2026-11-21T24:00:00Z", "2026-11-21T03:60:00Z", "2026-11-21T03:29:60Z", "2026-11-21T03:29:00ZZ",
            "2026-13-01", "2026-00-01", "2026-01-00", "2026-01-32", "2026-04-31", "2026-02-29", "1900-02-29", "26-11-21", "02026-11-21",
            "+026-11-21", "2026/11/21", " 2026-11-21", "2026-11-21 ", "２０２６-11-21", "2026-11-21\0", "tomorrow",
        ])
    func noMoment(text: String) {
        #expect(Timestamp(text: text) == nil)
    }

    @Test(
        "What is written is read back as it was", arguments: [0, 1, -1, 951_782_399_999, 1_795_231_740_123, -62_167_219_200_000] as [Int64])
    func roundTrip(milliseconds: Int64) {
        let moment = Timestamp(milliseconds: milliseconds)
        #expect(Timestamp(text: moment.text) == moment)
    }

    @Test("A minute begins at its full minute, before 1970, too")
    func minutes() {
        for (moment, start) in [(0, 0), (59_999, 0), (60_000, 60_000), (-1, -60_000), (-60_000, -60_000)] as [(Int64, Int64)] {
            #expect(Timestamp(milliseconds: moment).startOfMinute == Timestamp(milliseconds: start))
        }
    }

    @Test("The present is the system clock's")
    func now() {
        let before = Int64(Date().timeIntervalSince1970 * 1_000)
        let now = Timestamp.now.milliseconds
        let after = Int64(Date().timeIntervalSince1970 * 1_000)
        #expect((before - 1...after + 1).contains(now))
    }

    private static func text(of moment: Int64, _ style: Date.ISO8601FormatStyle) -> String {
        // Half a millisecond more, because a Date is a binary fraction that may lie just below the millisecond, which formatting cuts.
        Date(timeIntervalSince1970: (Double(moment) + 0.5) / 1_000).formatted(style)
    }
}
