import ErrorEnvelopeHummingbird
import HTTPTypes
import NIOCore
import Personas
import PersonasWire
import Synchronization

/// The reads of personas and styles, from what a request says to its answer, however it came in: each once for those that wait and once for
/// those that are answered on the spot, with the same checks before and the same answer after.
///
/// A class, because the latter are found by their path: what is found is handed on as one reference.
final class PikzonalityReads: Sendable {
    /// How a mounting speaks.
    enum Surface: Sendable {
        /// `/v2/personas`, `/v2/styles`: full representations.
        case typed(Mode)
        /// `/v2/pikzonality`: the shapes of the published API.
        case published
    }

    /// Items of a page that is answered on the spot: others wait meanwhile.
    private static let itemsAtOnceMax = 100

    let surface: Surface
    let catalog: Catalog
    let publicURL: PublicURL
    let tags: EntityTags
    let waits: ItemWaits
    let pageItemsMax: Int

    init(surface: Surface, catalog: Catalog, publicURL: PublicURL, tags: EntityTags, waits: ItemWaits, pageItemsMax: Int) {
        self.surface = surface
        self.catalog = catalog
        self.publicURL = publicURL
        self.tags = tags
        self.waits = waits
        self.pageItemsMax = pageItemsMax
    }

    /// What a read of one item asks for.
    struct ItemQuestion {
        /// What stands for the item's id in the path.
        let id: String?
        /// What follows the question mark of the target.
        let query: String?
        /// What the client knows, as `If-None-Match` says it. What is no list of tags is passed over: the client is sent what it asks for.
        let known: EntityTagList?
        /// `Prefer`.
        let prefer: String?

        init(id: String?, query: String?, ifNoneMatch: String?, prefer: String?) {
            self.id = id
            self.query = query
            known = ifNoneMatch.flatMap { EntityTagList($0) }
            self.prefer = prefer
        }
    }

    /// What a read of one item comes to where nothing may be waited for.
    enum ItemOutcome {
        /// This is the answer.
        case answer(JSONAnswer)
        /// It waits for the item to change.
        case awaitsChange(Identifier, ItemWait)
        /// The item could not be read at once.
        case unread
    }

    /// One item, at once or when it has changed.
    /// - Parameters:
    ///   - channel: the connection, which may end the wait.
    ///   - renewed: the caller anew, while the request has waited: its key may have become worthless meanwhile.
    func item(
        _ question: ItemQuestion, _ caller: Caller, on channel: any Channel, renewed: () async throws(Failure) -> Caller
    ) async throws(Failure) -> JSONAnswer {
        try caller.require(.read)
        let (id, wait) = try checked(question)
        let item = try await catalog.item(id, mode: surface.mode, accountID: caller.accountID)
        guard let wait, isAwaited(item, question) else { return answer(item, to: question, wait) }
        let signal = WakeSignal()
        // From before the item is read again, so that no change is missed in between.
        let open = try waits.begin(id, of: caller.accountID, for: question.interest) { _ in signal.notify() }
        defer { withExtendedLifetime(open) {} }
        let ending = WaitEnding()
        AnswerWait.begin(on: channel) {
            ending.end()
            signal.notify()
        }
        let deadline = ContinuousClock.now + .seconds(wait.seconds)
        var vainWakes = 0
        while true {
            let seen = signal.count
            let caller = try await renewed()
            try caller.require(.read)
            let item = try await catalog.item(id, mode: surface.mode, accountID: caller.accountID)
            let left = ContinuousClock.now.duration(to: deadline)
            let goesOn = left > .zero && !ending.hasEnded && !Task.isCancelled && ItemWaits.mayGoOn(vainWakes: vainWakes)
            guard goesOn, isAwaited(item, question) else { return answer(item, to: question, wait) }
            await signal.wait(after: seen, atMost: left)
            vainWakes += 1
        }
    }

    /// One item, where that needs no waiting.
    /// - Parameter isLast: whether it is answered as things stand, whatever is waited for.
    func itemNow(_ question: ItemQuestion, _ caller: Caller, isLast: Bool = false) throws(Failure) -> ItemOutcome {
        try caller.require(.read)
        let (id, wait) = try checked(question)
        guard let item = try catalog.itemNow(id, mode: surface.mode, accountID: caller.accountID) else { return .unread }
        guard !isLast, let wait, isAwaited(item, question) else { return .answer(answer(item, to: question, wait)) }
        return .awaitsChange(id, wait)
    }

