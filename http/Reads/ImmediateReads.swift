import ErrorEnvelope
import ErrorEnvelopeHummingbird
import HTTPTypes
import Hummingbird
import NIOCore
import NIOHTTP1
import Personas

/// Answers reads on the event loop, where nothing has to be waited for: no lock that a slow request may hold, no thread, no turn.
///
/// What it does for a request is what the layers of `HTTPService.router` and the routes behind them do, by the same functions and in the same
/// order. Everything else is theirs alone: searches, images, limits that were met, errors that are logged.
struct ImmediateReads: ImmediateResponder {
    let routes: ReadRoutes
    /// Every route of the router, for paths that are none of a read's.
    let table: RouteTable
    let trustsIncomingRequestID: Bool
    let authentication: Authentication
    let limiter: RateLimiter
    let rateLimitFields: RateLimitFields
    let crossOrigin: CrossOriginMiddleware
    let maintenance: MaintenanceMiddleware
    let health: HealthRoutes
    let media: MediaRoutes
    let me: MeRoutes
    let credits: CreditRoutes?
    let events: EventReads
    let accessLog: AccessLog
    let metrics: RequestMetrics

    /// What is found out about a request on the way to its answer.
    struct Facts {
        /// The template of its path, where it has one.
        var route: String?
        var caller: Caller?
        /// Why the request is refused, where it is.
        var refusal: EnvelopeError?
        var standing: RateLimiter.Standing?
        /// Whether answers of the route say where its caller stands.
        var isLimited = true
        /// Whether any page may read answers of the route.
        var isOpen = false
        var isKeyUnknown = false
    }

    func connection(from address: SocketAddress?) -> ConnectionPeer { accessLog.addresses.peer(at: address) }

    func answer(_ head: HTTPRequestHead, on connection: ConnectionPeer) -> ImmediateAnswer? {
        let start = ContinuousClock.now
        guard let head = ReadHead(head) else { return nil }
        var facts = Facts()
        let requestID = RequestIdentifier.make(from: trustsIncomingRequestID ? head.requestID : nil)
        guard var answer = outcome(requestID: requestID, &facts, { facts in try perform(head, &facts) }) else {
            if facts.standing != nil, let caller = facts.caller { limiter.takeBack(caller.keyID) }
            return nil
        }
        guard noteStanding(presenting: head.apiKey, &facts) else { return nil }
        complete(&answer, to: head, requestID: requestID, facts, since: start, on: connection)
        return answer
    }

    func pending(_ head: HTTPRequestHead, on connection: ConnectionPeer) -> (any PendingAnswer)? {
        let start = ContinuousClock.now
        guard let readHead = ReadHead(head), case .item(let reads, let id)? = routes.route(readHead.path) else { return nil }
        var facts = Facts()
        facts.note(.item(reads, id), path: readHead.path)
        // Whatever else there is to say is said on the other way.
        guard let caller = try? admitted(readHead, &facts) else { return nil }
        guard case .awaitsChange(let itemID, let wait)? = try? reads.itemNow(readHead.question(id), caller) else {
            limiter.takeBack(caller.keyID)
            return nil
        }
        return PendingRead(
            responder: self, head: head, readHead: readHead, reads: reads, id: id, itemID: itemID, wait: wait, caller: caller, facts: facts,
            connection: connection, start: start)
    }

    func streamed(_ head: HTTPRequestHead, on connection: ConnectionPeer) -> (any StreamedAnswer)? {
        let start = ContinuousClock.now
        guard let head = ReadHead(head), head.method == .get, case .events(let item)? = routes.route(head.path) else { return nil }
        var facts = Facts()
        facts.note(.events(item: item), path: head.path)
        // Whatever else there is to say is said on the other way.
        guard let caller = try? admitted(head, &facts) else { return nil }
        guard case .opens(let opening)? = try? events.outcomeNow(head.question(item), caller) else {
            limiter.takeBack(caller.keyID)
            return nil
        }
        let requestID = RequestIdentifier.make(from: trustsIncomingRequestID ? head.requestID : nil)
        var fields = EventReads.streamFields
        finish(&fields, of: head, requestID: requestID, facts)
        let keyID = caller.keyID
        return LoopEventStream(
            EventStream(opening, reads: events, ring: EventRing()), of: caller.accountID,
            head: HTTPResponse(status: .ok, headerFields: fields), streams: events.streams
        ) { [limiter] in
            // The other way refuses it, and counts it there.
            limiter.takeBack(keyID)
        } onBeginning: { [metrics] in
            metrics.countImmediate(.get, route: facts.route, status: 200, code: nil, duration: start.duration(to: .now))
        } onEnd: { [accessLog] bytesOut in
            accessLog.writer.write(
                AccessLogEntry(
                    requestID: requestID, method: head.method.rawValue, route: facts.route ?? AccessLog.noRoute, status: 200, code: nil,
                    duration: start.duration(to: .now), caller: caller, trace: head.trace,
                    address: accessLog.addresses.text(of: connection, forwardedFor: head.forwardedFor), bytesIn: 0, bytesOut: bytesOut))
        }
    }

