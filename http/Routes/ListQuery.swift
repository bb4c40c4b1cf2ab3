import Foundation
import Personas
import PersonasWire

/// The query of a list call, checked.
struct ListQuery {
    let limit: Int
    let filter: PikzonalityFilter
    let sort: PikzonalitySort
    let after: PikzonalityPosition?

    /// Reads the parameters; `mode` only where the surface does not fix it.
    /// - Throws: `invalid` with all violations.
    init(_ query: String?, fixedMode: Mode?, itemsMax: Int) throws(Failure) {
        // Hummingbird's own parameters leave a plus as it is, and are found by a hash of their names as texts.
        let parameters = QueryParameters(query)
        var violations: [Violation] = []
        func value(_ name: String) -> String? { parameters.value(of: name) }
        let page = PageQuery(parameters, itemsMax: itemsMax, &violations)
        filter = PikzonalityFilter(
            mode: fixedMode ?? parameters.choice("mode", \Mode.rawValue, &violations),
            status: parameters.choice("status", \Status.rawValue, &violations),
            search: Self.search(value("q"), &violations),
            externalID: Self.externalID(value("external_id"), &violations),
            metadata: Self.labels(parameters.members(of: "metadata"), &violations))
        sort = parameters.choice("sort", \PikzonalitySort.word, &violations) ?? .newestFirst
        var after: PikzonalityPosition?
        if let text = page.cursor {
            after = Cursor(text: text, filter: filter, sort: sort)?.position
            if after == nil { violations.append(PageQuery.strangeCursor) }
        }
        guard violations.isEmpty else { throw .invalid(violations) }
        limit = page.limit
        self.after = after
    }

    /// The target of the page after `last`, below the base URL.
    func next(after last: Pikzonality, path: String, fixedMode: Mode?) -> (cursor: String, target: String) {
        let position = PikzonalityPosition(nameKey: last.name.key, createdAt: last.createdAt, id: last.id)
        let cursor = Cursor(position: position).text(filter: filter, sort: sort)
        var parameters = ["limit=\(limit)", "cursor=\(cursor)", "sort=\(sort.word)"]
        if fixedMode == nil, let mode = filter.mode { parameters.append("mode=\(mode.rawValue)") }
        if let status = filter.status { parameters.append("status=\(status.rawValue)") }
        parameters += Self.parameter("q", filter.search) + Self.parameter("external_id", filter.externalID)
        parameters += filter.metadata.flatMap { Self.parameter("metadata%5B\($0.key)%5D", $0.value) }
        return (cursor, "\(path)?\(parameters.joined(separator: "&"))")
    }

    /// A parameter as it stands in a link; none where there is no value.
    private static func parameter(_ name: String, _ value: String?) -> [String] {
        value?.addingPercentEncoding(withAllowedCharacters: .alphanumerics).map { ["\(name)=\($0)"] } ?? []
    }

    private static func search(_ text: String?, _ violations: inout [Violation]) -> String? {
        do {
            return try PikzonalityFilter.checkedSearch(text, field: .own("q"))
        } catch {
            violations.append(error)
            return nil
        }
    }

    private static func externalID(_ text: String?, _ violations: inout [Violation]) -> String? {
        guard let text else { return nil }
        do {
            return try ExternalID.validated(text)
        } catch {
            violations.append(error)
            return nil
        }
    }

    /// The labels that are asked for, in the order of their keys, so that links to the same list are the same.
    private static func labels(_ members: [(key: String?, value: String)], _ violations: inout [Violation]) -> [MetadataMember] {
        var labels: [MetadataMember] = []
        for member in members {
            guard let key = member.key, MetadataMember.isKey(key), MetadataMember.isValue(member.value) else {
                violations.append(Violation(.metadata, "must be asked for as metadata[key]=value, by the rules for keys and values"))
                return []
            }
            labels.append(MetadataMember(key: key, value: member.value))
        }
        let countMax = Limits.metadataFiltersMax
        guard labels.count <= countMax, Set(labels.map(\.key)).count == labels.count else {
            violations.append(Violation(.metadata, "must be asked for at most \(countMax) times, each time by another key"))
            return []
        }
        return labels.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    }
}
