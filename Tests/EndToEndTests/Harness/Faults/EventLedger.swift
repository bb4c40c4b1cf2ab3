import Foundation
import TestSupport

/// What clients of an account asked for and what they were told became of it: what its events have to tell.
final class EventLedger: Sendable {
    /// What is known of a request.
    private enum Fate: Sendable {
        /// There was no answer.
        case open
        /// It was done.
        case done(item: String)
        /// Nothing was done.
        case refused(Int)
    }

    private struct State: Sendable {
        var requests: [String: (change: AccountChange, item: String, fate: Fate)] = [:]
        var items: [Substring: [AccountDriver.Item]] = [:]
        var trained: [(item: String, kind: String)] = []
        var problems: [String] = []
    }

    private let state = Shared(State())

    /// Everything that went against a promise.
    var problems: [String] { state.value.problems }
    /// Requests that were answered as done.
    var doneCount: Int {
        state.value.requests.values.count { request in
            if case .done = request.fate { true } else { false }
        }
    }
    /// Requests without an answer.
    var openCount: Int {
        state.value.requests.values.count { request in
            if case .open = request.fate { true } else { false }
        }
    }

    func note(problem: String) { state.withLock { $0.problems.append(problem) } }

    func items(of owner: Substring) -> [AccountDriver.Item] { state.value.items[owner] ?? [] }

    /// Notes a request about to be sent.
    /// - Returns: what to call it.
    func begin(_ change: AccountChange, _ item: String) -> String {
        let id = UUID().uuidString.lowercased()
        state.withLock { $0.requests[id] = (change, item, .open) }
        return id
    }

    /// Notes the answer to a request.
    func end(_ requestID: String, _ answer: ClientAnswer) {
        state.withLock { state in
            guard let request = state.requests[requestID] else { return }
            switch answer.status {
            case 200..<300:
                state.requests[requestID]?.fate = .done(item: request.item.isEmpty ? answer.json["id"]?.string ?? "" : request.item)
            case 400..<500, 503: state.requests[requestID]?.fate = .refused(answer.status)
            default: state.problems.append("\(request.change) answered \(answer.status) \(answer.text)")
            }
        }
    }

    /// Notes where an item is; nil for nowhere that its owner knows.
    func move(_ item: AccountDriver.Item, of owner: Substring, to place: AccountChange.Place?) {
        state.withLock { state in
            var own = (state.items[owner] ?? []).filter { $0.id != item.id }
            if let place, !item.id.isEmpty { own.append(AccountDriver.Item(id: item.id, mode: item.mode, place: place)) }
            state.items[owner] = own
        }
    }

    /// Notes that a worker was told that its end of a training counts.
    func note(trained item: String, _ kind: String) { state.withLock { $0.trained.append((item, kind)) } }

    /// Compares with all events, in their order.
    func check(_ events: [JSONValue]) {
        var byRequest: [String: [(kind: String, item: String)]] = [:]
        var ends: Set<String> = []
        for event in events {
            let kind = EventBook.kind(of: event)
            let item = event["data"]?["id"]?.string ?? ""
            if let id = event["request_id"]?.string { byRequest[id, default: []].append((kind, item)) }
            ends.insert("\(item) \(kind)")
        }
        let (requests, trained) = (state.value.requests, state.value.trained)
        for (id, request) in requests {
            let told = byRequest.removeValue(forKey: id) ?? []
            let count = told.count { request.change.events.contains($0.kind) }
            switch request.fate {
            case .done(let item):
                if count > 1 || count < 1 && !request.change.mayBeSilent || told.contains(where: { $0.item != item }) {
                    note(problem: "\(request.change) of \(item) was done, and its events are \(told)")
                }
            case .open: if count > 1 { note(problem: "\(request.change) was told \(count) times: \(told)") }
            case .refused(let status):
                if !told.isEmpty { note(problem: "\(request.change) answered \(status), and its events are \(told)") }
            }
        }
        for (id, told) in byRequest { note(problem: "nobody sent \(id), which events name: \(told)") }
        for (item, kind) in trained where !ends.contains("\(item) \(kind)") { note(problem: "\(item) was \(kind), which no event tells") }
    }
}

/// All events of an account that readers have seen, and whether they saw the same.
final class EventBook: Sendable {
    private struct State: Sendable {
        /// The first sight of each, by its sequence.
        var events: [Int: JSONValue] = [:]
        var last: [String: Int] = [:]
        var counts: [String: Int] = [:]
        var problems: [String] = []
    }

    private let state = Shared(State())

    var problems: [String] { state.value.problems }

    /// All of them, in their order.
    var events: [JSONValue] { state.value.events.sorted { $0.key < $1.key }.map(\.value) }

