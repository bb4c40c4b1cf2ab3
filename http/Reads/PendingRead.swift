import ErrorEnvelopeHummingbird
import NIOCore
import NIOHTTP1
import Personas

/// A read of an item that waits for a change on the event loop of its connection.
///
/// It holds what the request says, and nothing of the store. When it is woken, it reads the item as any other does.
final class PendingRead: PendingAnswer {
    /// How many of those that wait for one change look at it in the same millisecond: as many as leave half of the processor to others.
    private static let looksPerMillisecond = 32

    let readHead: ReadHead
    let reads: PikzonalityReads
    /// What stands for the item's id in the path.
    let id: String
    let caller: Caller
    let facts: ImmediateReads.Facts
    let connection: ConnectionPeer
    let start: ContinuousClock.Instant

    private let responder: ImmediateReads
    private let head: HTTPRequestHead
    private let itemID: Identifier
    private let wait: ItemWait
    /// From the beginning to the end of the wait.
    private var open: OpenWait?
    private var vainWakes = -1

    init(
        responder: ImmediateReads, head: HTTPRequestHead, readHead: ReadHead, reads: PikzonalityReads, id: String, itemID: Identifier,
        wait: ItemWait, caller: Caller, facts: ImmediateReads.Facts, connection: ConnectionPeer, start: ContinuousClock.Instant
    ) {
        self.responder = responder
        self.head = head
        self.readHead = readHead
        self.reads = reads
        self.id = id
        self.itemID = itemID
        self.wait = wait
        self.caller = caller
        self.facts = facts
        self.connection = connection
        self.start = start
    }

    var timeout: TimeAmount { .seconds(Int64(wait.seconds)) }

    func begin(_ wake: @escaping @Sendable (TimeAmount) -> Void) -> Bool {
        open = reads.waits.beginNow(itemID, of: caller.accountID, for: readHead.question(id).interest) { before in
            wake(.milliseconds(Int64(before / Self.looksPerMillisecond)))
        }
        // The other way refuses it, and counts it there.
        if open == nil { responder.limiter.takeBack(caller.keyID) }
        return open != nil
    }

    func look(isLast: Bool) -> PendingLook {
        // The first look is that of the request itself.
        if !isLast { vainWakes += 1 }
        return responder.look(self, isLast: isLast || !ItemWaits.mayGoOn(vainWakes: vainWakes))
    }

    /// The request as one that does not wait, for the other way to answer.
    var headWithoutWait: HTTPRequestHead {
        var head = head
        head.uri = readHead.path
        head.headers.remove(name: "Prefer")
        return head
    }
}
