import NIOPosix
package import Personas
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Looks up the addresses of a host.
package protocol HostResolver: Sendable {
    /// Every address that the name has, in the order in which to try them.
    ///
    /// The call may outlast its cancellation; a caller that cannot wait must leave it behind.
    /// - Throws: anything, where the name has none or cannot be looked up.
    func addresses(of name: String) async throws -> [IPAddress]
}

/// Asks the operating system, which sorts the addresses by what the machine can reach (RFC 6724).
///
/// `getaddrinfo` blocks for as long as a name server is silent and cannot be cancelled, so it has threads of its own: on the shared
/// ones, a few dead names would stop every file from being read.
package final class SystemHostResolver: HostResolver {
    /// Why a name has no usable addresses; the code is that of `getaddrinfo`.
    package struct LookupProblem: Error, Sendable, Equatable, CustomStringConvertible {
        /// The code, for example `EAI_NONAME`; 0 where the answer could not be used.
        package let code: Int32
        /// Whether no name server could be asked, or none has answered, so that nothing is known of the name.
        package var isTemporary: Bool { code == EAI_AGAIN }
        /// The words of the system for the code.
        package var description: String { code == 0 ? "no usable address" : String(cString: gai_strerror(code)) }
    }

    private let lookupsMax: Int
    private let takesSearchDomains: Bool
    /// Started by the first lookup, because most commands look up nothing.
    private let threads = Mutex<NIOThreadPool?>(nil)

    /// - Parameters:
    ///   - lookupsMax: how many names are looked up at once; more wait for their turn.
    ///   - takesSearchDomains: whether the system's search list is tried too, and names from `/etc/hosts`. A stranger's name must not be
    ///     completed to one of the operator's own.
    package init(lookupsMax: Int, takesSearchDomains: Bool) {
        self.lookupsMax = lookupsMax
        self.takesSearchDomains = takesSearchDomains
    }

    deinit {
        threads.withLock { $0 }?.shutdownGracefully { _ in }
    }

    package func addresses(of name: String) async throws -> [IPAddress] {
        // A dot at the end makes a name complete, so that no search domain is added to it.
        let query = takesSearchDomains ? name : "\(name)."
        return try await startedThreads().runIfActive { try Self.lookUp(query) }
    }

    private func startedThreads() -> NIOThreadPool {
        threads.withLock { threads in
            if let threads { return threads }
            let started = NIOThreadPool(numberOfThreads: lookupsMax)
            started.start()
            threads = started
            return started
        }
    }

    private static func lookUp(_ name: String) throws -> [IPAddress] {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        #if canImport(Glibc)
            hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        #else
            hints.ai_socktype = SOCK_STREAM
        #endif
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(name, nil, &hints, &list)
        guard code == 0 else { throw LookupProblem(code: code) }
        defer { freeaddrinfo(list) }
        var addresses: [IPAddress] = []
        var next = list
        while let entry = next?.pointee {
            // An answer that cannot be judged must not be passed over, because any bad answer makes all of them suspect.
            guard let address = address(of: entry) else { throw LookupProblem(code: 0) }
            addresses.append(address)
            next = entry.ai_next
        }
        return addresses
    }

    private static func address(of entry: addrinfo) -> IPAddress? {
        var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        let code = getnameinfo(entry.ai_addr, entry.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
        guard code == 0 else { return nil }
        // An address with a zone is text that no `IPAddress` reads.
        return IPAddress(String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self))
    }
}