    /// Sees whether a read that waits has its answer.
    func look(_ read: PendingRead, isLast: Bool) -> PendingLook {
        var facts = read.facts
        let requestID = RequestIdentifier.make(from: trustsIncomingRequestID ? read.readHead.requestID : nil)
        var goesOn = false
        let found = outcome(requestID: requestID, &facts) { facts in
            // The key may have become worthless meanwhile. The read was counted when it came.
            guard let caller = try knownCaller(read.readHead, &facts) else { return nil }
            switch try read.reads.itemNow(read.readHead.question(read.id), caller, isLast: isLast) {
            case .answer(let answer): return answer.immediate
            case .awaitsChange: goesOn = true
            case .unread: break
            }
            return nil
        }
        if goesOn { return .goesOn }
        guard var answer = found else {
            limiter.takeBack(read.caller.keyID)
            return .handOn(read.headWithoutWait)
        }
        complete(&answer, to: read.readHead, requestID: requestID, facts, since: read.start, on: read.connection)
        return .answer(answer)
    }

    /// Adds what every answer says, and tells log and metrics of it.
    private func complete(
        _ answer: inout ImmediateAnswer, to head: ReadHead, requestID: String, _ facts: Facts, since start: ContinuousClock.Instant,
        on connection: ConnectionPeer
    ) {
        finish(&answer.head.headerFields, of: head, requestID: requestID, facts)
        if head.method == .head { answer.body = nil }
        let duration = start.duration(to: .now)
        let status = answer.head.status.code
        metrics.countImmediate(head.method, route: facts.route, status: status, code: facts.refusal?.code, duration: duration)
        accessLog.writer.write(
            AccessLogEntry(
                requestID: requestID, method: head.method.rawValue, route: facts.route ?? AccessLog.noRoute, status: status,
                code: facts.refusal?.code, reason: facts.refusal?.loggedReason, duration: duration, caller: facts.caller, trace: head.trace,
                address: accessLog.addresses.text(of: connection, forwardedFor: head.forwardedFor), bytesIn: 0,
                bytesOut: answer.body?.readableBytes ?? 0))
    }

    /// The answer or refusal, without what every answer says; nil where it has to be waited for, or the log has to be told why.
    private func outcome(
        requestID: String, _ facts: inout Facts, _ body: (inout Facts) throws -> ImmediateAnswer?
    ) -> ImmediateAnswer? {
        do {
            return try body(&facts)
        } catch {
            let error = EnvelopeError(converting: error)
            guard error.cause == nil, error.code.status != 500 else { return nil }
            facts.refusal = error
            let (head, body) = error.answer(requestID: requestID)
            return ImmediateAnswer(head: head, body: body)
        }
    }

    private func perform(_ head: ReadHead, _ facts: inout Facts) throws -> ImmediateAnswer? {
        let route = routes.route(head.path)
        facts.note(route, path: head.path)
        switch route {
        case .item(let reads, let id):
            guard let caller = try admitted(head, &facts) else { return nil }
            guard case .answer(let answer) = try reads.itemNow(head.question(id), caller) else { return nil }
            return answer.immediate
        case .list(let reads):
            guard let caller = try admitted(head, &facts) else { return nil }
            return try reads.listNow(head.query, caller)?.immediate
        case .events(let item):
            guard let caller = try admitted(head, &facts) else { return nil }
            switch try events.outcomeNow(head.question(item), caller) {
            case .answer(let answer): return answer.immediate
            case .opens where head.method == .head: return JSONAnswer(before: EventReads.streamFields).immediate
            case .opens, .unread: return nil
            }
        case .me:
            guard let caller = try admitted(head, &facts) else { return nil }
            return try me.answerNow(presenting: head.apiKey, caller)?.immediate
        case .credits:
            guard let caller = try admitted(head, &facts) else { return nil }
            return try credits?.standingNow(caller)?.immediate
        case .creditEntries:
            guard let caller = try admitted(head, &facts) else { return nil }
            return try credits?.entriesNow(head.query, caller)?.immediate
        case .media(let token):
            guard let fields = try media.knownNow(token, ifNoneMatch: head.knownTags) else { return nil }
            return ImmediateAnswer(head: HTTPResponse(status: .notModified, headerFields: fields), body: nil)
        case .health:
            return try health.answerNow(head.path)?.immediate
        case nil:
            let methods = table.methods(at: head.path)
            // One that takes GET is another call's.
            guard !methods.contains(.get), !methods.contains(.head) else { return nil }
            try maintenance.requireOpen(head.path)
            guard let allow = table.allow(for: head.method, at: head.path) else { throw EnvelopeError(.notFound) }
            throw EnvelopeError(.methodNotAllowed, headers: [.allow: allow])
        }
    }