    /// Those of them that tell of credits, or those that tell of anything else.
    func events(ofCredits isOfCredits: Bool) -> [JSONValue] {
        events.filter { $0["type"]?.string?.hasPrefix("credits.") == isOfCredits }
    }

    /// The last that a reader has seen; 0 before the first.
    func last(of reader: String) -> Int { state.value.last[reader] ?? 0 }

    /// How many a reader has seen.
    func count(of reader: String) -> Int { state.value.counts[reader] ?? 0 }

    /// What an event's type says behind the mode.
    static func kind(of event: JSONValue) -> String {
        event["type"]?.string.flatMap { $0.split(separator: ".").last.map(String.init) } ?? ""
    }

    /// Takes an event that a reader was told.
    func take(_ event: JSONValue, by reader: String) {
        state.withLock { state in
            guard let sequence = event["sequence"]?.integer, let id = event["id"]?.string else {
                return state.problems.append("\(reader) was told what is no event: \(event)")
            }
            if sequence <= state.last[reader] ?? 0 {
                state.problems.append("\(reader) was told \(sequence) after \(state.last[reader] ?? 0)")
            }
            state.last[reader] = sequence
            state.counts[reader, default: 0] += 1
            guard let known = state.events[sequence] else { return state.events[sequence] = event }
            let members = ["id", "type", "timestamp", "changed", "request_id"]
            let isReduced = event["data"]?.names == ["id", "mode"]
            let isSame =
                members.allSatisfy { known[$0] == event[$0] }
                && (known["data"] == event["data"] || isReduced && known["data"]?["id"] == event["data"]?["id"])
            // Who saw it before its item was gone has seen more of it.
            if !isSame, known["data"]?.names != ["id", "mode"] {
                state.problems.append("\(sequence) is \(id) for \(reader), and was another for others: \(event) and \(known)")
            }
            if known["data"]?.names == ["id", "mode"] { state.events[sequence] = event }
        }
    }

    /// Has the events tell what has become of every item, and says what cannot be.
    /// - Returns: the items and the trash as they have to be now.
    func fold() -> (items: [String: JSONValue], trash: Set<String>) {
        var (items, trash): ([String: JSONValue], Set<String>) = ([:], [])
        var (states, shown): ([String: String], [String: JSONValue]) = ([:], [:])
        for event in events(ofCredits: false) {
            guard let data = event["data"], let id = data["id"]?.string else { continue }
            let (kind, before) = (Self.kind(of: event), states[id])
            let after = Self.state(after: kind, data, before)
            if let after { states[id] = after } else { note("\(kind) came to \(id), which was \(before ?? "nowhere"): \(event)") }
            if data["status"] != nil {
                if let last = shown[id], let difference = Self.difference(event, from: last) { note(difference) }
                shown[id] = data
            }
            (items[id], trash) = (nil, trash.subtracting([id]))
            switch after {
            case "trashed": trash.insert(id)
            case "deleted": break
            default: items[id] = data
            }
        }
        return (items, trash)
    }

    private func note(_ problem: String) { state.withLock { $0.problems.append(problem) } }

    /// What an item is after an event; nil where the event cannot come then.
    private static func state(after kind: String, _ data: JSONValue, _ before: String?) -> String? {
        let status = data["status"]?.string
        switch (kind, before) {
        case ("created", nil): return status ?? "unknown"
        case ("progress", "processing"), ("progress", "unknown"), ("updated", "processing"): return before
        case ("updated", "completed"), ("updated", "failed"), ("updated", "unknown"): return before
        case ("completed", "processing"), ("failed", "processing"), ("completed", "unknown"), ("failed", "unknown"): return kind
        case ("retried", "failed"), ("retried", "unknown"): return "processing"
        case ("trashed", let before?) where !["trashed", "deleted"].contains(before): return "trashed"
        case ("restored", "trashed"): return status ?? "unknown"
        case ("deleted", let before?) where before != "deleted": return "deleted"
        default: return nil
        }
    }

    /// Where an event does not name what is otherwise than before it. Progress that was not told is not missed.
    private static func difference(_ event: JSONValue, from last: JSONValue) -> String? {
        guard ["updated", "completed", "failed"].contains(kind(of: event)), let data = event["data"] else { return nil }
        let ignored: Set<String> = ["updated_at", "progress"]
        let differing = (data.names ?? []).filter { data[$0] != last[$0] }.subtracting(ignored)
        let named = Set((event["changed"]?.array ?? []).compactMap(\.string)).subtracting(ignored)
        return differing == named ? nil : "an event names \(named.sorted()), and \(differing.sorted()) differ: \(event) after \(last)"
    }
}
