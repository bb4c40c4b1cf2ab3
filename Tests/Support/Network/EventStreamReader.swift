/// One event of a stream of Server-Sent Events, as a browser would dispatch it.
package struct StreamedEvent: Sendable, Equatable {
    /// The last id that the stream has named so far; empty before the first.
    package let id: String
    /// What the event is called; `message` where the stream does not say.
    package let name: String
    /// What it says, its lines joined.
    package let data: String

    package init(id: String, name: String, data: String) {
        self.id = id
        self.name = name
        self.data = data
    }
}

/// Reads a stream of Server-Sent Events from pieces of any size, as the WHATWG standard has it.
package struct EventStreamReader: Sendable {
    /// The last id that was named before an event or behind it, with which a client connects again.
    package private(set) var lastEventID: String
    /// How long the stream asks to wait before connecting again, in milliseconds; nil where it does not.
    package private(set) var retryMilliseconds: Int?
    /// How many comments have come, which are how a stream says that it is alive.
    package private(set) var commentCount = 0

    private var line: [UInt8] = []
    private var wasReturn = false
    private var isFirstLine = true
    private var namedID: String
    private var name = ""
    private var data: [String] = []

    /// - Parameter lastEventID: the id with which the stream was opened, which holds until it names another.
    package init(lastEventID: String = "") {
        self.lastEventID = lastEventID
        namedID = lastEventID
    }

    /// Takes what has arrived. Returns the events that have ended in it; one that is not followed by an empty line does not count.
    package mutating func read(_ bytes: some Sequence<UInt8>) -> [StreamedEvent] {
        var events: [StreamedEvent] = []
        for byte in bytes {
            // A line ends with a line feed, a carriage return, or both.
            let isSecondOfBoth = byte == UInt8(ascii: "\n") && wasReturn
            wasReturn = byte == UInt8(ascii: "\r")
            if isSecondOfBoth { continue }
            guard wasReturn || byte == UInt8(ascii: "\n") else {
                line.append(byte)
                continue
            }
            if isFirstLine, line.starts(with: [0xEF, 0xBB, 0xBF]) { line.removeFirst(3) }
            isFirstLine = false
            let text = String(decoding: line, as: UTF8.self)
            line.removeAll(keepingCapacity: true)
            if let event = take(text) { events.append(event) }
        }
        return events
    }

    private mutating func take(_ line: String) -> StreamedEvent? {
        guard !line.isEmpty else { return dispatch() }
        guard let colon = line.utf8.firstIndex(of: UInt8(ascii: ":")) else {
            take(field: line, "")
            return nil
        }
        guard colon != line.utf8.startIndex else {
            commentCount += 1
            return nil
        }
        let value = line.utf8[line.utf8.index(after: colon)...]
        take(field: String(line[..<colon]), String(Substring(value.first == UInt8(ascii: " ") ? value.dropFirst() : value)))
        return nil
    }

    private mutating func take(field: String, _ value: String) {
        switch field {
        case "event": name = value
        case "data": data.append(value)
        case "id": if !value.utf8.contains(0) { namedID = value }
        case "retry": if value.utf8.allSatisfy({ (0x30...0x39).contains($0) }) { retryMilliseconds = Int(value) }
        default: break
        }
    }

    private mutating func dispatch() -> StreamedEvent? {
        lastEventID = namedID
        defer { (name, data) = ("", []) }
        return data.isEmpty
            ? nil : StreamedEvent(id: lastEventID, name: name.isEmpty ? "message" : name, data: data.joined(separator: "\n"))
    }
}
