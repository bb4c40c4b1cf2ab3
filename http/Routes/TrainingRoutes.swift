import HTTPTypes
import Hummingbird
import Personas
import PersonasWire
import ServiceLifecycle

/// The calls of training workers, for keys with the scope `trainer`.
struct TrainingRoutes: Sendable {
    /// The call that may wait for a job.
    static let leasePath = "/v2/training/lease"

    let training: Training
    let bodyReader: BodyReader
    let calls: IdempotentCalls
    let publicURL: PublicURL

    /// Adds the calls to a group whose callers are known.
    func add(to group: RouterGroup<CallerContext>) {
        group.post(RouterPath(Self.leasePath)) { request, context in try await lease(request, context) }
        group.post("/v2/training/{job_id}/heartbeat") { request, context in try await heartbeat(request, context) }
        group.post("/v2/training/{job_id}/complete") { request, context in try await complete(request, context) }
        group.post("/v2/training/{job_id}/fail") { request, context in try await fail(request, context) }
    }

    private func lease(_ request: Request, _ context: CallerContext) async throws -> Response {
        try context.caller.require(.trainer)
        let call = try calls.call(request, context)
        // The body is let go of before the wait for a job.
        let (waitSeconds, fingerprint) =
            request.announcesBody
            ? try await bodyReader.withObject(of: request, from: context.caller) { body throws(Failure) in
                (try LeaseBody(body).waitSeconds, call.fingerprint(of: body))
            } handle: { form, _ in
                form
            } : (0, call.fingerprint(of: nil))
        return try await call.perform(fingerprint: fingerprint, answer: leased, isNothingDone: \.isEmpty) { claim in
            // A worker that waits must not hold up a server that stops.
            try await cancelWhenGracefulShutdown {
                try await training.lease(limit: 1, waiting: .seconds(waitSeconds), claim: claim)
            }
        }
    }

    private func leased(_ jobs: [LeasedJob]) -> JSONAnswer {
        guard let job = jobs.first else { return JSONAnswer(status: .noContent) }
        let representation = Representation(base: publicURL.base)
        return JSONAnswer { writer in
            writer.object { writer in
                writer.member("job_id", job.id.text)
                writer.member("lease_token", job.leaseToken.text)
                writer.member("lease_expires_at", job.leaseExpiresAt.text)
                writer.member("attempt", job.attempt)
                writer.name("pikzonality")
                writer.object { writer in
                    writer.member("id", job.item.id.text)
                    writer.member("mode", job.item.mode.rawValue)
                    writer.member("name", job.item.name.text)
                    writer.members(job.item.details)
                }
                writer.name("reference")
                representation.mediaURLs(job.item.referenceTokens, &writer)
            }
        }
    }

    private func heartbeat(_ request: Request, _ context: CallerContext) async throws -> Response {
        try await report(request, context, body: HeartbeatBody.init, answer: Self.heard) { id, body, _, claim in
            try await training.heartbeat(id, token: body.token, progress: body.progress, claim: claim)
        }
    }

    private func complete(_ request: Request, _ context: CallerContext) async throws -> Response {
        try await report(
            request, context, body: CompleteBody.init, answer: { Self.done("Job completed") }
        ) { id, body, memory, claim in
            try await training.complete(
                id, token: body.token, portraitBase64: body.portrait, holding: memory, claim: claim)
        }
    }

    private func fail(_ request: Request, _ context: CallerContext) async throws -> Response {
        try await report(request, context, body: FailBody.init, answer: { Self.done("Failure recorded") }) { id, body, _, claim in
            try await training.fail(
                id, token: body.token, error: body.error, retryable: body.isRetryable, claim: claim)
        }
    }

    /// What the three reports on a job have in common: the scope, the job's id, the body, the idempotency key.
    ///
    /// What is wrong with a body is told only to the first request under an idempotency key, as are all refusals.
    private func report<Body: Sendable, Value: Sendable>(
        _ request: Request, _ context: CallerContext, body: (JSONObject) throws(Failure) -> Body,
        answer: @escaping @Sendable (Value) -> JSONAnswer,
        effect: (Identifier, Body, MemoryReservation, IdempotencyClaim<Value>?) async throws -> Value
    ) async throws -> Response {
        try context.caller.require(.trainer)
        guard let id = context.parameters.get("job_id").flatMap({ Identifier($0) }) else { throw Failure.notFound }
        let call = try calls.call(request, context)
        return try await bodyReader.withObject(of: request, from: context.caller) { object in
            (body: Result { () throws(Failure) in try body(object) }, fingerprint: call.fingerprint(of: object))
        } handle: { form, memory in
            try await call.perform(fingerprint: form.fingerprint, answer: answer) { try await effect(id, form.body.get(), memory, $0) }
        }
    }

