import ErrorEnvelope
import ErrorEnvelopeHummingbird
import Foundation
import Logging
import Personas
import PersonasHTTP
import TestSupport
import Testing

@testable import PersonasCLI

@Suite("Lines of the access log")
struct LineAccessLogTests {
    /// What is written to it, as text.
    private final class Sink: Sendable {
        private let written = Shared("")

        var text: String { written.value }

        @Sendable func write(_ bytes: [UInt8]) { written.withLock { $0 += String(decoding: bytes, as: UTF8.self) } }
    }

    private static let trace = TraceParent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    private static let caller = Caller(
        accountID: Identifier("018f3c2a-0000-7000-8000-0000000000ff")!, keyID: Identifier("ffffffff-ffff-4fff-bfff-fedcba987654")!,
        scopes: [.read])

    private static let plain = AccessLogEntry(
        requestID: "0b5f3c52-3b0f-4a56-8c1c-6f5c1a1de001", method: "GET", route: "/v2/personas/{id}", status: 200, code: nil,
        duration: .microseconds(33), caller: caller, trace: nil, address: "203.0.113.5", bytesIn: 0, bytesOut: 1_234)

    /// Texts that a line must not take as they are, and some that only look so.
    private static let oddTexts = [
        "", " ", "a b", "a=b", "\"", "\\", "\\\"", "\n", "\r\n", "\t", "\u{0}", "\u{1B}[31m", "\u{7F}", "\u{80}", "\u{9B}31m", "é世😀",
        "e\u{301}",
        "\u{2028}", "\u{202E}", "\u{2066}", "_", "p", "pkz_", "pkz_0123", "pkz_01234", "pkz_0123456789abcdefABCDEF",
        "xpkz_0123456789/pkz_98765",
        "\"pkz_0123456789\"", "pkz_01234é", "pkz_0123_4567", "ppkz_pkz_0123456789", "\u{85}next", "/v2/{mode}/\n", "/healthz", "}",
        "a\u{FEFF}b", String(repeating: "x", count: 300), String(repeating: "\n", count: 300),
    ]

    /// Every member there and not, every odd text in every place for one, numbers at their ends, and a mixture by chance.
    private static var entries: [AccessLogEntry] {
        var entries = [plain]
        func add(_ change: (inout AccessLogEntry) -> Void) {
            var entry = plain
            change(&entry)
            entries.append(entry)
        }
        for present in 0..<32 {
            add { entry in
                entry.caller = present & 1 == 0 ? nil : caller
                entry.trace = present & 2 == 0 ? nil : trace
                entry.code = present & 4 == 0 ? nil : .nameAlreadyExists
                entry.address = present & 8 == 0 ? nil : "2001:db8::1"
                entry.bytesOut = present & 16 == 0 ? nil : 0
            }
        }
        for text in oddTexts {
            add { $0.requestID = text }
            add { $0.method = text }
            add { $0.route = text }
            add { $0.address = text }
            add { $0.reason = text }
        }
        for code in ErrorCode.allCases { add { ($0.code, $0.status) = (code, code.status) } }
        for number in [0, 1, 9, 10, 99, 100, 65_536, 2_000_000_001, .max, -1, .min] {
            add { ($0.status, $0.bytesIn, $0.bytesOut) = (number, number, number) }
        }
        for duration: Duration in [.zero, .nanoseconds(1), .nanoseconds(999), .nanoseconds(1_999), .seconds(1), .milliseconds(86_400_001)] {
            add { $0.duration = duration }
        }
        var random = SplitMix64(seed: 9)
        for _ in 0..<500 {
            add { entry in
                entry.requestID = oddTexts.randomElement(using: &random)!
                entry.method = oddTexts.randomElement(using: &random)!
                entry.route = oddTexts.randomElement(using: &random)! + oddTexts.randomElement(using: &random)!
                entry.address = Bool.random(using: &random) ? oddTexts.randomElement(using: &random) : nil
                entry.reason = Bool.random(using: &random) ? oddTexts.randomElement(using: &random) : nil
                entry.code = Bool.random(using: &random) ? ErrorCode.allCases.randomElement(using: &random) : nil
                entry.caller = Bool.random(using: &random) ? Caller(accountID: .random(), keyID: .random(), scopes: []) : nil
                entry.trace = Bool.random(using: &random) ? trace : nil
                entry.status = .random(in: 100...599, using: &random)
                entry.duration = .nanoseconds(Int64.random(in: 0...10_000_000_000, using: &random))
                entry.bytesIn = .random(in: 0...100_000_000, using: &random)
                entry.bytesOut = Bool.random(using: &random) ? .random(in: 0...100_000_000, using: &random) : nil
            }
        }
        return entries
    }

