import Personas

/// A date in a header (RFC 9110, 5.6.7), in the one form that is sent today: `Sun, 06 Nov 1994 08:49:37 GMT`.
enum HTTPDate {
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    private static let bytes = 29

    /// Reads one; nil for all else.
    static func moment(_ text: String) -> Timestamp? {
        guard text.utf8.count == bytes else { return nil }
        let parts = text.utf8.split(separator: UInt8(ascii: " ")).map { String(decoding: Array($0), as: UTF8.self) }
        guard parts.count == 6, parts[5] == "GMT", let month = months.firstIndex(of: parts[2]) else { return nil }
        return Timestamp(text: "\(parts[3])-\(month < 9 ? "0" : "")\(month + 1)-\(parts[1])T\(parts[4])Z")
    }

    /// Seconds that `Retry-After` asks to wait; nil for what is neither a number nor a date.
    static func seconds(retryAfter text: String, now: Timestamp) -> Double? {
        if text.utf8.allSatisfy({ 0x30...0x39 ~= $0 }) { return text.isEmpty ? nil : Double(text) }
        return moment(text).map { max(0, Double($0.milliseconds - now.milliseconds) / 1_000) }
    }
}
