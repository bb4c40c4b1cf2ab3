import NIOCore
import Synchronization

/// One connection in a ``ConnectionRegistry``.
final class ConnectionPlace: Sendable {
    /// What stands for "not quiet": later than every moment.
    private static let never = UInt64.max

    /// How the registry reckons with a connection.
    enum Standing: UInt8, AtomicRepresentable {
        /// As one of those that are open.
        case entered
        /// As one that is being closed for another.
        case spared
        /// No more.
        case closed
    }

    let id: UInt64
    let share: AddressShare?
    /// Why the connection is not served; nil for one that is.
    let refusal: RequestRefusal?
    /// Closes the connection if it is still quiet.
    let spare: @Sendable () -> Void
    private let quietFrom: Atomic<UInt64>
    private let stands = Atomic(Standing.entered)
    private let taking = Atomic(false)

    init(id: UInt64, share: AddressShare?, refusal: RequestRefusal?, spare: @escaping @Sendable () -> Void) {
        self.id = id
        self.share = share
        self.refusal = refusal
        self.spare = spare
        self.quietFrom = Atomic(NIODeadline.now().uptimeNanoseconds)
    }

    /// Since when nothing moves on the connection and no handler works for it; in the future, or never, while something does.
    var quietSince: UInt64 { self.quietFrom.load(ordering: .relaxed) }

    /// How the registry reckons with it; changed only under the registry's lock.
    var standing: Standing {
        get { self.stands.load(ordering: .relaxed) }
        set { self.stands.store(newValue, ordering: .relaxed) }
    }

    /// Whether bytes of an answer wait for the client to take them; changed only under the registry's lock.
    var isTaking: Bool {
        get { self.taking.load(ordering: .relaxed) }
        set { self.taking.store(newValue, ordering: .relaxed) }
    }

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
