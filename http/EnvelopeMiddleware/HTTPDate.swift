import Foundation
package import HTTPTypes
import Synchronization

/// The date that answers carry (RFC 9110, section 6.6.1), made once a second.
package enum HTTPDate {
    private static let last = Mutex<(second: Int, field: HTTPField)?>(nil)

    /// The header field of an answer that is given now.
    package static var field: HTTPField {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME_COARSE, &time)
        return Self.last.withLock { last in
            if let last, last.second == time.tv_sec { return last.field }
            let text = Date(timeIntervalSince1970: TimeInterval(time.tv_sec)).httpDate
            let field = HTTPField(name: .date, value: text)
            last = (time.tv_sec, field)
            return field
        }
    }
}

extension Date {
    /// The date as HTTP writes it, such as `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7).
    var httpDate: String {
        self.formatted(
            VerbatimFormatStyle(
                format: """
                    \(weekday: .abbreviated), \(day: .twoDigits) \(month: .abbreviated) \(year: .padded(4)) \
                    \(hour: .twoDigits(clock: .twentyFourHour, hourCycle: .zeroBased)):\(minute: .twoDigits):\(second: .twoDigits) GMT
                    """,
                locale: Locale(identifier: "en_US_POSIX"),
                timeZone: .gmt,
                calendar: Calendar(identifier: .gregorian)
            )
        )
    }
}
