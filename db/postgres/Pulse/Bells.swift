import Foundation
import Personas
import Synchronization

/// What one process tells the others of, because it is on disk: whose events there are, which items have changed, and which work may have come.
struct Bell: Equatable, Sendable {
    /// Work that may have come.
    struct Work: OptionSet, Sendable {
        let rawValue: UInt8

        /// Training jobs.
        static let jobs = Work(rawValue: 1)
        /// Bytes of images that may have become superfluous.
        static let removals = Work(rawValue: 2)
        /// Deliveries that may be due.
        static let deliveries = Work(rawValue: 4)
        /// Deliveries that may have become superfluous.
        static let deliveryRemovals = Work(rawValue: 8)
        /// Top-ups.
        static let topUps = Work(rawValue: 16)
        /// Everything there is: too much has happened, or something may have been missed.
        static let everything = Work(rawValue: 128)
    }

    /// Accounts and items that one bell names; with more it rings for everything.
    static let namesMax = 2_048
    /// Names in one payload: the server takes less than 8,000 bytes, of base64 here.
    static let namesPerPayloadMax = 340
    /// The first byte of a payload, by which a process of another version tells that it does not know the rest.
    private static let version: UInt8 = 1

    private enum Kind: UInt8 {
        case account = 0
        case item = 1
        case settledItem = 2
        case accountGone = 3
    }

    var work: Work = []
    /// Accounts of which there are events.
    var accounts: Set<Identifier> = []
    /// Items that have changed, and whether one of the changes settled them.
    var items: [Identifier: Bool] = [:]
    /// Accounts that are gone.
    var accountsGone: Set<Identifier> = []

    /// Whether it tells of nothing.
    var isEmpty: Bool { self == Bell() }

    /// Takes what another tells of as well.
    mutating func add(_ other: Bell) {
        work.formUnion(other.work)
        accounts.formUnion(other.accounts)
        accountsGone.formUnion(other.accountsGone)
        items.merge(other.items) { $0 || $1 }
        let namesCount = accounts.count + items.count + accountsGone.count
        if work.contains(.everything) || namesCount > Self.namesMax { self = Bell(work: .everything) }
    }

    /// As payloads of notifications, each with the number of who sends them.
    func payloads(from sender: Identifier) -> [String] {
        var names: [(Kind, Identifier)] = accounts.map { (.account, $0) } + accountsGone.map { (.accountGone, $0) }
        names += items.map { ($0.value ? .settledItem : .item, $0.key) }
        var payloads: [String] = []
        var rest = names[...]
        repeat {
            var bytes = [Self.version] + sender.bytes + [payloads.isEmpty ? work.rawValue : 0]
            for (kind, name) in rest.prefix(Self.namesPerPayloadMax) { bytes += [kind.rawValue] + name.bytes }
            rest = rest.dropFirst(Self.namesPerPayloadMax)
            payloads.append(Data(bytes).base64EncodedString())
        } while !rest.isEmpty
        return payloads
    }

    /// Reads a payload; what it cannot read rings for everything.
    /// - Returns: the bell, and who has sent it, if that can be told.
    static func read(_ payload: String) -> (bell: Bell, sender: Identifier?) {
        let bytes = Data(base64Encoded: payload).map { Array($0) } ?? []
        guard bytes.count >= 18, bytes[0] == version, (bytes.count - 18) % 17 == 0 else { return (Bell(work: .everything), nil) }
        func name(at index: Int) -> Identifier? { bytes[index..<index + 16].withUnsafeBytes { Identifier(bytes: $0) } }
        var bell = Bell(work: Work(rawValue: bytes[17]))
        for index in stride(from: 18, to: bytes.count, by: 17) {
            guard let kind = Kind(rawValue: bytes[index]), let name = name(at: index + 1) else { return (Bell(work: .everything), nil) }
            switch kind {
            case .account: bell.accounts.insert(name)
            case .item: bell.items[name] = bell.items[name] ?? false
            case .settledItem: bell.items[name] = true
            case .accountGone: bell.accountsGone.insert(name)
            }
        }
        return (bell, name(at: 1))
    }
}

extension Bell {
    /// What a change of items tells of.
    init(_ news: ItemChanges.News) {
        switch news {
        case .item(let change): items = [change.id: change.isSettled]
        case .accountGone(let accountID): accountsGone = [accountID]
        }
    }
}

/// What is rung in this process when a bell comes from another, or something may have been missed.
struct BellReceivers: Sendable {
    let feed: EventFeed
    let changes: ItemChanges
    /// Those of the process that serves; nil until it does.
    var signals: WorkSignals?
    var topUpWaits: TopUpWaits?

    /// Rings.
    func take(_ bell: Bell) {
        guard !bell.work.contains(.everything) else { return takeAll() }
        // Accounts that are gone come first, because those who are woken are asked for their keys.
        for accountID in bell.accountsGone { changes.receive(.accountGone(accountID)) }
        for (id, isSettled) in bell.items { changes.receive(.item(ItemChange(id, isSettled: isSettled))) }
        feed.announce(bell.accounts)
        for accountID in bell.accounts { topUpWaits?.receive(accountID) }
        for (work, signal) in workSignals where bell.work.contains(work) { signal.notifyHere() }
    }

    /// Rings for everything.
    func takeAll() {
        changes.receiveAll()
        feed.announceAll()
        topUpWaits?.receiveAll()
        for (_, signal) in workSignals { signal.notifyHere() }
    }

    /// Has a function called for whatever is rung in this process.
    func forward(to tell: @escaping @Sendable (Bell) -> Void) {
        for (work, signal) in workSignals { signal.forward { tell(Bell(work: work)) } }
        topUpWaits?.forward { tell(Bell(accounts: [$0])) }
    }

    private var workSignals: [(Bell.Work, WakeSignal)] {
        guard let signals else { return [] }
        return [
            (.jobs, signals.jobs), (.removals, signals.removals), (.deliveries, signals.deliveries),
            (.deliveryRemovals, signals.deliveryRemovals), (.topUps, signals.topUps),
        ]
    }
}
