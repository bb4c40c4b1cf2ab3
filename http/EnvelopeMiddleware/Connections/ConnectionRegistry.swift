public import NIOCore
import Synchronization

/// The connections of one server: how many there are, whose they are, and which of them can be spared.
///
/// No client can hold a place by doing nothing. Where all are taken, the connection that has been quiet longest is closed for a new one; where
/// none is quiet, the new one is told so with a 503, from a few places kept for that, on which the calls of ``Limits/servedPaths`` are
/// answered all the same.
public final class ConnectionRegistry: Sendable {
    /// How many connections there may be.
    public struct Limits: Sendable {
        /// Connections that are served at once.
        public var connectionsMax = 10_000
        /// Further connections that are only told that there is no place. Beyond these, clients wait in the queue of the system.
        public var refusedMax = 256
        /// Connections of one address, IPv6 counted by networks of 64 bits; 0 for no limit.
        public var connectionsPerAddressMax = 0
        /// Whose connections count towards no address, because many clients come by them: those of trusted proxies.
        public var isShared: @Sendable (SocketAddress) -> Bool = { _ in false }
        /// Paths that are answered even where there is no place: health, above all.
        public var servedPaths: [String] = []

        /// The default limits.
        public init() {}
    }

    private struct State {
        var nextID: UInt64 = 0
        /// Those with a place, and those that are only told that there is none.
        var served = QuietConnections()
        var refused = QuietConnections()
        /// Those of both whose clients have answers to take.
        var taking = QuietConnections()
        /// Those with a place by address, where that is bounded.
        var addresses: [AddressShare: QuietConnections] = [:]
    }

    /// How long connections count as short after one found no place.
    private static let shortness = TimeAmount.seconds(1)

    /// How many connections there may be.
    public let limits: Limits
    private let state = Mutex(State())
    /// Until when connections are short, in nanoseconds of the same clock.
    private let shortUntil = Atomic<UInt64>(0)
    private let draining = Atomic(false)
    /// Requests that connections closed on since those are counted; -1 before.
    private let cutOff = Atomic(-1)

    /// A registry without connections.
    public init(limits: Limits = Limits()) {
        self.limits = limits
    }

    /// How many connections are served.
    public var servedCount: Int { self.state.withLock { $0.served.count } }

    /// Whether the path of a request target, without its query, is answered where there is no place.
    func serves(_ target: String?) -> Bool {
        guard let path = target?.utf8.prefix(while: { $0 != UInt8(ascii: "?") }) else { return false }
        return self.limits.servedPaths.contains { $0.utf8.elementsEqual(path) }
    }

    /// Enters a new connection, and has another one closed where that is needed and possible.
    /// - Parameters:
    ///   - address: Where the client is.
    ///   - spare: Closes the connection if it is still quiet. Called from any thread, without a lock held.
    func open(from address: SocketAddress?, spare: @escaping @Sendable () -> Void) -> ConnectionPlace {
        let share = self.limits.connectionsPerAddressMax > 0 ? address.flatMap(self.share) : nil
        let (place, spared) = self.state.withLock { state -> (ConnectionPlace, ConnectionPlace?) in
            let (refusal, spared) = self.makeRoom(for: share, in: &state)
            state.nextID += 1
            if refusal == .connections {
                self.shortUntil.store((NIODeadline.now() + Self.shortness).uptimeNanoseconds, ordering: .relaxed)
            }
            let place = ConnectionPlace(id: state.nextID, share: share, refusal: refusal, spare: spare)
            Self.enter(place, in: &state)
            return (place, spared)
        }
        spared?.spare()
        return place
    }

    /// Whether a new connection found no place just now, because all others were worked for.
    var isShort: Bool {
        let until = self.shortUntil.load(ordering: .relaxed)
        return until > 0 && NIODeadline.now().uptimeNanoseconds < until
    }

    /// Whether connections end with the answer to what their clients have sent so far.
    var isDraining: Bool { self.draining.load(ordering: .relaxed) }

    /// Has every connection, new ones as well, end with the answer to what its client has sent so far. For a server that is about to stop: whoever comes
    /// back is led elsewhere by then.
    public func drain() { self.draining.store(true, ordering: .relaxed) }

