import Personas
import PersonasDB

/// What the demo has beside its seed, so that every screen has something to show: a persona in training, a style in the trash, changes, and a webhook
/// with a past. It is written through the ports, each thing at a moment of its own; a seed file cannot say any of it, and least of all that something
/// was sent which never was.
struct DemoHistory {
    /// Leads nowhere: names below `example` are reserved (RFC 2606), and the endpoint is disabled besides.
    private static let webhookURL = "https://hooks.example/personas"
    private static let host = (
        name: "Studio Host", instructions: "Looks to the side, plain background.", pictures: ["nova-right", "nova-left", "nova-front"]
    )
    private static let banner = (
        name: "Old Banner", instructions: "Large letters over flat shapes.", pictures: ["paper-waves", "paper-tiles", "paper-hills"]
    )

    let storage: any Stores
    let images: ImageLibrary
    let accountID: Identifier

    /// Writes what comes before the items of the seed, unless it is there: a webhook, and what it was told of a style.
    /// - Returns: the style, where it was made now.
    func writePast(before now: Timestamp) async throws(Failure) -> Identifier? {
        func ago(hours: Int) -> Timestamp { now.adding(seconds: -hours * 3_600) }
        let found = try await storage.webhooks.endpoints(accountID: accountID, after: nil, limit: Limits.webhooksMax).endpoints
        guard !found.contains(where: { $0.details.url == Self.webhookURL }) else { return nil }
        let endpoint = try await addWebhook(at: ago(hours: 100))
        guard let banner = try await insert(Self.banner, .style, outcome: .completed, at: ago(hours: 99)) else { return nil }
        try await tell(endpoint, at: ago(hours: 99), [.taken])
        let changes: [(instructions: String, answers: [DemoAnswer])] = [
            ("Large letters over flat shapes, coral.", [.dropped, .taken]), ("Large letters over flat shapes, sea green.", [.broken]),
            ("Large letters over flat shapes, sand.", [.silent]), ("Large letters over flat shapes, coral and sand.", [.unknown]),
        ]
        for (number, change) in changes.enumerated() {
            let moment = ago(hours: 98 - number)
            try await update(banner, .style, to: change.instructions, at: moment)
            try await tell(endpoint, at: moment, change.answers)
        }
        _ = try await storage.webhooks.update(
            WebhookReference(endpoint, of: accountID), WebhookChange(status: .disabled), if: .none, in: WriteContext(at: ago(hours: 12)))
        return banner
    }

    /// Gives an item that the seed has made another text, and then the one of the seed again.
    func revise(_ id: Identifier, _ mode: Mode, at now: Timestamp) async throws(Failure) {
        let words = try await storage.pikzonalities.find(id, mode: mode, accountID: accountID).details.specialInstructions
        for text in ["Serious look, dark hair tied back.", words ?? ""] { try await update(id, mode, to: text, at: now) }
    }

    /// Writes what comes after the items of the seed: a style goes into the trash, and a training begins.
    /// - Parameter style: what `writePast` has made.
    func writePresent(trashing style: Identifier?, at now: Timestamp) async throws(Failure) {
        if let style {
            _ = try await storage.trash.put(style, mode: .style, accountID: accountID, if: .none, in: WriteContext(at: now))
        }
        _ = try await insert(Self.host, .persona, outcome: nil, at: now)
    }

    /// The item of a name.
    func item(_ text: String, _ mode: Mode) async throws(Failure) -> Identifier? {
        guard let name = try? Name(normalising: text) else { return nil }
        return try await storage.pikzonalities.holders(of: name, externalID: nil, mode: mode, accountID: accountID).ofName
    }

    private func addWebhook(at moment: Timestamp) async throws(Failure) -> Identifier {
        guard let filter = WebhookFilter(["*"]) else { throw .unexpected("The demo's webhook is told of no event") }
        let details = WebhookDetails(
            url: Self.webhookURL,
            description: "Shows what a log of deliveries looks like: the address leads nowhere, and nothing was ever sent to it.",
            filter: filter)
        let endpoint = WebhookEndpoint(
            id: .timeOrdered(at: moment), accountID: accountID, details: details, createdAt: moment, updatedAt: moment)
        let secret = try storage.secrets.seal(.random(), for: endpoint.id)
        return try await storage.webhooks.insert(endpoint, secret: secret, in: WriteContext(at: moment)).id
    }

