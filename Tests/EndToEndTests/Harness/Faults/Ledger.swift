import Foundation
import Synchronization
import TestImages
import TestSupport
import Testing

/// What clients were told, and what they asked for without getting an answer: the two things that a service must be held to after a crash.
final class Ledger: Sendable {
    /// An item as its clients know it. More than one value means that a change was asked for and not answered.
    struct Item: Sendable {
        let id: String
        let mode: String
        /// The seeds of its pictures.
        var seeds: Set<Int>
        var names: Set<String>
        var instructions: Set<JSONValue>
        /// A deletion was answered.
        var isDeleted = false
        /// A deletion was asked for.
        var mayBeDeleted = false
        /// Addresses of its images, once known.
        var urls: [String] = []
        /// Whether its images were compared since it last changed.
        var isChecked = false
    }

    /// How the training of an item has ended.
    enum Ending: Sendable, Hashable {
        /// With a portrait drawn for this seed; nil for the first reference image.
        case completed(portrait: Int?)
        /// With the words of the worker.
        case failed(String)
    }

    /// What is known of an item's training.
    private struct Training {
        /// How it may have ended, as far as it was asked for.
        var endings: Set<Ending> = [.completed(portrait: nil)]
        /// An ending was answered, after which nothing may change it any more.
        var isSettled = false
    }

    /// A create without an answer.
    struct Attempt: Sendable {
        let mode: String
        let name: String
        let seed: Int
    }

    private struct State {
        var items: [String: Item] = [:]
        var trainings: [String: Training] = [:]
        var attempts: [Attempt] = []
        var problems: [String] = []
        var answers = 0
    }

    private let state = Mutex(State())

    /// Everything that went against a promise.
    var problems: [String] { state.withLock { $0.problems } }
    /// How many answers the ledger rests on.
    var answers: Int { state.withLock { $0.answers } }
    /// Items that have not been deleted as far as the clients know.
    var living: [Item] { state.withLock { $0.items.values.filter { !$0.isDeleted } } }
    /// Items whose deletion was answered.
    var deleted: [Item] { state.withLock { $0.items.values.filter(\.isDeleted) } }

    /// All items that there ever were, as far as the clients know.
    var known: [String] { state.withLock { Array($0.items.keys) } }

    func note(problem: String) { state.withLock { $0.problems.append(problem) } }

    func note(created id: String, mode: String, name: String, seed: Int) {
        state.withLock { state in
            state.answers += 1
            let item = Item(id: id, mode: mode, seeds: [seed], names: [name], instructions: [.null])
            if state.items.updateValue(item, forKey: id) != nil { state.problems.append("the id \(id) was given twice") }
        }
    }

    func note(attempt: Attempt) { state.withLock { $0.attempts.append(attempt) } }

    /// Notes that a worker asked for an ending, of an item that its creator may not know of yet.
    func note(ending: Ending, of id: String, isAnswered: Bool) {
        state.withLock { state in
            if isAnswered { state.answers += 1 }
            var training = state.trainings[id] ?? Training()
            if training.isSettled {
                if isAnswered { state.problems.append("the training of \(id) ended twice: \(ending) after \(training.endings)") }
                return
            }
            if isAnswered { training.endings = [ending] } else { training.endings.insert(ending) }
            training.isSettled = isAnswered
            state.trainings[id] = training
        }
    }

    /// Notes an answer that leaves nothing to be compared.
    func noteAnswer() { state.withLock { $0.answers += 1 } }

    /// Notes an answered change of an item.
    func note(answered id: String, _ change: (inout Item) -> Void) {
        state.withLock { $0.answers += 1 }
        update(id, change)
    }

    /// Changes what is known of an item, which is to be looked at anew after the next crash.
    func update(_ id: String, _ change: (inout Item) -> Void) {
        learn(id) { item in
            item.isChecked = false
            change(&item)
        }
    }

    private func learn(_ id: String, _ change: (inout Item) -> Void) {
        state.withLock { state in
            guard var item = state.items[id] else { return }
            change(&item)
            state.items[id] = item
        }
    }

    /// Takes in an item that came out of a create without an answer.
    /// - Returns: false when no client asked for such an item.
    func adopt(_ found: JSONValue) -> Bool {
        state.withLock { state in
            guard let id = found["id"]?.string, let mode = found["mode"]?.string, let name = found["name"]?.string else { return false }
            let seeds = Set(state.attempts.filter { $0.mode == mode && $0.name == name }.map(\.seed))
            guard !seeds.isEmpty else { return false }
            state.items[id] = Item(id: id, mode: mode, seeds: seeds, names: [name], instructions: [.null])
            return true
        }
    }