    private static func metadata(_ entry: AccessLogEntry) -> Logger.Metadata {
        var metadata: Logger.Metadata = [
            "request_id": .string(entry.requestID), "method": .string(entry.method), "route": .string(entry.route),
            "status": .stringConvertible(entry.status), "duration_us": .stringConvertible(Int(entry.duration / .microseconds(1))),
            "bytes_in": .stringConvertible(entry.bytesIn),
        ]
        metadata["bytes_out"] = entry.bytesOut.map { .stringConvertible($0) }
        metadata["address"] = entry.address.map { .string($0) }
        metadata["reason"] = entry.reason.map { .string($0) }
        metadata["code"] = entry.code.map { .string($0.rawValue) }
        metadata["account"] = entry.caller.map { .string($0.accountID.text) }
        metadata["key"] = entry.caller.map { .string($0.keyID.text) }
        metadata["trace_id"] = entry.trace.map { .string($0.traceID) }
        metadata["parent_id"] = entry.trace.map { .string($0.parentID) }
        return metadata
    }

    @Test("are byte for byte those that the same facts give as metadata", arguments: LogFormat.allCases)
    func agreesWithHandler(format: LogFormat) {
        let (direct, handled) = (Sink(), Sink())
        let (directWriter, handledWriter) = (LogWriter(write: direct.write), LogWriter(write: handled.write))
        for (index, entry) in Self.entries.enumerated() {
            let clock = WallClock { Timestamp(milliseconds: 1_795_300_000_000 + 7_919 * Int64(index)) }
            LineAccessLog(level: .info, format: format, writer: directWriter, clock: clock).write(entry)
            let logger = Logger(label: "test") { _ in
                LineLogHandler(level: .info, format: format, writer: handledWriter, clock: clock)
            }
            logger.info("request", metadata: Self.metadata(entry))
        }
        directWriter.flush()
        handledWriter.flush()
        let (lines, expected) = (direct.text.split(separator: "\n"), handled.text.split(separator: "\n"))
        #expect(lines.count == Self.entries.count && expected.count == lines.count)
        for (line, expected) in zip(lines, expected) { #expect(line.utf8.elementsEqual(expected.utf8), "\(line) is not \(expected)") }
        #expect(!direct.text.contains("456789"))
    }

    @Test("say all that there is of a request, in these words")
    func words() {
        var entry = Self.plain
        entry.code = .notFound
        entry.reason = "Not found"
        entry.status = 404
        entry.trace = Self.trace
        for (format, line) in [
            (
                LogFormat.json,
                #"{"time":"2026-11-21T03:29:00.123Z","level":"info","message":"request","account":"018f3c2a-0000-7000-8000-0000000000ff","#
                    + #""address":"203.0.113.5","bytes_in":0,"bytes_out":1234,"code":"NOT_FOUND","duration_us":33,"#
                    + #""key":"ffffffff-ffff-4fff-bfff-fedcba987654","method":"GET","parent_id":"b7ad6b7169203331","#
                    + #""reason":"Not found","request_id":"0b5f3c52-3b0f-4a56-8c1c-6f5c1a1de001","route":"/v2/personas/{id}","status":404,"#
                    + #""trace_id":"0af7651916cd43dd8448eb211c80319c"}"#
            ),
            (
                .text,
                "2026-11-21T03:29:00.123Z INFO request account=018f3c2a-0000-7000-8000-0000000000ff address=203.0.113.5 bytes_in=0 "
                    + "bytes_out=1234 code=NOT_FOUND duration_us=33 key=ffffffff-ffff-4fff-bfff-fedcba987654 method=GET "
                    + "parent_id=b7ad6b7169203331 reason=\"Not found\" request_id=0b5f3c52-3b0f-4a56-8c1c-6f5c1a1de001 route=/v2/personas/{id} status=404 "
                    + "trace_id=0af7651916cd43dd8448eb211c80319c"
            ),
        ] {
            let sink = Sink()
            let writer = LogWriter(write: sink.write)
            let clock = WallClock { Timestamp(milliseconds: 1_795_231_740_123) }
            LineAccessLog(level: .info, format: format, writer: writer, clock: clock).write(entry)
            writer.flush()
            #expect(sink.text == line + "\n")
        }
    }

    @Test("are written where lines that inform are wanted, and not where only graver ones are", arguments: Logger.Level.allCases)
    func levels(level: Logger.Level) {
        let sink = Sink()
        let writer = LogWriter(write: sink.write)
        LineAccessLog(level: level, format: .json, writer: writer).write(Self.plain)
        writer.flush()
        #expect(sink.text.isEmpty == (level > .info))
    }
}
