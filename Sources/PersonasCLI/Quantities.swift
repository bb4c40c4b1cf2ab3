/// Numbers in words for people.
enum Quantities {
    /// A number with its thousands parted: `1,234`.
    static func number(_ value: Int) -> String {
        let digits = Array(String(value.magnitude))
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index).isMultiple(of: 3) { text += "," }
            text.append(digit)
        }
        return value < 0 ? "-" + text : text
    }

    /// So many of something: `1 image`, `1,234 images`.
    static func count(_ value: Int, _ one: String, _ many: String? = nil) -> String {
        "\(number(value)) \(value == 1 ? one : many ?? one + "s")"
    }

    /// Bytes in the unit that leaves one to three digits before the point: `12.3 MB`. A thousand of each make the next, as disks are sold.
    static func bytes(_ value: Int) -> String {
        let units = ["kB", "MB", "GB", "TB", "PB"]
        guard value >= 1_000 else { return count(value, "byte") }
        var (tenths, unit) = (value / 100, 0)
        while tenths >= 10_000, unit + 1 < units.count { (tenths, unit) = (tenths / 1_000, unit + 1) }
        return "\(number(tenths / 10)).\(tenths % 10) \(units[unit])"
    }

    /// A duration in its two largest units: `3 days 4 hours`.
    static func duration(seconds: Int) -> String {
        let parts = [(seconds / 86_400, "day"), (seconds / 3_600 % 24, "hour"), (seconds / 60 % 60, "minute"), (seconds % 60, "second")]
        guard let first = parts.firstIndex(where: { $0.0 > 0 }) else { return "0 seconds" }
        return parts[first...].prefix(2).filter { $0.0 > 0 }.map { count($0.0, $0.1) }.joined(separator: " ")
    }
}
