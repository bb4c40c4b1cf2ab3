import NIOCore
import Personas
import PersonasWire
import Synchronization

/// Writes what a stream of events consists of (HTML, section 9.2.5, "Server-sent events").
final class EventFrames: Sendable {
    /// What every stream begins with: after how many milliseconds a client that is cut off comes back.
    static let retry: StaticString = "retry: 3000\n\n"
    /// What tells a client, and whatever lies between, that the stream lives.
    static let ping: StaticString = ": ping\n\n"

    /// Why a client cannot go on where it has stopped.
    enum ResyncReason: String {
        /// Events are gone that it has not read.
        case expired
        /// The database is another than that whose events it has read.
        case restored
    }

    /// Events that are remembered as they are sent, so that many who follow an account share one text; older ones go.
    fileprivate struct Memory {
        var frames: [Identifier: (isReduced: Bool, bytes: ByteBuffer)] = [:]
        var order: [Identifier] = []
        var oldest = 0
        var bytes = 0
    }

    private static let rememberedBytesMax = 8 * 1_024 * 1_024

    private let epoch: any EpochStore
    private let publicURL: PublicURL
    private let memory = Mutex(Memory())

    init(epoch: any EpochStore, publicURL: PublicURL) {
        self.epoch = epoch
        self.publicURL = publicURL
    }

    /// The text of a place, which clients come back with.
    func cursor(_ sequence: Int64) -> String { EventCursor(sequence: sequence, epoch: epoch.epoch).description }

    /// Where the stream begins that a client has asked for without saying where.
    func ready(at sequence: Int64) -> ByteBuffer { frame(sequence, "ready", ByteBuffer(string: "{}")) }

    /// That there are no events to come.
    func end(at sequence: Int64) -> ByteBuffer { frame(sequence, "end", ByteBuffer(string: "{}")) }

    /// That the client has missed events, and where the stream goes on.
    func resync(_ reason: ResyncReason, at sequence: Int64) -> ByteBuffer {
        frame(sequence, "resync", ByteBuffer(string: "{\"reason\":\"\(reason.rawValue)\"}"))
    }

    /// An event.
    /// - Parameter isRecent: whether others are likely to be sent the same event about now.
    func event(_ event: Event, isRecent: Bool) -> ByteBuffer {
        guard isRecent else { return written(event) }
        // What an item was like is forgotten while it is remembered here.
        var isReduced = false
        if case .gone = event.subject { isReduced = true }
        if let known = memory.withLock({ $0.frames[event.id] }), known.isReduced == isReduced { return known.bytes }
        let bytes = written(event)
        memory.withLock { memory in
            if let known = memory.frames.updateValue((isReduced, bytes), forKey: event.id) {
                memory.bytes += bytes.readableBytes - known.bytes.readableBytes
            } else {
                memory.order.append(event.id)
                memory.bytes += bytes.readableBytes
            }
            memory.forgetOldest(bytesMax: Self.rememberedBytesMax)
        }
        return bytes
    }

    private func written(_ event: Event) -> ByteBuffer {
        let representation = Representation(base: publicURL.base)
        let json = ByteBuffer(json: Representation.bytes(items: 1)) { writer in representation.event(event, &writer) }
        return frame(event.sequence, event.type.text, json)
    }

    private func frame(_ sequence: Int64, _ type: String, _ data: ByteBuffer) -> ByteBuffer {
        var bytes = ByteBuffer()
        bytes.reserveCapacity(data.readableBytes + 96)
        bytes.writeString("id: \(cursor(sequence))\nevent: \(type)\ndata: ")
        bytes.writeImmutableBuffer(data)
        bytes.writeStaticString("\n\n")
        return bytes
    }
}

extension EventFrames.Memory {
    fileprivate mutating func forgetOldest(bytesMax: Int) {
        while bytes > bytesMax, oldest < order.count {
            if let gone = frames.removeValue(forKey: order[oldest]) { bytes -= gone.bytes.readableBytes }
            oldest += 1
        }
        guard oldest * 2 > order.count else { return }
        order.removeFirst(oldest)
        oldest = 0
    }
}
