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