    /// The caller, once nothing stands against a read of that key; nil where the key cannot be looked up now, or the read has to wait for others
    /// of the key.
    private func admitted(_ head: ReadHead, _ facts: inout Facts) throws(Failure) -> Caller? {
        guard let caller = try knownCaller(head, &facts), let standing = limiter.countNow(caller.keyID) else { return nil }
        facts.standing = standing
        return caller
    }

    /// The caller, unless the service is closed or the key good for nothing; nil where the key cannot be looked up now.
    private func knownCaller(_ head: ReadHead, _ facts: inout Facts) throws(Failure) -> Caller? {
        try maintenance.requireOpen(head.path)
        do throws(Failure) {
            facts.caller = try authentication.callerNow(presenting: head.apiKey)
        } catch {
            facts.isKeyUnknown = error == .unknownAPIKey
            throw error
        }
        return facts.caller
    }

    /// Takes note of where the caller stands of an answer that was found before it came to be counted.
    /// - Returns: false where to find that out needs waiting, so that the other way answers.
    private func noteStanding(presenting secret: String?, _ facts: inout Facts) -> Bool {
        guard facts.standing == nil, facts.isLimited, !facts.isKeyUnknown else { return true }
        switch rateLimitFields.standingNow(presenting: secret) {
        case .known(let standing): facts.standing = standing
        case .ofNobody: break
        case .waits: return false
        }
        return true
    }

    /// What every answer says.
    private func finish(_ fields: inout HTTPFields, of head: ReadHead, requestID: String, _ facts: Facts) {
        if let standing = facts.standing { rateLimitFields.add(standing, to: &fields) }
        crossOrigin.add(to: &fields, origin: head.origin, isOpen: facts.isOpen)
        SecurityHeaders.add(to: &fields)
        // Every envelope says it already.
        if facts.refusal == nil { fields.append(HTTPField(name: .xRequestID, value: requestID)) }
        fields.append(HTTPDate.field)
    }
}

extension ImmediateReads.Facts {
    /// Takes note of what the route says by itself.
    fileprivate mutating func note(_ found: ReadRoute?, path: String) {
        switch found {
        case .item(let reads, _): route = reads.surface.itemPath
        case .list(let reads): route = reads.surface.path
        case .events(let item): route = item?.surface.eventsPath ?? EventReads.path
        case .me: route = MeRoutes.path
        case .credits: route = CreditRoutes.path
        case .creditEntries: route = CreditRoutes.entriesPath
        case .media: (route, isLimited, isOpen) = (MediaRoutes.path, false, true)
        case .health: (route, isLimited) = (path, false)
        case nil: break
        }
    }
}

extension ReadHead {
    /// What the head asks of an item.
    func question(_ id: String) -> PikzonalityReads.ItemQuestion {
        PikzonalityReads.ItemQuestion(id: id, query: query, ifNoneMatch: knownTags, prefer: prefer)
    }
}

extension ReadHead {
    /// What the head asks of events.
    func question(_ item: (surface: PikzonalityReads.Surface, id: String?)?) -> EventReads.Question {
        EventReads.Question(path: path, item: item, query: query, accept: accept, lastEventID: lastEventID, secret: apiKey)
    }
}

extension JSONAnswer {
    /// The answer as one that is given at once.
    fileprivate var immediate: ImmediateAnswer {
        var fields = headers
        // What is not sent has no length to tell.
        if status != .notModified, status != .noContent {
            fields.append(HTTPField(name: .contentLength, value: String(body?.readableBytes ?? 0)))
        }
        return ImmediateAnswer(head: HTTPResponse(status: status, headerFields: fields), body: body)
    }
}
