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

    /// RFC 3339 in UTC with milliseconds, always 24 characters for years 0 to 9999: `2026-11-21T03:29:00.123Z`.
    package var text: String {
        String(unsafeUninitializedCapacity: Self.textBytes) { buffer in
            putText(into: buffer)
            return Self.textBytes
        }
    }

    /// The length of `text`.
    package static let textBytes = 24

    /// Puts `text` at the start of a buffer that has room for it.
    ///
    /// Written by hand because every item of every answer carries two of these and Foundation's formatter costs more than the rest of
    /// the row; the calendar is Howard Hinnant's `civil_from_days`. A moment outside these years, as only a damaged row holds one, is shown
    /// as the nearest within.
    package func putText(into buffer: UnsafeMutableBufferPointer<UInt8>) {
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
        buffer.put(year, digits: 4, at: 0, before: UInt8(ascii: "-"))
        buffer.put(month, digits: 2, at: 5, before: UInt8(ascii: "-"))
        buffer.put(day, digits: 2, at: 8, before: UInt8(ascii: "T"))
        buffer.put(secondOfDay / 3_600, digits: 2, at: 11, before: UInt8(ascii: ":"))
        buffer.put(secondOfDay / 60 % 60, digits: 2, at: 14, before: UInt8(ascii: ":"))
        buffer.put(secondOfDay % 60, digits: 2, at: 17, before: UInt8(ascii: "."))
        buffer.put(millisecondOfDay % 1_000, digits: 3, at: 20, before: UInt8(ascii: "Z"))
    }
}

extension Int64 {
    /// Division that rounds towards minus infinity, as calendars need it.
    fileprivate func flooringDivision(by divisor: Int64) -> (quotient: Int64, remainder: Int64) {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }
}

extension UnsafeMutableBufferPointer<UInt8> {
    fileprivate func put(_ value: Int64, digits: Int, at offset: Int, before separator: UInt8) {
        var rest = value
        for place in stride(from: digits - 1, through: 0, by: -1) {
            self[offset + place] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        }
        self[offset + digits] = separator
    }
}