    @Sendable private static func heard(_ lease: LeaseState) -> JSONAnswer {
        JSONAnswer { writer in
            writer.object { writer in
                writer.member("cancelled", lease.isCancelled)
                writer.member("lease_expires_at", lease.expiresAt.text)
            }
        }
    }

    private static func done(_ message: String) -> JSONAnswer {
        JSONAnswer { writer in writer.object { $0.member("message", message) } }
    }
}

private struct LeaseBody {
    let waitSeconds: Int

    init(_ body: JSONObject) throws(Failure) {
        switch body.integer("wait_seconds") {
        case .absent, .null: waitSeconds = 0
        case .value(let seconds) where seconds >= 0: waitSeconds = min(seconds, Limits.leaseWaitSecondsMax)
        case .value: throw .invalid([Violation("wait_seconds", "must not be negative")])
        case .malformed(let rule): throw .invalid([Violation("wait_seconds", rule)])
        }
    }
}

private struct HeartbeatBody {
    let token: RandomToken
    let progress: Int?

    init(_ body: JSONObject) throws(Failure) {
        var fields = FieldReader()
        let token = fields.token(body)
        let progress = fields.optional("progress", body.integer("progress"))
        if let violation = Training.violation(ofProgress: progress) { fields.violations.append(violation) }
        self.token = try fields.finish(token)
        self.progress = progress
    }
}

private struct CompleteBody {
    let token: RandomToken
    let portrait: ImageText?

    init(_ body: JSONObject) throws(Failure) {
        var fields = FieldReader()
        let token = fields.token(body)
        let portrait = fields.optional("portrait_base64", body.text("portrait_base64"))
        self.token = try fields.finish(token)
        self.portrait = portrait.map { ImageText($0) }
    }
}

private struct FailBody {
    let token: RandomToken
    let error: TrainingError
    let isRetryable: Bool

    init(_ body: JSONObject) throws(Failure) {
        var fields = FieldReader()
        let token = fields.token(body)
        let code = fields.required("code", body.string("code"))
        let message = fields.required("message", body.string("message"))
        let isRetryable = fields.optional("retryable", body.boolean("retryable"))
        // By bytes, because comparing texts takes Swift time quadratic in a run of combining marks.
        let known = code.flatMap { text in TrainingErrorCode.allCases.first { $0.rawValue.utf8.elementsEqual(text.utf8) } }
        if code != nil, known == nil {
            fields.violations.append(
                Violation("code", "must be one of \(TrainingErrorCode.allCases.map(\.rawValue).joined(separator: ", "))"))
        }
        if let message {
            do { _ = try TrainingError.checkedMessage(message, field: .own("message")) } catch { fields.violations.append(error) }
        }
        self.token = try fields.finish(token)
        error = TrainingError(code: known ?? .failed, message: message ?? "")
        self.isRetryable = isRetryable ?? false
    }
}

/// Collects what is wrong with a worker's report, so that all of it is said at once.
private struct FieldReader {
    var violations: [Violation] = []

    mutating func required<Value>(_ name: String, _ member: JSONField<Value>) -> Value? {
        switch member {
        case .value(let value): return value
        case .absent, .null: violations.append(Violation(name, "is required"))
        case .malformed(let rule): violations.append(Violation(name, rule))
        }
        return nil
    }

    mutating func optional<Value>(_ name: String, _ member: JSONField<Value>) -> Value? {
        if case .malformed(let rule) = member { violations.append(Violation(name, rule)) }
        guard case .value(let value) = member else { return nil }
        return value
    }

    /// The lease token as sent: the outer nil is a violation, the inner one a text that is no token of ours.
    mutating func token(_ body: JSONObject) -> RandomToken?? {
        required("lease_token", body.string("lease_token")).map { RandomToken(text: $0) }
    }

    /// Ends the reading.
    /// - Throws: `invalid` with all violations; `staleLease` for a text that can be no running lease's token.
    func finish(_ token: RandomToken??) throws(Failure) -> RandomToken {
        guard violations.isEmpty, let token else { throw .invalid(violations) }
        guard let token else { throw .staleLease }
        return token
    }
}
