import Personas

/// Reads `Retry-After` (RFC 9110, 10.2.3).
enum RetryAfter {
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    /// Longer than all that it can be: `Wednesday, 06-Nov-94 08:49:37 GMT`.
    private static let bytesMax = 40

    /// The seconds from `now` on that a value asks to wait; 0 for a moment that is over, nil for what is neither seconds nor a date.
    static func seconds(_ value: String, now: Timestamp) -> Int? {
        let utf8 = value.utf8
        guard !utf8.isEmpty, utf8.count <= bytesMax else { return nil }
        if utf8.allSatisfy({ 0x30...0x39 ~= $0 }) { return Int(value) ?? .max }
        return date(utf8).map { Int(max(0, ($0.milliseconds - now.milliseconds) / 1_000)) }
    }

    /// Reads the three forms of a date that recipients have to know (RFC 9110, 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`,
    /// `Sunday, 06-Nov-94 08:49:37 GMT` and `Sun Nov  6 08:49:37 1994`.
    private static func date(_ utf8: String.UTF8View) -> Timestamp? {
        let parts = utf8.split { " ,-".utf8.contains($0) }.map { String(decoding: Array($0), as: UTF8.self) }
        switch parts.count {
        case 5: return moment(day: parts[2], month: parts[1], year: parts[4], time: parts[3])
        case 6 where parts[5].utf8.elementsEqual("GMT".utf8): return moment(day: parts[1], month: parts[2], year: parts[3], time: parts[4])
        default: return nil
        }
    }

    private static func moment(day: String, month: String, year: String, time: String) -> Timestamp? {
        guard let month = months.firstIndex(where: { $0.utf8.elementsEqual(month.utf8) }) else { return nil }
        // Two digits of a year are of this century: nobody is asked to wait for the last one.
        return Timestamp(text: "\(year.utf8.count == 2 ? "20" : "")\(year)-\(padded("\(month + 1)"))-\(padded(day))T\(time)Z")
    }

    private static func padded(_ number: String) -> String { number.utf8.count == 1 ? "0\(number)" : number }
}