    private func checked(_ question: ItemQuestion) throws(Failure) -> (id: Identifier, wait: ItemWait?) {
        (try surface.identifier(question.id), try ItemWait(query: question.query, prefer: question.prefer))
    }

    /// Whether what a read waits for has not happened: a client that names what it knows waits for anything else, and every other one for the end of
    /// processing.
    private func isAwaited(_ item: Pikzonality, _ question: ItemQuestion) -> Bool {
        question.known == nil ? item.status == .processing : tags.isKnown(item, by: question.known)
    }

    /// One page of items.
    /// - Parameter query: what follows the question mark of the target.
    func list(_ query: String?, _ caller: Caller) async throws(Failure) -> JSONAnswer {
        try caller.require(.read)
        let query = try ListQuery(query, fixedMode: surface.mode, itemsMax: pageItemsMax)
        let page = try await catalog.page(
            query.filter, sort: query.sort, after: query.after, limit: query.limit, accountID: caller.accountID)
        return answer(page, to: query)
    }

    /// The same, where that needs no waiting; nil where it does.
    func listNow(_ query: String?, _ caller: Caller) throws(Failure) -> JSONAnswer? {
        try caller.require(.read)
        let query = try ListQuery(query, fixedMode: surface.mode, itemsMax: pageItemsMax)
        guard query.limit <= Self.itemsAtOnceMax else { return nil }
        let page = try catalog.pageNow(
            query.filter, sort: query.sort, after: query.after, limit: query.limit, accountID: caller.accountID)
        return page.map { answer($0, to: query) }
    }

    private func answer(_ item: Pikzonality, to question: ItemQuestion, _ wait: ItemWait?) -> JSONAnswer {
        var fields: HTTPFields = [.eTag: tags.text(of: item)]
        if let applied = wait?.applied { fields.append(HTTPField(name: .preferenceApplied, value: applied)) }
        if tags.isKnown(item, by: question.known) { return JSONAnswer(status: .notModified, before: fields) }
        let representation = Representation(base: publicURL.base)
        return JSONAnswer(before: fields) { writer in
            switch self.surface {
            case .typed: representation.full(item, &writer)
            case .published: representation.published(item, &writer)
            }
        }
    }

    private func answer(_ page: PikzonalityPage, to query: ListQuery) -> JSONAnswer {
        let representation = Representation(base: publicURL.base)
        let next = page.hasMore ? page.items.last.map { query.next(after: $0, path: surface.path, fixedMode: surface.mode) } : nil
        return JSONAnswer.page(items: page.items, next: next?.cursor, target: next.map { "\(publicURL.base)\($0.target)" }) {
            representation.full($0, &$1)
        }
    }
}

extension PikzonalityReads {
    /// The paths of one item, as templates.
    static let itemPaths = Set(Surface.all.map(\.itemPath))
}

extension PikzonalityReads.ItemQuestion {
    /// What a read waits for.
    var interest: ItemChanges.Interest { known == nil ? .settlement : .anyChange }
}

/// Whether the connection of a read that waits wants it to end.
private final class WaitEnding: Sendable {
    private let flag = Atomic(false)

    var hasEnded: Bool { flag.load(ordering: .relaxed) }

    func end() { flag.store(true, ordering: .relaxed) }
}

extension PikzonalityReads.Surface {
    /// All that there are.
    static let all: [PikzonalityReads.Surface] = Mode.allCases.map { .typed($0) } + [.published]

    /// The path of the list.
    var path: String {
        switch self {
        case .typed(.persona): "/v2/personas"
        case .typed(.style): "/v2/styles"
        case .published: "/v2/pikzonality"
        }
    }

    /// The path of one item, as a template.
    var itemPath: String { "\(path)/{id}" }

    /// The mode of all items of the surface; nil where there are both.
    var mode: Mode? {
        guard case .typed(let mode) = self else { return nil }
        return mode
    }

    /// The id in the path. On the published surface its kind is unknown, and clients take 404 for "gone".
    func identifier(_ text: String?) throws(Failure) -> Identifier {
        if let id = text.flatMap({ Identifier($0) }) { return id }
        guard case .typed(let mode) = self else { throw .notFound }
        throw .malformedIdentifier(mode)
    }
}
