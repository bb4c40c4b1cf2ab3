import Foundation
import Synchronization
import TestImages
import TestSupport

/// Clients that mean no harm: each asks at fixed times, whatever became of what it asked before, and measures from those times.
///
/// A client that waited for an answer before it asked again would ask less of a slow service, and so never see how slow it is.
final class OrdinaryTraffic: Sendable {
    /// What they ask for.
    enum Kind: String, CaseIterable, Sendable {
        case item, page, media, create, patch, delete
    }

    /// What is told of a span of time.
    struct Figures: Sendable {
        /// Items and pages.
        var reads = Latencies()
        var creates = Latencies()
        var others = Latencies()

        var failures: [String: Int] {
            [reads, creates, others].map(\.failures).reduce(into: [:]) { $0.merge($1, uniquingKeysWith: +) }
        }

        mutating func add(_ other: Figures) {
            reads.add(other.reads)
            creates.add(other.creates)
            others.add(other.others)
        }
    }

    /// One second of each client.
    private static let second: [Kind] = [
        .item, .page, .item, .create, .media, .patch, .item, .page, .delete, .item, .item, .page, .item, .create, .media, .patch, .item,
        .item,
        .delete, .item,
    ]
    /// Connections of each client, which are fewer than a key may have requests under way.
    private static let connectionsEach = 8
    private static let timeoutSeconds = 30.0

    /// The accounts that it needs.
    static let accounts = (0..<10).map { "client \($0)" }

    private let service: Service
    private let clients: [Client]
    private let logs: [Kind: LatencyLog]
    private let isOver = Atomic(false)
    private let hasEnded = DispatchSemaphore(value: 0)

    /// Fills the accounts with items and starts.
    init(_ service: Service, seed: UInt64) throws {
        self.service = service
        logs = Dictionary(uniqueKeysWithValues: Kind.allCases.map { ($0, LatencyLog()) })
        clients = Self.accounts.enumerated().map { Client(key: service.key($1), number: UInt64($0), seed: seed) }
        let port = service.port
        _ = try Threads.gather(clients.count) { [clients] index in
            let connection = try Connection(port: port)
            for _ in 0..<Client.itemsMin {
                if let problem = try clients[index].ask(.create, connection) { throw MeasurementFailed("a create came to \(problem)") }
            }
            return []
        }
        let start = ContinuousClock.now + .milliseconds(200)
        for client in clients {
            for _ in 0..<Self.connectionsEach {
                let thread = Thread { [self] in
                    work(for: client, since: start)
                    hasEnded.signal()
                }
                thread.stackSize = 1 << 20
                thread.start()
            }
        }
    }

    /// Stops all of them.
    func end() {
        isOver.store(true, ordering: .relaxed)
        for _ in 0..<clients.count * Self.connectionsEach { hasEnded.wait() }
    }

    /// What was seen since this was last asked for.
    func take() -> Figures {
        var figures = Figures()
        for kind in Kind.allCases {
            let seen = logs[kind]?.take() ?? Latencies()
            switch kind {
            case .item, .page: figures.reads.add(seen)
            case .create: figures.creates.add(seen)
            case .media, .patch, .delete: figures.others.add(seen)
            }
        }
        return figures
    }

    private func work(for client: Client, since start: ContinuousClock.Instant) {
        var connection: Connection?
        while !isOver.load(ordering: .relaxed) {
            let number = client.nextTicket()
            let due = start + .milliseconds(number * 1_000 / Self.second.count) + .milliseconds(5) * Int(client.number)
            let wait = ContinuousClock.now.duration(to: due) / .milliseconds(1)
            if wait > 0 { usleep(UInt32(wait * 1_000)) }
            let kind = Self.second[number % Self.second.count]
            do {
                let problem = try askTwice(kind, client, &connection)
                let seconds = due.duration(to: .now) / .seconds(1)
                if let problem { logs[kind]?.add(failure: "\(kind.rawValue): \(problem)") } else { logs[kind]?.add(seconds) }
            } catch {
                connection = nil
                logs[kind]?.add(failure: "\(kind.rawValue): \(error)")
            }
        }
    }

