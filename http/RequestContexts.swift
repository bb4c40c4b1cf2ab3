import ErrorEnvelopeHummingbird
import Hummingbird
import Personas
import Synchronization

/// What is known of every request: its id, and once authentication has seen it, who calls.
struct PersonasRequestContext: EnvelopeRequestContext {
    var coreContext: CoreRequestContextStorage
    var requestID = ""
    /// Who calls; nil until authentication has said so.
    var caller: Caller?
    /// Carries the caller back out to the access log, which has its own copy of the context.
    let trace = RequestTrace()

    init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
    }
}

/// What the inner layers tell the access log of a request.
final class RequestTrace: Sendable {
    private let state = Mutex<Caller?>(nil)

    /// Who called, once known.
    var caller: Caller? {
        get { state.withLock { $0 } }
        set { state.withLock { $0 = newValue } }
    }
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
