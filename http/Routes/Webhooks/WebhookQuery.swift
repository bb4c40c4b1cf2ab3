import Foundation
import Personas
import PersonasWire

/// Which part of a list is asked for: how many, and behind which place.
struct PlacedPage {
    let limit: Int
    /// The bytes of the place; nil for the beginning.
    let place: [UInt8]?

    /// Reads `limit` and `cursor`, and notes what is wrong with them.
    /// - Parameters:
    ///   - list: all that tells the list from others.
    ///   - placeBytes: how many a place has.
    init(_ parameters: QueryParameters, list: String, placeBytes: Int, itemsMax: Int, _ violations: inout [Violation]) {
        let page = PageQuery(parameters, itemsMax: itemsMax, &violations)
        limit = page.limit
        place = page.cursor.flatMap { BoundCursor.place($0, list: Array(list.utf8)) }.flatMap { $0.count == placeBytes ? $0 : nil }
        if page.cursor != nil, place == nil { violations.append(PageQuery.strangeCursor) }
    }

    /// The whole number that the place holds from a byte on, eight bytes of it.
    func number(at index: Int) -> Int64? {
        place.map { Int64(bitPattern: $0[index..<(index + 8)].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }) }
    }

    /// A place that holds numbers.
    static func bytes(_ numbers: Int64...) -> [UInt8] {
        numbers.flatMap { withUnsafeBytes(of: $0.bigEndian) { Array($0) } }
    }
}

/// The query of the list of endpoints, checked.
struct WebhookQuery {
    private static let list = "webhooks"

    let limit: Int
    let after: WebhookPosition?

    /// - Throws: `invalid` with all violations.
    init(_ query: String?, itemsMax: Int) throws(Failure) {
        var violations: [Violation] = []
        let page = PlacedPage(QueryParameters(query), list: Self.list, placeBytes: 24, itemsMax: itemsMax, &violations)
        guard violations.isEmpty else { throw .invalid(violations) }
        limit = page.limit
        after = page.number(at: 0).flatMap { milliseconds in
            page.place?[8...].withUnsafeBytes { Identifier(bytes: $0) }.map {
                WebhookPosition(createdAt: Timestamp(milliseconds: milliseconds), id: $0)
            }
        }
    }

    /// The cursor of the page after an endpoint.
    static func cursor(after last: WebhookEndpoint) -> String {
        BoundCursor.text(PlacedPage.bytes(last.createdAt.milliseconds) + last.id.bytes, list: Array(list.utf8))
    }

    /// The query of the page after it.
    func next(_ cursor: String) -> String { "limit=\(limit)&cursor=\(cursor)" }
}

/// The query of the log of an endpoint, checked.
struct DeliveryQuery {
    let limit: Int
    let filter: DeliveryFilter
    let after: DeliveryPlace?
    private let list: String

    /// - Throws: `invalid` with all violations.
    init(_ query: String?, of endpointID: Identifier, itemsMax: Int) throws(Failure) {
        let parameters = QueryParameters(query)
        var violations: [Violation] = []
        var filter = DeliveryFilter()
        if let text = parameters.value(of: "status") {
            let words = WebhookDelivery.Status.allCases
            filter.status = words.first { $0.rawValue.utf8.elementsEqual(text.utf8) }
            if filter.status == nil {
                violations.append(Violation("status", "must be one of \(words.map(\.rawValue).joined(separator: ", "))"))
            }
        }
        if let text = parameters.value(of: "event_id") {
            filter.eventID = Identifier(text)
            if filter.eventID == nil { violations.append(Violation("event_id", "must be a UUID")) }
        }
        list = "deliveries \(endpointID.text) \(filter.status?.rawValue ?? "") \(filter.eventID?.text ?? "")"
        let page = PlacedPage(parameters, list: list, placeBytes: 16, itemsMax: itemsMax, &violations)
        guard violations.isEmpty else { throw .invalid(violations) }
        (limit, self.filter) = (page.limit, filter)
        if let milliseconds = page.number(at: 0), let sequence = page.number(at: 8) {
            after = DeliveryPlace(createdAt: Timestamp(milliseconds: milliseconds), sequence: sequence)
        } else {
            after = nil
        }
    }

    /// The cursor of the page after a delivery.
    func cursor(after last: WebhookDelivery) -> String {
        BoundCursor.text(PlacedPage.bytes(last.createdAt.milliseconds, last.sequence), list: Array(list.utf8))
    }

    /// The query of the page after it.
    func next(_ cursor: String) -> String {
        (["limit=\(limit)", "cursor=\(cursor)"] + (filter.status.map { ["status=\($0.rawValue)"] } ?? [])
            + (filter.eventID.map { ["event_id=\($0.text)"] } ?? [])).joined(separator: "&")
    }
}