    /// Asks, once more if the service had closed the connection while it was idle.
    private func askTwice(_ kind: Kind, _ client: Client, _ connection: inout Connection?) throws -> String? {
        if let old = connection {
            do {
                return try client.ask(kind, old)
            } catch ConnectionFailure.closed(isBeforeAnswer: true) {
                connection = nil
            }
        }
        let new = try service.connection(timeoutSeconds: Self.timeoutSeconds)
        connection = new
        return try client.ask(kind, new)
    }
}

/// One ordinary client with its items.
private final class Client: Sendable {
    private struct Item {
        let id: String
        var mediaPath: String?
    }

    private struct State {
        var random: SplitMix64
        /// The oldest first.
        var items: [Item] = []
        var created: UInt64 = 0
    }

    /// Items that are kept at least. Only the younger third is asked for and the oldest is deleted, so that no request meets a deletion.
    static let itemsMin = 60

    let key: String
    let number: UInt64
    private let image: NoiseImage
    private let state: Mutex<State>
    private let ticket = Counter()

    init(key: String, number: UInt64, seed: UInt64) {
        self.key = key
        self.number = number
        image = NoiseImage(width: 141, height: 142, seed: seed &+ number)
        state = Mutex(State(random: SplitMix64(seed: seed &* 31 &+ number)))
    }

    func nextTicket() -> Int { ticket.next() }

    /// Asks for something. Returns what was wrong with the answer.
    func ask(_ kind: OrdinaryTraffic.Kind, _ connection: Connection) throws -> String? {
        switch kind {
        case .create: return try create(connection)
        case .page: return Self.problem(try connection.exchange("GET", "/v2/personas?limit=20", key: key))
        case .item: return try read(connection)
        case .patch:
            guard let item = randomItem() else { return "there is no item" }
            let body = "{\"special_instructions\":\"\(UInt64.random(in: 0...UInt64.max))\"}"
            return Self.problem(try connection.exchange("PATCH", "/v2/personas/\(item.id)", key: key, json: Array(body.utf8)))
        case .delete:
            guard let item = state.withLock({ $0.items.count > Self.itemsMin ? $0.items.removeFirst() : nil }) else {
                return try read(connection)
            }
            return Self.problem(try connection.exchange("DELETE", "/v2/personas/\(item.id)", key: key))
        case .media:
            guard let path = randomItem(havingMedia: true)?.mediaPath else { return try read(connection) }
            let answer = try connection.exchange("GET", path)
            return Self.problem(answer) ?? (answer.body.count > 20_000 ? nil : "an image of \(answer.body.count) bytes")
        }
    }

    private func create(_ connection: Connection) throws -> String? {
        let number = state.withLock { state in
            state.created += 1
            return state.created
        }
        let images = (0..<3).map { image.variant(number, $0).base64 }
        let answer = try connection.exchange("POST", "/v2/personas", key: key, json: Bodies.create(name: "Item \(number)", images: images))
        guard answer.status == 201, let id = answer.member("id") else { return Self.problem(answer, expecting: 201) ?? "no id" }
        state.withLock { $0.items.append(Item(id: id)) }
        return nil
    }

    private func read(_ connection: Connection) throws -> String? {
        guard let item = randomItem() else { return "there is no item" }
        let answer = try connection.exchange("GET", "/v2/personas/\(item.id)", key: key)
        if item.mediaPath == nil, let first = (answer.object["reference"] as? [String])?.first, let path = URL(string: first)?.path {
            state.withLock { state in
                if let index = state.items.lastIndex(where: { $0.id == item.id }) { state.items[index].mediaPath = path }
            }
        }
        return Self.problem(answer)
    }

    private func randomItem(havingMedia: Bool = false) -> Item? {
        state.withLock { state in
            let items = state.items.suffix(Self.itemsMin / 3).filter { !havingMedia || $0.mediaPath != nil }
            return items.randomElement(using: &state.random)
        }
    }

    private static func problem(_ answer: RawAnswer, expecting status: Int = 200) -> String? {
        answer.status == status ? nil : RepeatedRequests.label(answer)
    }
}
