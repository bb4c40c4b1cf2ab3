import TestSupport
import Testing

@Suite("Reading a stream of Server-Sent Events")
struct EventStreamReaderTests {
    private static let stream = """
        \u{FEFF}retry: 3000

        id: 4182.k3f9
        event: persona.completed
        data: {"a":
        data:  1}

        : ping

        id
        event: nothing
        unknown: field

        data

        data: cut off
        """
    private static let events = [
        StreamedEvent(id: "4182.k3f9", name: "persona.completed", data: "{\"a\":\n 1}"), StreamedEvent(id: "", name: "message", data: ""),
    ]

    @Test("Events come out whole in whatever pieces and with whatever line ends they arrive", arguments: ["\n", "\r", "\r\n"])
    func pieces(lineEnd: String) {
        let bytes = Array(Self.stream.replacing("\n", with: lineEnd).utf8)
        for size in 1...bytes.count {
            var reader = EventStreamReader(lastEventID: "before")
            var events: [StreamedEvent] = []
            for start in stride(from: 0, to: bytes.count, by: size) { events += reader.read(bytes[start..<min(start + size, bytes.count)]) }
            #expect(events == Self.events, "in pieces of \(size)")
            #expect(reader.retryMilliseconds == 3_000 && reader.commentCount == 1 && reader.lastEventID.isEmpty)
        }
    }

    @Test("An id holds until another is named, and one of an event that was cut off does not count")
    func identifiers() {
        var reader = EventStreamReader(lastEventID: "1.a")
        #expect(reader.read("data: x\n\n".utf8) == [StreamedEvent(id: "1.a", name: "message", data: "x")])
        #expect(reader.read("id: 2.a\ndata: y\n".utf8) == [])
        #expect(reader.lastEventID == "1.a")
        #expect(reader.read("\n".utf8) == [StreamedEvent(id: "2.a", name: "message", data: "y")])
        #expect(reader.lastEventID == "2.a")
    }
}
