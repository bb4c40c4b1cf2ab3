import Foundation
import TestSupport

/// What a client does that means no good, or does not know better.
package protocol Attack: Sendable {
    /// What it is called.
    var name: String { get }
    /// Does it until the run is over, and then lets go of everything.
    func run(on service: Service, _ run: AttackRun) throws
}

extension Attack {
    /// Starts it on a thread of its own.
    package func start(on service: Service, secondsMax: Double = 900) -> AttackRun {
        AttackRun.start(secondsMax: secondsMax) { run in try self.run(on: service, run) }
    }
}

/// Many connections that one thread holds.
struct Crowd {
    private(set) var sockets: [Socket] = []
    /// Those that have not said yet what they came to say, because the service has not let them in.
    private var waiting: [(socket: Socket, text: String)] = []

    /// Opens one more, without waiting for it to come about, to send a text on it.
    mutating func join(port: Int, saying text: String, receiveBufferBytes: Int? = nil, _ run: AttackRun) {
        guard let socket = try? Socket(.port(port), within: 0, receiveBufferBytes: receiveBufferBytes) else {
            return run.count("not connected")
        }
        sockets.append(socket)
        if !text.isEmpty, !socket.send(text) { waiting.append((socket, text)) }
    }

    /// Has those who could not speak before say what they came to say.
    mutating func speak() {
        waiting.removeAll { $0.socket.send($0.text) || $0.socket.isClosed }
    }

    /// Forgets those that the service has closed. Returns how many those were.
    mutating func dropClosed() -> Int {
        let before = sockets.count
        sockets.removeAll(where: \.isClosed)
        return before - sockets.count
    }

    /// Forgets those that the service has answered or closed. Returns how many of each answer there were.
    mutating func dropAnswered() -> [String: Int] {
        var counts: [String: Int] = [:]
        sockets.removeAll { socket in
            let answer = Self.answer(of: socket)
            guard answer != "no answer" else { return false }
            counts[answer, default: 0] += 1
            return true
        }
        return counts
    }

    /// What the service has begun to answer to each, without reading it.
    var answers: [String: Int] {
        var counts: [String: Int] = [:]
        for socket in sockets { counts[Self.answer(of: socket), default: 0] += 1 }
        return counts
    }

    /// The status of the answer that lies in a socket's buffer, with `Retry-After` if it has one.
    static func answer(of socket: Socket) -> String {
        let head = String(decoding: socket.peek(1_024), as: UTF8.self)
        guard head.hasPrefix("HTTP/1.1 ") else { return socket.isClosed ? "closed" : "no answer" }
        let hasRetryAfter = head.lowercased().contains("\r\nretry-after: ")
        return head.dropFirst(9).prefix(3) + (hasRetryAfter ? " with Retry-After" : "")
    }
}

/// Connections that ask for something large and read nothing of it.
package struct StalledReaders: Attack {
    package var name: String { "stalled readers of \(what)" }
    /// What they ask for.
    private let what: String
    /// How many.
    let connections: Int
    /// What each sends, once or more often without waiting.
    let request: String
    /// Whether one that the service closes comes again.
    let isReturning: Bool

    /// Those of a path.
    /// - Parameter times: how often each asks.
    package init(connections: Int, path: String, key: String? = nil, times: Int = 1, isReturning: Bool = false) {
        self.connections = connections
        self.isReturning = isReturning
        what = path.hasPrefix("/media/") ? "images" : String(path.prefix { $0 != "?" })
        let field = key.map { "X-Api-Key: \($0)\r\n" } ?? ""
        request = String(repeating: "GET \(path) HTTP/1.1\r\nHost: 127.0.0.1\r\n\(field)\r\n", count: times)
    }

    package func run(on service: Service, _ run: AttackRun) throws {
        var crowd = Crowd()
        for _ in 0..<connections where !run.isOver { crowd.join(port: service.port, saying: request, run) }
        run.ready()
        var answers: [String: Int] = [:]
        while run.pause(0.5) {
            crowd.speak()
            // What lies there is looked at in time: a connection that the service resets loses it.
            answers.merge(crowd.answers) { max($0, $1) }
            guard isReturning else { continue }
            for _ in 0..<crowd.dropClosed() { crowd.join(port: service.port, saying: request, run) }
        }
        for (answer, count) in answers where answer.first?.isNumber == true { run.count(answer, count) }
        if let silent = crowd.answers["no answer"] { run.count("no answer", silent) }
    }
}

/// Connections that say nothing, or not enough.
package struct IdleConnections: Attack {
    /// What they say.
    package enum Kind: String, CaseIterable, Sendable {
        /// Nothing.
        case silent
        /// Half of a header.
        case halfHeader = "half a header"
        /// One request, and after its answer nothing more.
        case keptAlive = "kept alive after one request"
    }

    package var name: String { "idle connections, \(kind.rawValue)" }
    /// How many.
    let connections: Int
    /// What they say.
    let kind: Kind
    /// Whether one that the service closes comes again.
    let isReturning: Bool

    /// Takes all members.
    package init(connections: Int, kind: Kind, isReturning: Bool = false) {
        self.connections = connections
        self.kind = kind
        self.isReturning = isReturning
    }

    package func run(on service: Service, _ run: AttackRun) throws {
        let text =
            switch kind {
            case .silent: ""
            case .halfHeader: "GET /v2/personas HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half: "
            case .keptAlive: "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
            }
        var crowd = Crowd()
        for _ in 0..<connections where !run.isOver { crowd.join(port: service.port, saying: text, run) }
        run.ready()
        while run.pause(0.2) {
            crowd.speak()
            guard isReturning else { continue }
            for _ in 0..<crowd.dropClosed() where !run.isOver {
                run.count("shed")
                crowd.join(port: service.port, saying: text, run)
            }
        }
        run.count("still open", crowd.sockets.count - crowd.dropClosed())
    }
}
