import ErrorEnvelopeHummingbird
import HTTPTypes
import Personas

/// What a request for events asks for, checked.
struct EventQuery {
    private static let settled = "settled"

    /// Up to where the client has read; nil for one that has read nothing.
    let after: EventCursor?
    let limit: Int
    let types: Set<EventType>?
    /// The item that the query names.
    let itemID: Identifier?
    /// Whether a stream ends when there are no events of its item to come.
    let endsWhenSettled: Bool

    /// Reads the parameters.
    /// - Parameters:
    ///   - lastEventID: what a stream that was cut off has sent last. It is newer than the query of a client that comes back under the same address.
    ///   - hasItem: whether the path names an item.
    /// - Throws: `invalid` with all violations.
    init(_ query: String?, lastEventID: String?, hasItem: Bool, itemsMax: Int) throws(Failure) {
        let parameters = QueryParameters(query)
        var violations: [Violation] = []
        limit = PageQuery(parameters, itemsMax: itemsMax, &violations).limit
        var types: Set<EventType>?
        do throws(Violation) {
            types = try EventFilter.types(parameters.value(of: "type"))
        } catch {
            violations.append(error)
        }
        if parameters.count(of: "type") > 1 { violations.append(Violation("type", "must be given only once, with commas between types")) }
        var itemID: Identifier?
        if !hasItem, let text = parameters.value(of: "item") {
            itemID = Identifier(text)
            if itemID == nil { violations.append(Violation("item", "must be a UUID")) }
        }
        func cursor(_ name: String, _ text: String?) -> EventCursor? {
            guard let text else { return nil }
            let cursor = EventCursor(text)
            if cursor == nil { violations.append(Violation(name, "is not the id of an event in a stream, nor a cursor of this list")) }
            return cursor
        }
        let after = cursor("after", parameters.value(of: "after"))
        // Programs that have read nothing may say so in the same place.
        let last = cursor(HTTPField.Name.lastEventID.rawName, lastEventID.flatMap { $0.isEmpty ? nil : $0 })
        let until = parameters.value(of: "until")
        if let until, !until.utf8.elementsEqual(Self.settled.utf8) {
            violations.append(Violation("until", "must be \(Self.settled)"))
        } else if until != nil, !hasItem, parameters.value(of: "item") == nil {
            violations.append(Violation("until", "can be asked for the events of one item alone"))
        }
        guard violations.isEmpty else { throw .invalid(violations) }
        self.types = types
        self.itemID = itemID
        self.after = last ?? after
        endsWhenSettled = until != nil
    }
}

/// Which form of an answer a client asks for (RFC 9110, section 12.5.1).
enum EventForm {
    private static let stream: StaticString = "text/event-stream"
    private static let list: StaticString = "application/json"

    /// Whether what `Accept` says asks for a stream. Everything else gets a list.
    static func isStream(_ accept: String?) -> Bool {
        guard let accept else { return false }
        var streamWeight = 0
        var listWeight = 0
        for part in accept.utf8.split(separator: UInt8(ascii: ",")) {
            let pieces = part.split(separator: UInt8(ascii: ";")).map(\.withoutOuterBlanks)
            guard let type = pieces.first else { continue }
            if type.isEqual(ignoringCaseOf: stream) { streamWeight = max(streamWeight, weight(pieces.dropFirst())) }
            if type.isEqual(ignoringCaseOf: list) { listWeight = max(listWeight, weight(pieces.dropFirst())) }
        }
        return streamWeight > 0 && streamWeight >= listWeight
    }

    /// The weight among the parameters of a type, in thousandths; what is none counts as nothing said.
    private static func weight(_ parameters: some Collection<Substring.UTF8View>) -> Int {
        guard let parameter = parameters.first(where: { $0.starts(with: "q=".utf8) || $0.starts(with: "Q=".utf8) }) else { return 1_000 }
        return Double(String(decoding: parameter.dropFirst(2), as: UTF8.self)).map { Int(min(max($0, 0), 1) * 1_000) } ?? 1_000
    }
}
