import ErrorEnvelopeHummingbird
import Hummingbird
import NIOCore
import Personas
import Synchronization

/// What is known of every request: its id, and once authentication has seen it, who calls.
struct PersonasRequestContext: EnvelopeRequestContext {
    var coreContext: CoreRequestContextStorage
    /// The connection, for answers that go no faster than their client.
    let channel: any Channel
    private let facts = RequestFacts()

    init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        channel = source.channel
    }

    var requestID: String {
        get { facts.state.withLock { $0.requestID } }
        nonmutating set { facts.state.withLock { $0.requestID = newValue } }
    }

    /// Who calls; nil until authentication has said so.
    var caller: Caller? {
        get { facts.state.withLock { $0.caller } }
        nonmutating set { facts.state.withLock { $0.caller = newValue } }
    }

    /// Where the caller's key stands with its rate limits; nil until it was counted.
    var rateLimit: RateLimiter.Standing? {
        get { facts.state.withLock { $0.rateLimit } }
        nonmutating set { facts.state.withLock { $0.rateLimit = newValue } }
    }
}

extension PersonasRequestContext {
    /// How often is looked whether the client is still there. The channel would tell by itself, but each request that asked it to would leave
    /// something behind until the connection ends.
    private static let lookInterval = Duration.milliseconds(200)

    /// Waits for something to be granted, and cancels the wait once the client has gone away.
    func whileConnected(_ wait: @escaping @Sendable () async -> Bool) async -> Bool {
        // Only a channel that a server has accepted can be closed by a client.
        guard channel.parent != nil else { return await wait() }
        return await withTaskGroup(of: Bool?.self) { group in
            group.addTask { await wait() }
            group.addTask { [channel] in
                while channel.isActive, !Task.isCancelled { try? await Task.sleep(for: Self.lookInterval) }
                return nil
            }
            var isGranted = false
            for await answer in group {
                if let answer { isGranted = answer }
                group.cancelAll()
            }
            return isGranted
        }
    }
}

/// What the layers find out about a request, in one place for all copies of its context: the access log learns the caller from the layers
/// within, and handing a context on copies one reference.
private final class RequestFacts: Sendable {
    struct State {
        var requestID = ""
        var caller: Caller?
        var rateLimit: RateLimiter.Standing?
    }

    let state = Mutex(State())
}

/// A request whose caller is known. Routes that need one can be mounted on no other context.
struct CallerContext: ChildRequestContext {
    var coreContext: CoreRequestContextStorage
    let requestID: String
    let caller: Caller

    init(context: PersonasRequestContext) throws {
        guard let caller = context.caller else { throw Failure.missingAPIKey }
        coreContext = context.coreContext
        requestID = context.requestID
        self.caller = caller
    }
}
