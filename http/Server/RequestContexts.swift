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

    /// The template of the route that was found. Where none was, Hummingbird gives none as well or a name that is no path.
    var route: String? { endpointPath.flatMap { $0.utf8.first == UInt8(ascii: "/") ? $0 : nil } }

    var requestID: String {
        get { facts.state.withLock { $0.requestID } }
        nonmutating set { facts.state.withLock { $0.requestID = newValue } }
    }

    /// Who calls; nil until authentication has said so.
    var caller: Caller? {
        get { facts.state.withLock { $0.caller } }
        nonmutating set { facts.state.withLock { $0.caller = newValue } }
    }

    /// Whether a key was presented that no caller was ever given, which need not be looked up a second time.
    var isKeyUnknown: Bool {
        get { facts.state.withLock { $0.isKeyUnknown } }
        nonmutating set { facts.state.withLock { $0.isKeyUnknown = newValue } }
    }

    /// Where the caller's key stands with its rate limits; nil until it was counted.
    var rateLimit: RateLimiter.Standing? {
        get { facts.state.withLock { $0.rateLimit } }
        nonmutating set { facts.state.withLock { $0.rateLimit = newValue } }
    }

    /// The trace that the request belongs to; nil where it names none.
    var trace: TraceParent? { facts.state.withLock { $0.trace } }

    /// The error that the request is answered with; nil as long as it is answered with none.
    var error: EnvelopeError? { facts.state.withLock { $0.error } }

    func noteTrace(_ trace: TraceParent) { facts.state.withLock { $0.trace = trace } }

    func noteError(_ error: EnvelopeError) { facts.state.withLock { $0.error = error } }
}

/// What the layers find out about a request, in one place for all copies of its context: the access log learns the caller and the error
/// from the layers within, and handing a context on copies one reference.
private final class RequestFacts: Sendable {
    struct State {
        var requestID = ""
        var caller: Caller?
        var isKeyUnknown = false
        var rateLimit: RateLimiter.Standing?
        var trace: TraceParent?
        var error: EnvelopeError?
    }

    let state = Mutex(State())
}

/// A request whose caller is known. Routes that need one can be mounted on no other context.
struct CallerContext: ChildRequestContext {
    var coreContext: CoreRequestContextStorage
    let requestID: String
    let caller: Caller
    /// The connection, which may end a wait.
    let channel: any Channel

    init(context: PersonasRequestContext) throws {
        guard let caller = context.caller else { throw Failure.missingAPIKey }
        coreContext = context.coreContext
        requestID = context.requestID
        self.caller = caller
        channel = context.channel
    }
}
