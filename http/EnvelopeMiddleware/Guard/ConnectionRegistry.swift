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
        public var connectionsMax = 512
        /// Further connections that are only told that there is no place. Beyond these, clients wait in the queue of the system.
        public var refusedMax = 32
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
        var places: [UInt64: ConnectionPlace] = [:]
        var nextID: UInt64 = 0
        var servedCount = 0
        var addressCounts: [AddressShare: Int] = [:]
        /// Places that were quiet when last looked for, the longest quiet one last, so that not every new connection looks at all others.
        var candidates: [(id: UInt64, quietSince: UInt64)] = []
    }

    /// Quiet places that one look at all of them remembers.
    private static let candidatesMax = 64
    /// How long connections count as short after one found no place.
    private static let shortness = TimeAmount.seconds(1)

    /// How many connections there may be.
    public let limits: Limits
    private let state = Mutex(State())
    /// Until when connections are short, in nanoseconds of the same clock.
    private let shortUntil = Atomic<UInt64>(0)

    /// A registry without connections.
    public init(limits: Limits = Limits()) {
        self.limits = limits
    }

    /// How many connections are served.
    public var servedCount: Int { self.state.withLock { $0.servedCount } }

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
            state.places[place.id] = place
            if refusal == nil { Self.count(place, by: 1, in: &state) }
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

    /// Gives the place of a connection back that was closed.
    func close(_ place: ConnectionPlace) {
        self.state.withLock { state in
            guard state.places.removeValue(forKey: place.id) != nil, place.refusal == nil, !place.isSpared else { return }
            Self.count(place, by: -1, in: &state)
        }
    }

    /// Takes back that a connection is spared: it was not quiet any more. For as long as it lasts there is one more than there may be.
    func keep(_ place: ConnectionPlace) {
        self.state.withLock { state in
            guard place.isSpared, state.places[place.id] != nil else { return }
            place.isSpared = false
            if place.refusal == nil { Self.count(place, by: 1, in: &state) }
        }
    }

    /// Has the connection closed whose client has taken nothing of its answer for longest, if there is one.
    public func spareStalledReader() {
        let place = self.state.withLock { state in Self.longestQuiet(in: &state) { $0.isTaking } }
        place?.spare()
    }

    /// Has one connection closed that was quiet for longest: one without a place if there is any, else one with a place.
    public func spareOne() {
        let place = self.state.withLock { state -> ConnectionPlace? in
            Self.longestQuiet(in: &state) { $0.refusal != nil } ?? Self.longestQuiet(in: &state) { $0.refusal == nil }
        }
        place?.spare()
    }

    /// Finds out whether there is a place: why not, or which connection gives way where one has to.
    private func makeRoom(for share: AddressShare?, in state: inout State) -> (refusal: RequestRefusal?, spared: ConnectionPlace?) {
        if let share, state.addressCounts[share, default: 0] >= self.limits.connectionsPerAddressMax {
            // It makes room among the connections of the address and among all.
            let spared = Self.longestQuiet(in: &state) { $0.refusal == nil && $0.share == share }
            return (spared == nil ? .addressConnections : nil, spared)
        }
        guard state.servedCount >= self.limits.connectionsMax else { return (nil, nil) }
        let spared = Self.longestQuietServed(in: &state)
        return (spared == nil ? .connections : nil, spared)
    }

    /// The served connection that was quiet for longest, which counts no more from now on.
    private static func longestQuietServed(in state: inout State) -> ConnectionPlace? {
        for _ in 0..<2 {
            while let (id, quietSince) = state.candidates.popLast() {
                guard let place = state.places[id], !place.isSpared, place.quietSince == quietSince else { continue }
                return Self.spare(place, in: &state)
            }
            let now = NIODeadline.now().uptimeNanoseconds
            let quiet = state.places.values.lazy.filter { $0.refusal == nil && !$0.isSpared }
                .map { (id: $0.id, quietSince: $0.quietSince) }.filter { $0.quietSince <= now }
                .sorted { $0.quietSince > $1.quietSince }
            state.candidates = Array(quiet.suffix(Self.candidatesMax))
        }
        return nil
    }

    private static func longestQuiet(in state: inout State, _ isMeant: (ConnectionPlace) -> Bool) -> ConnectionPlace? {
        let now = NIODeadline.now().uptimeNanoseconds
        let place = state.places.values.filter { !$0.isSpared && isMeant($0) && $0.quietSince <= now }
            .min { $0.quietSince < $1.quietSince }
        return place.map { Self.spare($0, in: &state) }
    }

    private static func spare(_ place: ConnectionPlace, in state: inout State) -> ConnectionPlace {
        place.isSpared = true
        if place.refusal == nil { Self.count(place, by: -1, in: &state) }
        return place
    }

    private static func count(_ place: ConnectionPlace, by difference: Int, in state: inout State) {
        state.servedCount += difference
        guard let share = place.share else { return }
        let count = state.addressCounts[share, default: 0] + difference
        state.addressCounts[share] = count > 0 ? count : nil
    }

    private func share(of address: SocketAddress) -> AddressShare? {
        self.limits.isShared(address) ? nil : AddressShare(address)
    }
}

