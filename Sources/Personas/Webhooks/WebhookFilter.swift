/// Which events an endpoint is told, as its owner has named them.
package struct WebhookFilter: Sendable, Equatable {
    /// Stands for every type but progress.
    private static let all = "*"
    /// What ends the name of a group of types: `persona.*`. A group never means progress either.
    private static let groupEnding = ".*"
    private static let separator = ","

    /// Everything that may be named, in the order in which it is listed to who has named something else.
    package static let words = [all] + groups.map { $0 + groupEnding } + EventType.all.map(\.text)

    private static let groups = Mode.allCases.map(\.rawValue) + ["webhook", "credits", "smart_balance"]

    /// What was named, in its order, each once.
    package let names: [String]
    private let types: Set<EventType>

    /// Takes what an owner has named; nil where something of it names nothing, or it is nothing at all.
    package init?(_ names: [String]) {
        guard !names.isEmpty else { return nil }
        var (kept, types): ([String], Set<EventType>) = ([], [])
        for name in names where !kept.contains(where: { $0.utf8.elementsEqual(name.utf8) }) {
            guard let named = Self.types(named: name) else { return nil }
            kept.append(name)
            types.formUnion(named)
        }
        (self.names, self.types) = (kept, types)
    }

    /// Reads what `stored` wrote; nil for any other text.
    package init?(stored: String) {
        self.init(stored.utf8.split(separator: UInt8(ascii: ",")).map { String(decoding: $0, as: UTF8.self) })
    }

    /// As it is stored.
    package var stored: String { names.joined(separator: Self.separator) }

    /// Whether an endpoint with it is told events of a type.
    package func matches(_ type: EventType) -> Bool { types.contains(type) }

    /// Whether a text names any types.
    package static func names(_ text: String) -> Bool { types(named: text) != nil }

    private static func types(named name: String) -> Set<EventType>? {
        let utf8 = name.utf8
        let others = EventType.all.filter { !$0.isProgress }
        if utf8.elementsEqual(all.utf8) { return Set(others) }
        if let group = groups.first(where: { utf8.elementsEqual(($0 + groupEnding).utf8) }) {
            return Set(others.filter { $0.text.utf8.starts(with: (group + ".").utf8) })
        }
        return EventType.all.first { $0.text.utf8.elementsEqual(utf8) }.map { [$0] }
    }
}
