import Foundation
import Synchronization

/// The only place that writes to the terminal: results to standard output, everything else to standard error.
enum Output {
    private static let order = Mutex(())

    /// Whether a person is likely to look at standard error right now.
    static var standardErrorIsTerminal: Bool { isatty(STDERR_FILENO) == 1 }

    /// Writes a line of a result.
    static func line(_ text: String) {
        write(Array((printable(text) + "\n").utf8), to: STDOUT_FILENO)
    }

    /// Writes one JSON document as a result, on one line.
    static func json(_ value: some Encodable) throws {
        write(Array(try document(value)) + [0x0A], to: STDOUT_FILENO)
    }

    /// A result as JSON. Names of members are those of the types with their words parted by `_`, as the API has them.
    static func document(_ value: some Encodable) throws -> Data {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(value)
    }

    /// Writes a table as a result: columns as wide as they need to be, nothing at all for no rows but the headings.
    static func table(_ headings: [String], _ rows: [[String]]) {
        for text in tableLines(headings, rows) { line(text) }
    }

    /// Writes a line for the person at the terminal that is no part of the result.
    static func note(_ text: String) {
        write(Array((printable(text) + "\n").utf8), to: STDERR_FILENO)
    }

    /// Writes over the current line of standard error, without ending it.
    static func status(_ text: String) {
        write(Array(("\r\u{1B}[K" + printable(text)).utf8), to: STDERR_FILENO)
    }

    /// Writes bytes to standard error as they are; for log lines, which are made safe where they are made.
    static func log(_ bytes: [UInt8]) {
        write(bytes, to: STDERR_FILENO)
    }

    /// The lines of a table, without white space at their ends.
    static func tableLines(_ headings: [String], _ rows: [[String]]) -> [String] {
        let table = [headings.map { $0.uppercased() }] + rows
        let widths = headings.indices.map { column in table.map { $0[column].count }.max() ?? 0 }
        return table.map { row in
            let cells = row.indices.map { row[$0] + String(repeating: " ", count: widths[$0] - row[$0].count) }
            return String(cells.joined(separator: "  ").reversed().drop { $0 == " " }.reversed())
        }
    }

    /// A text that cannot move the cursor or colour the terminal: control characters become visible.
    static func printable(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: isControl) else { return text }
        return String(
            String.UnicodeScalarView(text.unicodeScalars.flatMap { isControl($0) ? Array($0.escaped(asASCII: true).unicodeScalars) : [$0] })
        )
    }

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        scalar.properties.generalCategory == .control || scalar.properties.generalCategory == .format
    }

    private static func write(_ bytes: [UInt8], to descriptor: Int32) {
        order.withLock { _ in
            var start = 0
            while start < bytes.count {
                let written = bytes[start...].withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
                if written < 0, errno == EINTR { continue }
                // Nobody reads any more; there is nobody left to tell.
                guard written > 0 else { return }
                start += written
            }
        }
    }
}
