import Dispatch
import Foundation
import Logging
import Synchronization
import Testing

@testable import PersonasCLI

@Suite("Writing the log")
struct LogWriterTests {
    /// What was written, and how often.
    private final class Sink: Sendable {
        private let state = Mutex((text: "", writes: 0))
        private let written = DispatchSemaphore(value: 0)

        var text: String { state.withLock { $0.text } }
        var writes: Int { state.withLock { $0.writes } }

        @Sendable func write(_ bytes: [UInt8]) {
            state.withLock { state in
                state.text += String(decoding: bytes, as: UTF8.self)
                state.writes += 1
            }
            written.signal()
        }

        func waitForWrite() -> Bool { written.wait(timeout: .now() + 10) == .success }
    }

    /// A writer whose first line is not read before others have come, and nothing of these is, how long that may take.
    private func whileNothingIsRead(into sink: Sink, _ append: (LogWriter) -> Void) -> LogWriter {
        let (begun, read) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        let writer = LogWriter { bytes in
            begun.signal()
            read.wait()
            sink.write(bytes)
        }
        writer.append(Array("first\n".utf8), isUrgent: true)
        #expect(begun.wait(timeout: .now() + 10) == .success)
        append(writer)
        for _ in 0..<100 { read.signal() }
        writer.flush()
        return writer
    }

    @Test("Lines wait for each other and are written together, in their order, by themselves")
    func batches() {
        let sink = Sink()
        let writer = LogWriter(write: sink.write)
        for number in 0..<100 { writer.append(Array("\(number)\n".utf8), isUrgent: false) }
        #expect(sink.waitForWrite())
        writer.flush()
        #expect(sink.text == (0..<100).map { "\($0)\n" }.joined())
        #expect(sink.writes < 100)
    }

    @Test("A flush writes everything at once")
    func flush() {
        let sink = Sink()
        let writer = LogWriter(write: sink.write)
        writer.append(Array("a\n".utf8), isUrgent: false)
        writer.flush()
        #expect(sink.text == "a\n")
        writer.flush()
        #expect(sink.writes == 1)
    }

    @Test("When lines are not read, they are dropped and counted instead of filling the memory")
    func bounded() {
        let sink = Sink()
        let line = [UInt8](repeating: UInt8(ascii: "x"), count: 1_048_575) + [0x0A]
        _ = whileNothingIsRead(into: sink) { writer in
            for _ in 0..<12 { writer.append(line, isUrgent: false) }
        }
        #expect(sink.text.utf8.count <= 9 * 1_048_576)
        #expect(sink.text.contains("log lines were dropped"))
    }

    @Test("A line that there is no room for is dropped whole, whichever way it comes, and those before it stay")
    func droppedWhole() {
        let sink = Sink()
        let half = [UInt8](repeating: UInt8(ascii: "x"), count: 4 * 1_048_576 - 3)
        let writer = whileNothingIsRead(into: sink) { writer in
            writer.append(half, isUrgent: false)
            writer.append { $0.put(lines: half) }
            writer.append { $0.put("123456\n") }
            writer.append { text in
                text.put("12")
                text.put("3456\n")
            }
            writer.append { $0.put("12345\n") }
            writer.append(Array("7".utf8), isUrgent: false)
        }
        let lines = sink.text.split(separator: "\n")
        #expect(lines.count == 3)
        #expect(lines.dropFirst().first?.utf8.count == 8 * 1_048_576 - 1)
        #expect(lines.dropFirst().first?.hasSuffix("x12345") == true)
        #expect(lines.last?.contains("\"lines\":3}") == true)
        // There is room again, and what was dropped is told of once.
        writer.append { $0.put("123456\n") }
        writer.flush()
        #expect(sink.text.hasSuffix("\"lines\":3}\n123456\n"))
    }

    @Test("Lines of many threads are all there, each whole, however often they are written meanwhile")
    func concurrent() {
        let sink = Sink()
        let writer = LogWriter(write: sink.write)
        DispatchQueue.concurrentPerform(iterations: 8) { thread in
            for number in 0..<1_000 {
                writer.append { text in
                    text.put(thread)
                    text.put(":")
                    text.put(number)
                    text.put("\n")
                }
                if number % 100 == thread { writer.flush() }
            }
        }
        writer.flush()
        let lines = sink.text.split(separator: "\n").map(String.init)
        for thread in 0..<8 {
            #expect(lines.filter { $0.hasPrefix("\(thread):") } == (0..<1_000).map { "\(thread):\($0)" })
        }
        #expect(lines.count == 8_000)
    }

    @Test("The handler adds its metadata, and keeps secrets out")
    func handler() throws {
        let sink = Sink()
        let writer = LogWriter(write: sink.write)
        var logger = Logger(label: "test") { _ in LineLogHandler(level: .info, format: .json, writer: writer) }
        logger[metadataKey: "request_id"] = "1"
        logger.debug("hidden")
        logger.info("shown", metadata: ["status": .stringConvertible(Int64(200))])
        logger.error("broken", error: CommandFailure(.failed, "no pkz_0123456789abcdef"), metadata: ["request_id": "2"])
        writer.flush()
        #expect(sink.waitForWrite())
        let lines = sink.text.split(separator: "\n").map(String.init)
        try #require(lines.count == 2)
        #expect(lines[0].hasSuffix(#""level":"info","message":"shown","request_id":"1","status":200}"#))
        #expect(lines[1].contains(#""request_id":"2""#))
        #expect(lines[1].contains("pkz_0123[hidden]"))
    }
}
