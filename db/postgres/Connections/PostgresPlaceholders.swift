/// A statement with its places as PostgreSQL writes them.
///
/// Statements are written once for all engines with `?` and `?1`, which mean what they do to SQLite: `?` is one more than the highest so far.
struct PostgresPlaceholders {
    /// The statement with `$1` and so on.
    let sql: String
    /// How many values it takes.
    let count: Int

    init(_ sql: String) {
        var scanner = Scanner(bytes: Array(sql.utf8))
        scanner.run()
        self.sql = String(decoding: scanner.written, as: UTF8.self)
        count = scanner.highest
    }

    private struct Scanner {
        let bytes: [UInt8]
        var written: [UInt8] = []
        var highest = 0
        private var index = 0

        init(bytes: [UInt8]) {
            self.bytes = bytes
            written.reserveCapacity(bytes.count + 16)
        }

        mutating func run() {
            while index < bytes.count {
                let next = index + 1 < bytes.count ? bytes[index + 1] : 0
                switch bytes[index] {
                case UInt8(ascii: "?"): place()
                case UInt8(ascii: "'"): copy(upTo: UInt8(ascii: "'"))
                case UInt8(ascii: "\""): copy(upTo: UInt8(ascii: "\""))
                case UInt8(ascii: "-") where next == UInt8(ascii: "-"): copy(upTo: UInt8(ascii: "\n"))
                case UInt8(ascii: "/") where next == UInt8(ascii: "*"): copyComment()
                default: copy()
                }
            }
        }

        private mutating func copy() {
            written.append(bytes[index])
            index += 1
        }

        /// Copies what begins here up to its last byte. A doubled quotation mark ends one text and begins another, which comes to the same.
        private mutating func copy(upTo end: UInt8) {
            copy()
            while index < bytes.count {
                let isLast = bytes[index] == end
                copy()
                if isLast { return }
            }
        }

        /// To PostgreSQL comments hold comments.
        private mutating func copyComment() {
            var depth = 0
            while index < bytes.count {
                let pair = index + 1 < bytes.count ? (bytes[index], bytes[index + 1]) : (bytes[index], 0)
                if pair == (UInt8(ascii: "/"), UInt8(ascii: "*")) {
                    depth += 1
                    copy()
                } else if pair == (UInt8(ascii: "*"), UInt8(ascii: "/")) {
                    depth -= 1
                    copy()
                }
                copy()
                if depth == 0 { return }
            }
        }

        private mutating func place() {
            index += 1
            var number = 0
            while index < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[index]), number < 100_000 {
                number = 10 * number + Int(bytes[index] - UInt8(ascii: "0"))
                index += 1
            }
            if number == 0 { number = highest + 1 }
            highest = max(highest, number)
            written.append(UInt8(ascii: "$"))
            written.append(contentsOf: String(number).utf8)
        }
    }
}