    /// Counts from now on the requests whose connections are closed before their answers are out.
    public func countCutOffRequests() {
        _ = self.cutOff.compareExchange(expected: -1, desired: 0, ordering: .relaxed)
    }

    /// How many there were, since they are counted.
    public var cutOffRequestCount: Int { max(0, self.cutOff.load(ordering: .relaxed)) }

    /// Notes that a connection was closed on requests that were not answered in full.
    func noteCutOff(_ count: Int) {
        guard count > 0, self.cutOff.load(ordering: .relaxed) >= 0 else { return }
        self.cutOff.add(count, ordering: .relaxed)
    }

    /// Gives the place of a connection back that was closed.
    func close(_ place: ConnectionPlace) {
        self.state.withLock { state in
            if place.standing == .entered { Self.leave(place, in: &state) }
            place.standing = .closed
        }
    }

    /// Takes back that a connection is spared: it was not quiet any more. For as long as it lasts there is one more than there may be.
    func keep(_ place: ConnectionPlace) {
        self.state.withLock { state in
            guard place.standing == .spared else { return }
            place.standing = .entered
            Self.enter(place, in: &state)
        }
    }

    /// Notes that bytes of an answer begin to wait for the client to take them, or that none wait any more.
    func note(_ place: ConnectionPlace, isTaking: Bool) {
        self.state.withLock { state in
            guard place.isTaking != isTaking else { return }
            place.isTaking = isTaking
            guard place.standing == .entered else { return }
            if isTaking { state.taking.insert(place) } else { state.taking.remove(place) }
        }
    }

    /// Has the connection closed whose client has taken nothing of its answer for longest, if there is one.
    public func spareStalledReader() {
        let place = self.state.withLock { state in state.taking.takeLongestQuiet().map { Self.spare($0, in: &state) } }
        place?.spare()
    }

    /// Has one connection closed that was quiet for longest: one without a place if there is any, else one with a place.
    public func spareOne() {
        let place = self.state.withLock { state in
            (state.refused.takeLongestQuiet() ?? state.served.takeLongestQuiet()).map { Self.spare($0, in: &state) }
        }
        place?.spare()
    }

    /// Finds out whether there is a place: why not, or which connection gives way where one has to.
    private func makeRoom(for share: AddressShare?, in state: inout State) -> (refusal: RequestRefusal?, spared: ConnectionPlace?) {
        if let share, let count = state.addresses[share]?.count, count >= self.limits.connectionsPerAddressMax {
            // It makes room among the connections of the address and among all.
            let spared = state.addresses[share]?.takeLongestQuiet().map { Self.spare($0, in: &state) }
            return (spared == nil ? .addressConnections : nil, spared)
        }
        guard state.served.count >= self.limits.connectionsMax else { return (nil, nil) }
        let spared = state.served.takeLongestQuiet().map { Self.spare($0, in: &state) }
        return (spared == nil ? .connections : nil, spared)
    }

    /// Counts on the connection's being closed, so that it is none of the others from now on.
    private static func spare(_ place: ConnectionPlace, in state: inout State) -> ConnectionPlace {
        self.leave(place, in: &state)
        place.standing = .spared
        return place
    }

    private static func enter(_ place: ConnectionPlace, in state: inout State) {
        if place.isTaking { state.taking.insert(place) }
        guard place.refusal == nil else { return state.refused.insert(place) }
        state.served.insert(place)
        if let share = place.share { state.addresses[share, default: QuietConnections()].insert(place) }
    }

    private static func leave(_ place: ConnectionPlace, in state: inout State) {
        if place.isTaking { state.taking.remove(place) }
        guard place.refusal == nil else { return state.refused.remove(place) }
        state.served.remove(place)
        guard let share = place.share else { return }
        state.addresses[share]?.remove(place)
        if state.addresses[share]?.count == 0 { state.addresses[share] = nil }
    }

    private func share(of address: SocketAddress) -> AddressShare? {
        self.limits.isShared(address) ? nil : AddressShare(address)
    }
}
