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
    static func json(_ value: some Encodable) throws(CommandFailure) { text(try jsonText(value) + "\n") }

    /// A value as JSON, on one line. Names of members are those of the types with their words parted by `_`, as the API has them.
    static func jsonText(_ value: some Encodable) throws(CommandFailure) -> String {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            return String(decoding: try encoder.encode(value), as: UTF8.self)
        } catch {
            throw CommandFailure(.failed, "the answer cannot be written as JSON")
        }
    }

    /// Writes a part of a result as it is.
    static func text(_ text: String) {
        write(Array(text.utf8), to: STDOUT_FILENO)
    }

    /// Writes a result that cannot be had a second time.
    /// - Throws: `failed` with the reason when not all of it was taken.
    static func deliver(_ text: String) throws(CommandFailure) {
        // So that a reader that is gone is an error here, and not the end of the process.
        signal(SIGPIPE, SIG_IGN)
        let code = write(Array(text.utf8), to: STDOUT_FILENO)
        guard code == 0 else { throw CommandFailure(.failed, String(cString: strerror(code))) }
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

    /// Columns that a terminal has at least wherever somebody reads; what is wrapped is wrapped to these.
    private static let columns = 100

    /// A text as lines that are indented and fit the terminal, parted at blanks. A word that is longer than a line stands whole on one of its own,
    /// because what is copied from there has to be whole.
    static func wrapped(_ text: String, indentation: Int) -> [String] {
        let margin = String(repeating: " ", count: indentation)
        var lines: [String] = []
        var line = ""
        for word in text.split(separator: " ") {
            if !line.isEmpty, indentation + line.count + 1 + word.count > columns {
                lines.append(margin + line)
                line = ""
            }
            line += (line.isEmpty ? "" : " ") + word
        }
        return lines + [margin + line]
    }

    /// The lines of a table, without white space at their ends.
    static func tableLines(_ headings: [String], _ rows: [[String]]) -> [String] {
        var widths: [Int] = []
        return lines([headings.map { $0.uppercased() }] + rows, widening: &widths)
    }

    /// Lines of a table that continue those above, whose columns become wider where they need to.
    static func lines(_ rows: [[String]], widening widths: inout [Int]) -> [String] {
        for row in rows {
            for (column, cell) in row.enumerated() {
                if column == widths.count { widths.append(0) }
                widths[column] = max(widths[column], cell.count)
            }
        }
        return rows.map { row in
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

    /// Writes bytes; what is lost because the reader is gone has mostly none left to be told.
    /// - Returns: why not all were written, as errno has it; 0 where they were.
    @discardableResult
    private static func write(_ bytes: [UInt8], to descriptor: Int32) -> Int32 {
        order.withLock { _ in
            var start = 0
            while start < bytes.count {
                let written = bytes[start...].withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
                if written < 0, errno == EINTR { continue }
                guard written > 0 else { return written < 0 ? errno : EIO }
                start += written
            }
            return 0
        }
    }
}
