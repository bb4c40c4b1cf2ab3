import ErrorEnvelopeHummingbird
import HTTPTypes
import NIOCore
import Personas
import PersonasWire

/// The reads of events, from what a request says to its answer or to the stream that it opens, however it came in: each once for those that wait and once
/// for those that are answered on the spot.
///
/// A class, because the latter are found by their path: what is found is handed on as one reference.
final class EventReads: Sendable {
    /// The path of the events of an account.
    static let path = "/v2/events"
    /// What stands behind the path of an item.
    static let itemSuffix = "/events"
    /// The paths of all events, as templates.
    static let paths = Set([path] + PikzonalityReads.Surface.all.map(\.eventsPath))

    /// Answers to one address differ with this.
    private static let varyField = HTTPField(name: .vary, value: "Accept")

    let events: any EventStore
    let feed: EventFeed
    let epoch: any EpochStore
    let publicURL: PublicURL
    let streams: EventStreams
    let frames: EventFrames
    let authentication: Authentication
    let maintenance: MaintenanceMiddleware
    let pageItemsMax: Int

    init(
        events: any EventStore, feed: EventFeed, epoch: any EpochStore, publicURL: PublicURL, streams: EventStreams,
        authentication: Authentication, maintenance: MaintenanceMiddleware, pageItemsMax: Int
    ) {
        self.events = events
        self.feed = feed
        self.epoch = epoch
        self.publicURL = publicURL
        self.streams = streams
        frames = EventFrames(epoch: epoch, publicURL: publicURL)
        self.authentication = authentication
        self.maintenance = maintenance
        self.pageItemsMax = pageItemsMax
    }

    /// What a request for events says.
    struct Question {
        /// The path that was asked for, as it stands there.
        let path: String
        /// The surface of the item and what stands for its id in the path; nil for the events of an account.
        let item: (surface: PikzonalityReads.Surface, id: String?)?
        /// What follows the question mark of the target.
        let query: String?
        let accept: String?
        let lastEventID: String?
        /// The secret of the key.
        let secret: String?
    }

    /// What a request for events comes to.
    enum Outcome {
        /// This is the answer.
        case answer(JSONAnswer)
        /// A stream is to be opened.
        case opens(EventStream.Start)
        /// It could not be found out at once.
        case unread
    }

    /// The header of a stream.
    static var streamFields: HTTPFields {
        var fields: HTTPFields = [.contentType: "text/event-stream", .cacheControl: "no-store", .xAccelBuffering: "no"]
        fields.append(varyField)
        return fields
    }

    /// What is asked for.
    func outcome(_ question: Question, _ caller: Caller) async throws(Failure) -> Outcome {
        let plan = try checked(question, caller)
        var standing: EventItemStanding?
        if let id = plan.filter.itemID { standing = try await events.standing(of: id, mode: plan.mode, accountID: caller.accountID) }
        guard try needsPage(plan, standing) else { return .opens(plan.start) }
        return outcome(
            of: plan, standing,
            try await events.events(plan.filter, after: plan.sequence, limit: plan.limit, accountID: caller.accountID))
    }

    /// The same, where that needs no waiting; `unread` where it does.
    func outcomeNow(_ question: Question, _ caller: Caller) throws(Failure) -> Outcome {
        let plan = try checked(question, caller)
        var standing: EventItemStanding?
        if let id = plan.filter.itemID {
            standing = try events.standingNow(of: id, mode: plan.mode, accountID: caller.accountID)
            guard standing != nil else { return .unread }
        }
        guard try needsPage(plan, standing) else { return .opens(plan.start) }
        // A list passes over more than there is time for here. So does a stream, but in many looks.
        guard plan.isStream || plan.filter == EventFilter(),
            let page = try events.eventsNow(plan.filter, after: plan.sequence, limit: plan.limit, accountID: caller.accountID)
        else { return .unread }
        return outcome(of: plan, standing, page)
    }

    /// What is to be read for a request.
    private struct Plan {
        let start: EventStream.Start
        let mode: Mode?
        let isStream: Bool
        let limit: Int
        /// After which events are wanted; nil for the oldest.
        let sequence: Int64?

        var filter: EventFilter { start.filter }
    }

    private func checked(_ question: Question, _ caller: Caller) throws(Failure) -> Plan {
        try caller.require(.read)
        let isStream = EventForm.isStream(question.accept)
        let itemID = try question.item.map { item throws(Failure) in try item.surface.identifier(item.id) }
        let query = try EventQuery(
            question.query, lastEventID: question.lastEventID, hasItem: itemID != nil, itemsMax: pageItemsMax)
        let start = EventStream.Start(
            path: question.path, secret: question.secret, caller: caller,
            filter: EventFilter(types: query.types, itemID: itemID ?? query.itemID), after: query.after,
            endsWhenSettled: query.endsWhenSettled)
        // No sequence is as large, so that a place in another life of the database is none in this one.
        let sequence = query.after.map { $0.isOf(epoch.epoch) ? $0.sequence : Int64.max }
        return Plan(start: start, mode: question.item?.surface.mode, isStream: isStream, limit: query.limit, sequence: sequence)
    }

    /// Whether events have to be read for the answer.
    /// - Throws: `notFound`.
    private func needsPage(_ plan: Plan, _ standing: EventItemStanding?) throws(Failure) -> Bool {
        guard standing != .unknown else { throw .notFound }
        return !plan.isStream || plan.start.endsWhenSettled && plan.sequence != nil && standing == .settled
    }

    private func outcome(of plan: Plan, _ standing: EventItemStanding?, _ page: EventPage) -> Outcome {
        guard plan.isStream else { return .answer(answer(page)) }
        guard page.events.isEmpty, !page.hasMore, !page.isGap else { return .opens(plan.start) }
        // To a client that comes back: by this it stays away (HTML, section 9.2.3).
        return .answer(JSONAnswer(status: .noContent, before: [Self.varyField.name: Self.varyField.value]))
    }

    private func answer(_ page: EventPage) -> JSONAnswer {
        let representation = Representation(base: publicURL.base)
        return JSONAnswer(before: [Self.varyField.name: Self.varyField.value], items: page.events.count) { writer in
            writer.object { writer in
                writer.name("data")
                writer.array { writer in
                    for event in page.events { representation.event(event, &writer) }
                }
                writer.member("has_more", page.hasMore)
                writer.member("next_cursor", frames.cursor(page.last))
                writer.member("gap", page.isGap)
            }
        }
    }
}

extension PikzonalityReads.Surface {
    /// The path of the events of one item, as a template.
    var eventsPath: String { itemPath + EventReads.itemSuffix }
}