    /// Makes an item of pictures of the seed.
    /// - Returns: nil where the account may not have it, or has another of its name: the demo goes on without.
    private func insert(
        _ item: (name: String, instructions: String, pictures: [String]), _ mode: Mode, outcome: TrainingOutcome?, at moment: Timestamp
    ) async throws(Failure) -> Identifier? {
        let details = try DetailsDraft(name: .value(item.name), specialInstructions: .value(item.instructions)).checkedAsNew()
        var pictures: [SanitizedImage] = []
        for name in item.pictures {
            guard let image = try? ImageSanitizer.sanitize(Seeds.demoPictures["pictures/\(name).png"] ?? []) else {
                throw .unexpected("The demo has no picture \(name)")
            }
            pictures.append(image)
        }
        do throws(Failure) {
            return try await images.withStored(pictures) { (references) async throws(Failure) in
                let new = NewPikzonality(
                    id: .timeOrdered(at: moment), accountID: accountID, mode: mode, details: details, references: references,
                    outcome: outcome)
                return try await storage.pikzonalities.insert(new, costing: nil, in: WriteContext(at: moment)).item.id
            }
        } catch {
            switch error {
            case .nameTaken, .nameReserved, .quotaExceeded: return nil
            default: throw error
            }
        }
    }

    private func update(_ id: Identifier, _ mode: Mode, to instructions: String, at moment: Timestamp) async throws(Failure) {
        let change = try DetailsDraft(name: .absent, specialInstructions: .value(instructions)).checked()
        _ = try await storage.pikzonalities.update(
            id, mode: mode, accountID: accountID, change: change, if: .none, in: WriteContext(at: moment))
    }

    /// Writes down how an endpoint was told of what has just become of an item, by the rules of every delivery: at the times that these set, until it is
    /// taken or given up.
    /// - Parameter answers: what came of the attempts; the last one of all further ones, too.
    private func tell(_ endpointID: Identifier, at moment: Timestamp, _ answers: [DemoAnswer]) async throws(Failure) {
        let due = try await storage.deliveries.dueDeliveries(of: endpointID, at: moment, excluding: [], items: [], limit: 1)
        guard let delivery = due.first else { return }
        var (next, left): (Timestamp?, ArraySlice<DemoAnswer>) = (moment, answers[...])
        while let at = next, let answer = left.first {
            let recorded = try await storage.deliveries.record(
                answer.attempt(at: at, url: delivery.url), of: delivery.id, timesQueued: delivery.timesQueued, waitFactor: 1)
            if left.count > 1 { left.removeFirst() }
            next = nil
            if case .retry(let at) = recorded.outcome { next = at }
        }
    }
}

/// What came of an attempt at a delivery of the demo.
private struct DemoAnswer {
    /// The receiver has it.
    static let taken = DemoAnswer(milliseconds: 84, httpStatus: 200, body: "ok")
    /// The receiver broke.
    static let broken = DemoAnswer(milliseconds: 212, httpStatus: 500, body: #"{"error":"the database is not available"}"#)
    /// The connection ended.
    static let dropped = DemoAnswer(milliseconds: 47, error: .reset)
    /// No answer came.
    static let silent = DemoAnswer(milliseconds: 15_000, error: .timeout)
    /// The name was not known.
    static let unknown = DemoAnswer(milliseconds: 9, error: .dns)

    let milliseconds: Int64
    var httpStatus: Int?
    var error: DeliveryError?
    var body: String?

    func attempt(at moment: Timestamp, url: String) -> DeliveryAttempt {
        DeliveryAttempt(
            at: moment, url: url, durationMilliseconds: milliseconds, httpStatus: httpStatus, error: error, responseBody: body)
    }
}
