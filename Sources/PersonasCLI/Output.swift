import Foundation
import Synchronization

/// The only place that writes to the terminal: results to standard output, everything else to standard error.
enum Output {
    private static let order = Mutex(())
    /// Why standard output did not take all that it was to, as errno has it; 0 as long as it did.
    private static let lossCode = Mutex<Int32>(0)

    /// What a command failed with whose output has no reader any more.
    static let readerGone = CommandFailure(.failed, "the reader of the output is gone")

    /// Whether a person is likely to look at standard error right now.
    static var standardErrorIsTerminal: Bool { isatty(STDERR_FILENO) == 1 }

    /// Writes a line of a result.
    static func line(_ text: String) {
        write(Array((printable(text) + "\n").utf8), to: STDOUT_FILENO)
    }

    /// Writes one JSON document as a result, on one line.
    static func json(_ value: some Encodable) throws(CommandFailure) { text(try jsonText(value) + "\n") }

    /// A value as JSON, on one line, with every member. Names of members are those of the types with their words parted by `_`, as the API has them.
    static func jsonText(_ value: some Encodable) throws(CommandFailure) -> String {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            return String(decoding: try encoder.encode(EveryMember(value: value)), as: UTF8.self)
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
        let code = write(Array(text.utf8), to: STDOUT_FILENO)
        guard code == 0 else { throw CommandFailure(.failed, String(cString: strerror(code))) }
    }

    /// Writes bytes of a result as they are.
    /// - Throws: as `requireTaken`.
    static func bytes(_ bytes: [UInt8]) throws(CommandFailure) {
        write(bytes, to: STDOUT_FILENO)
        try requireTaken()
    }

    /// Makes sure that standard output has taken all that it was to; whoever writes much asks in between, to stop where nobody reads it.
    /// - Throws: `failed` when it has not; `readerGone` when that is because its reader wants no more.
    static func requireTaken() throws(CommandFailure) {
        let code = lossCode.withLock { $0 }
        if code == EPIPE { throw readerGone }
        if code != 0 { throw CommandFailure(.failed, "the output could not be written: \(String(cString: strerror(code)))") }
    }

    /// Makes sure, as the last thing, that what standard output took is where it belongs: some file systems tell of a full disk only at the end.
    static func finish() throws(CommandFailure) {
        let copy = dup(STDOUT_FILENO)
        if copy >= 0, close(copy) != 0, errno != EINTR { lose(errno) }
        try requireTaken()
    }

    /// Prepares the three descriptors that every process has, before anything is opened.
    ///
    /// One that the caller has closed would go to the next file that is opened, such as the database, and what is meant for people would be written into
    /// that. So it gets what refuses to be written to, or read from. A reader that is gone is an error, and not the end of the process.
    static func prepare() {
        for (descriptor, mode) in [(STDIN_FILENO, O_WRONLY), (STDOUT_FILENO, O_RDONLY), (STDERR_FILENO, O_RDONLY)]
        where fcntl(descriptor, F_GETFD) < 0 {
            // The lowest free number is this one, because those below it are open by now.
            _ = open("/dev/null", mode)
        }
        signal(SIGPIPE, SIG_IGN)
    }

    /// Ends the process as the signal does that tells a program of a reader that is gone: without a word, as `head` expects it.
    static func endWithoutReader() -> Never {
        signal(SIGPIPE, SIG_DFL)
        raise(SIGPIPE)
        exit(ExitStatus.failed.rawValue)
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
        let rows = rows.map { $0.map(printable) }
        for row in rows {
            for (column, cell) in row.enumerated() {
                if column == widths.count { widths.append(0) }
                widths[column] = max(widths[column], TextWidth.columns(of: cell))
            }
        }
        return rows.map { row in
            let cells = row.indices.map { row[$0] + String(repeating: " ", count: widths[$0] - TextWidth.columns(of: row[$0])) }
            return String(cells.joined(separator: "  ").reversed().drop { $0 == " " }.reversed())
        }
    }

    /// A text that cannot move the cursor or colour the terminal: control characters become visible. What joins emoji to one stays between them.
    static func printable(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: isControl) else { return text }
        var scalars = String.UnicodeScalarView()
        for character in text {
            let isEmoji = character.unicodeScalars.first?.properties.isEmojiPresentation == true
            for scalar in character.unicodeScalars {
                if isControl(scalar), !(isEmoji && scalar == "\u{200D}") {
                    scalars += scalar.escaped(asASCII: true).unicodeScalars
                } else {
                    scalars.append(scalar)
                }
            }
        }
        return String(scalars)
    }

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        scalar.properties.generalCategory == .control || scalar.properties.generalCategory == .format
    }

    /// Remembers the first reason for which standard output took no more.
    private static func lose(_ code: Int32) { lossCode.withLock { if $0 == 0 { $0 = code } } }

    /// Writes bytes, none of them behind a gap.
    /// - Returns: why not all were written, as errno has it; 0 where they were. `requireTaken` tells the same of standard output later.
    @discardableResult
    private static func write(_ bytes: [UInt8], to descriptor: Int32) -> Int32 {
        let isOutput = descriptor == STDOUT_FILENO
        let lostBefore = isOutput ? lossCode.withLock { $0 } : 0
        guard lostBefore == 0 else { return lostBefore }
        let code = writeAll(bytes, to: descriptor)
        if isOutput, code != 0 { lose(code) }
        return code
    }

    private static func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Int32 {
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