    /// Compares everything with a service that was started after a crash, and learns which of the unanswered requests were done.
    /// - Parameter everyImage: also the images that were compared before.
    func check(_ client: Client, everyImage: Bool) async throws {
        try await eventually("the end of every job") { try await client.all("/v2/pikzonality", query: "status=processing").isEmpty }
        let listed = try await client.all("/v2/pikzonality")
        let byID = Dictionary(listed.map { ($0["id"]?.string ?? "", $0) }) { first, _ in first }
        if byID.count != listed.count { note(problem: "a list holds an item twice") }
        let names = listed.map { "\($0["mode"]?.string ?? "") \($0["name"]?.string?.lowercased() ?? "")" }
        if Set(names).count != names.count { note(problem: "two items have one name") }
        let known = Set((living + deleted).map(\.id))
        for item in listed where !known.contains(item["id"]?.string ?? "") && !adopt(item) { note(problem: "no client asked for \(item)") }
        for item in deleted where byID[item.id] != nil { note(problem: "the deleted item \(item.id) is back") }
        try await inParallel(living) { try await self.check($0, found: byID[$0.id], client, everyImage: everyImage) }
        try await inParallel(deleted.filter { !$0.isChecked }) { try await self.checkGone($0, client) }
        // From here on a name that was attempted in vain may belong to another item.
        state.withLock { $0.attempts = [] }
    }

    /// Looks at items, eight at a time.
    private func inParallel(_ items: [Item], _ body: @escaping @Sendable (Item) async throws -> Void) async throws {
        for start in stride(from: 0, to: items.count, by: 8) {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for item in items[start..<min(items.count, start + 8)] { group.addTask { try await body(item) } }
                try await group.waitForAll()
            }
        }
    }

    private func check(_ item: Item, found: JSONValue?, _ client: Client, everyImage: Bool) async throws {
        guard let found else {
            if item.mayBeDeleted { return update(item.id) { $0.isDeleted = true } }
            return note(problem: "the item \(item.id) is lost")
        }
        guard let name = found["name"]?.string, item.names.contains(name), let instructions = found["special_instructions"],
            item.instructions.contains(instructions), found["mode"]?.string == item.mode
        else { return note(problem: "the item \(item) was acknowledged, but is \(found)") }
        let endings = state.withLock { ($0.trainings[item.id] ?? Training()).endings }.filter { $0.fits(found) }
        guard !endings.isEmpty else { return note(problem: "training ended as no worker asked for: \(found)") }
        learn(item.id) {
            $0.names = [name]
            $0.instructions = [instructions]
            $0.mayBeDeleted = false
            $0.urls = Self.urls(of: found)
        }
        guard everyImage || !item.isChecked else { return }
        let single = try await client.get("/v2/\(item.mode)s/\(item.id)")
        if single.json != found { note(problem: "the item \(item.id) is not what the list says: \(single.status) \(single.text)") }
        if found["status"] == "failed" {
            state.withLock { $0.trainings[item.id] = Training(endings: endings, isSettled: true) }
            return learn(item.id) { $0.isChecked = true }
        }
        let images = try await images(of: found, client)
        for case .completed(let portrait) in endings {
            for seed in item.seeds {
                let sent = Picture.three(seed: seed)
                guard images == [portrait.map { Picture.png(seed: $0) } ?? sent[0]] + sent else { continue }
                state.withLock { $0.trainings[item.id] = Training(endings: [.completed(portrait: portrait)], isSettled: true) }
                return learn(item.id) {
                    $0.seeds = [seed]
                    $0.isChecked = true
                }
            }
        }
        note(problem: "the images of \(item.id) are not those that were sent")
    }

    private func checkGone(_ item: Item, _ client: Client) async throws {
        let status = try await client.get("/v2/pikzonality/\(item.id)").status
        if status != 404 { note(problem: "the deleted item \(item.id) answers \(status)") }
        for url in item.urls {
            let status = try await client.get(Self.path(of: url)).status
            if status != 404 { note(problem: "the image of the deleted item \(item.id) answers \(status)") }
        }
        learn(item.id) { $0.isChecked = true }
    }

    /// The bytes behind an item's addresses, whole as their headers say; the portrait first.
    private func images(of item: JSONValue, _ client: Client) async throws -> [[UInt8]] {
        var images: [[UInt8]] = []
        for url in Self.urls(of: item) {
            let image = try await client.get(Self.path(of: url))
            if image.status != 200 || image.header("Content-Type") != "image/png" || image.header("Content-Length") != "\(image.body.count)"
            {
                note(problem: "an image of \(item) answers \(image.status) \(image.headers)")
            }
            images.append(image.body)
        }
        return images
    }

    /// The addresses in a representation, the portrait's first.
    static func urls(of item: JSONValue) -> [String] {
        ([item["portrait_url"] ?? .null] + (item["reference"]?.array ?? [])).compactMap(\.string)
    }

    /// The path of an address, which outlives the port in it.
    static func path(of url: String) -> String { URLComponents(string: url)?.path ?? url }
}

extension Ledger.Ending {
    /// Whether an item looks like this, apart from the bytes of its images.
    fileprivate func fits(_ item: JSONValue) -> Bool {
        switch self {
        case .completed: item["status"] == "completed" && item["progress"] == 100 && Ledger.urls(of: item).count == 4
        case .failed(let words):
            item["status"] == "failed" && item["error"]?["message"] == .string(words) && Ledger.urls(of: item).isEmpty
        }
    }
}
