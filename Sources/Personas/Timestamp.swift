import Foundation

/// A moment in UTC, in whole milliseconds since 1970, which is all that is stored and shown.
package struct Timestamp: Sendable, Hashable, Comparable, Codable {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    package let milliseconds: Int64

    /// 0000-01-01T00:00:00.000Z, the first moment that RFC 3339 can write.
    private static let firstShown: Int64 = -62_167_219_200_000
    /// 9999-12-31T23:59:59.999Z, the last moment that RFC 3339 can write.
    private static let lastShown: Int64 = 253_402_300_799_999

    /// Takes milliseconds since 1970.
    package init(milliseconds: Int64) {
        self.milliseconds = milliseconds
    }

    /// The system clock's present.
    package static var now: Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(milliseconds: Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000)
    }

    /// The moment that many seconds later.
    package func adding(seconds: Int) -> Timestamp { Timestamp(milliseconds: milliseconds + Int64(seconds) * 1_000) }

    /// The moment that many days of 24 hours later.
    package func adding(days: Int) -> Timestamp { adding(seconds: days * 86_400) }

    /// The beginning of the minute that it lies in.
    package var startOfMinute: Timestamp {
        Timestamp(milliseconds: milliseconds.flooringDivision(by: 60_000).quotient * 60_000)
    }

    /// Orders by time.
    package static func < (left: Timestamp, right: Timestamp) -> Bool { left.milliseconds < right.milliseconds }
}

extension Timestamp: FixedLengthText {
    /// Characters of RFC 3339 in UTC with milliseconds, for years 0 to 9999: `2026-11-21T03:29:00.123Z`.
    package static let textBytes = 24

    /// Puts RFC 3339 in UTC with milliseconds.
    ///
    /// Written by hand because every item of every answer carries two of these and Foundation's formatter costs more than the rest of
    /// the row; the calendar is Howard Hinnant's `civil_from_days`. A moment outside these years, as only a damaged row holds one, is shown
    /// as the nearest within.
    package func putText(at address: UnsafeMutableRawPointer) {
        let shown = min(max(milliseconds, Self.firstShown), Self.lastShown)
        let (days, millisecondOfDay) = shown.flooringDivision(by: 86_400_000)
        let shifted = days + 719_468
        let (era, dayOfEra) = shifted.flooringDivision(by: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        let secondOfDay = millisecondOfDay / 1_000
        let millisecond = millisecondOfDay % 1_000
        address.put(decimals: year / 100, at: 0)
        address.put(decimals: year % 100, before: UInt8(ascii: "-"), at: 2)
        address.put(decimals: month, before: UInt8(ascii: "-"), at: 5)
        address.put(decimals: day, before: UInt8(ascii: "T"), at: 8)
        address.put(decimals: secondOfDay / 3_600, before: UInt8(ascii: ":"), at: 11)
        address.put(decimals: secondOfDay / 60 % 60, before: UInt8(ascii: ":"), at: 14)
        address.put(decimals: secondOfDay % 60, before: UInt8(ascii: "."), at: 17)
        address.put(decimals: millisecond / 10, at: 20)
        address.put(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: millisecond % 10), at: 22)
        address.put(UInt8(ascii: "Z"), at: 23)
    }
}

extension Timestamp {
    /// Reads a moment as people and programs write it: RFC 3339, of whose fraction three digits count, or a date alone, `2027-01-31`, which stands for
    /// its beginning in UTC. Nil for all else, days that no calendar has and leap seconds among it.
    package init?(text: String) {
        var reader = DigitReader(text)
        guard let year = reader.number(4), reader.skip("-"), let month = reader.number(2), reader.skip("-"), let day = reader.number(2),
            (1...12).contains(month), (1...Self.days(inMonth: month, of: year)).contains(day)
        else { return nil }
        let start = Self.days(toYear: year, month: month, day: day) * 86_400_000
        if reader.isAtEnd {
            self.init(milliseconds: start)
            return
        }
        guard reader.skip("Tt"), let hour = reader.number(2), reader.skip(":"), let minute = reader.number(2), reader.skip(":"),
            let second = reader.number(2), hour < 24, minute < 60, second < 60, let millisecond = reader.fraction(),
            let offset = reader.minutesFromUTC(), reader.isAtEnd
        else { return nil }
        self.init(milliseconds: start + ((hour * 60 + minute - offset) * 60 + second) * 1_000 + millisecond)
    }

    private static func days(inMonth month: Int64, of year: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Days since 1970-01-01: Howard Hinnant's `days_from_civil`.
    private static func days(toYear year: Int64, month: Int64, day: Int64) -> Int64 {
        let yearFromMarch = month <= 2 ? year - 1 : year
        let (era, yearOfEra) = yearFromMarch.flooringDivision(by: 400)
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}

/// Reads numbers of fixed lengths, and what parts them, from the front of a text.
private struct DigitReader {
    private var rest: Substring.UTF8View

    init(_ text: String) {
        rest = Substring(text).utf8
    }

    var isAtEnd: Bool { rest.isEmpty }

    /// Takes one of a few ASCII characters away, if it comes next.
    mutating func skip(_ characters: StaticString) -> Bool {
        guard let first = rest.first, characters.withUTF8Buffer({ $0.contains(first) }) else { return false }
        rest.removeFirst()
        return true
    }

    /// The number that the next so many digits make.
    mutating func number(_ digits: Int) -> Int64? {
        let taken = rest.prefix(digits)
        guard taken.count == digits, taken.allSatisfy(Self.isDigit) else { return nil }
        rest.removeFirst(digits)
        return taken.reduce(0) { $0 * 10 + Int64($1 - UInt8(ascii: "0")) }
    }

    /// The milliseconds of what may follow the seconds; nil for a point without digits.
    mutating func fraction() -> Int64? {
        guard skip(".") else { return 0 }
        let digits = rest.prefix(while: Self.isDigit)
        guard !digits.isEmpty else { return nil }
        rest.removeFirst(digits.count)
        return (0..<3).reduce(0) { $0 * 10 + Int64(digits.dropFirst($1).first.map { $0 - UInt8(ascii: "0") } ?? 0) }
    }

    /// How far a time is ahead of UTC.
    mutating func minutesFromUTC() -> Int64? {
        if skip("Zz") { return 0 }
        let isAhead = skip("+")
        guard isAhead || skip("-"), let hours = number(2), skip(":"), let minutes = number(2), hours < 24, minutes < 60 else { return nil }
        return (isAhead ? 1 : -1) * (hours * 60 + minutes)
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
}

extension Int64 {
    /// Division that rounds towards minus infinity, as calendars need it.
    fileprivate func flooringDivision(by divisor: Int64) -> (quotient: Int64, remainder: Int64) {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }
}

extension UnsafeMutableRawPointer {
    /// Puts a number below 100 as two digits, and a separator behind them.
    fileprivate func put(decimals value: Int64, before separator: UInt8, at offset: Int) {
        put(decimals: value, at: offset)
        put(separator, at: offset + 2)
    }

    /// Puts a number below 100 as two digits.
    fileprivate func put(decimals value: Int64, at offset: Int) {
        let number = UInt16(truncatingIfNeeded: value)
        put(number / 10 &+ (number % 10) << 8 &+ 0x3030, at: offset)
    }
}