/// One connection in a ``ConnectionRegistry``.
final class ConnectionPlace: Sendable {
    /// What stands for "not quiet": later than every moment.
    private static let never = UInt64.max

    let id: UInt64
    let share: AddressShare?
    /// Why the connection is not served; nil for one that is.
    let refusal: RequestRefusal?
    /// Closes the connection if it is still quiet.
    let spare: @Sendable () -> Void
    private let quietFrom: Atomic<UInt64>
    private let spared = Atomic(false)
    private let taking = Atomic(false)

    fileprivate init(id: UInt64, share: AddressShare?, refusal: RequestRefusal?, spare: @escaping @Sendable () -> Void) {
        self.id = id
        self.share = share
        self.refusal = refusal
        self.spare = spare
        self.quietFrom = Atomic(NIODeadline.now().uptimeNanoseconds)
    }

    /// Since when nothing moves on the connection and no handler works for it; in the future, or never, while something does.
    fileprivate var quietSince: UInt64 { self.quietFrom.load(ordering: .relaxed) }

    /// Whether the registry counts on its being closed; changed only under the registry's lock.
    fileprivate(set) var isSpared: Bool {
        get { self.spared.load(ordering: .relaxed) }
        set { self.spared.store(newValue, ordering: .relaxed) }
    }

    /// Whether bytes of an answer wait for the client to take them.
    var isTaking: Bool { self.taking.load(ordering: .relaxed) }

    /// Says that bytes of an answer begin to wait.
    func beginsTaking() { self.taking.store(true, ordering: .relaxed) }

    /// Says that no bytes of an answer wait any more.
    func endsTaking() { self.taking.store(false, ordering: .relaxed) }

    /// Whether nothing moves on the connection and no handler works for it.
    var isQuiet: Bool { self.quietSince <= NIODeadline.now().uptimeNanoseconds }

    /// Says that the connection is quiet after some time, unless something happens until then.
    func becomesQuiet(after time: TimeAmount = .zero) {
        self.quietFrom.store((NIODeadline.now() + time).uptimeNanoseconds, ordering: .relaxed)
    }

    /// Says that a request of the connection is worked on.
    func becomesBusy() { self.quietFrom.store(Self.never, ordering: .relaxed) }
}

/// Whom a connection counts for: an IPv4 address, or a network of IPv6 as one customer has it.
struct AddressShare: Hashable {
    private enum Family: Hashable {
        case v4, v6
    }

    private let family: Family
    private let bits: UInt64

    /// Nil for addresses of no host, such as those of Unix domain sockets.
    init?(_ address: SocketAddress) {
        // Where the address stands in `sockaddr_in` and `sockaddr_in6`.
        let (v4, v6) = (4, 8)
        switch address {
        case .v4:
            self.family = .v4
            self.bits = address.withSockAddr { pointer, size in
                UInt64(UnsafeRawBufferPointer(start: pointer, count: size).loadUnaligned(fromByteOffset: v4, as: UInt32.self))
            }
        case .v6:
            let (network, host) = address.withSockAddr { pointer, size in
                let bytes = UnsafeRawBufferPointer(start: pointer, count: size)
                return (
                    bytes.loadUnaligned(fromByteOffset: v6, as: UInt64.self),
                    UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: v6 + 8, as: UInt64.self))
                )
            }
            // An IPv4 client of a socket for both families (RFC 4291, section 2.5.5.2): all of them have one network.
            let isMapped = network == 0 && host >> 32 == 0xFFFF
            self.family = isMapped ? .v4 : .v6
            self.bits = isMapped ? UInt64(UInt32(truncatingIfNeeded: host).bigEndian) : network
        case .unixDomainSocket:
            return nil
        }
    }
}
