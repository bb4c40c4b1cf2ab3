import Foundation
import TestSupport

/// Creates that name addresses of a host which keeps them waiting.
package enum SlowDownloads {
    /// - Parameters:
    ///   - accounts: which send them, in turn.
    ///   - connections: creates at once.
    ///   - padding: bytes of a member that is not asked for, which make the body a large one.
    package static func attack(
        _ name: String, accounts: [String], connections: Int, manner: SlowHost.Manner, host: SlowHost, padding: Int
    ) -> RepeatedRequests {
        let folder = name.filter(\.isLetter)
        return RepeatedRequests(name: name, connections: connections, pauseSeconds: 0.5) { number, answer in
            guard answer.code == "INVALID_IMAGE" else {
                let retry = answer.header("retry-after") == nil ? "without Retry-After" : "with Retry-After"
                return answer.status == 201 ? "201" : "\(RepeatedRequests.label(answer)) \(retry)"
            }
            let details = (answer.object["error"] as? [String: Any])?["details"] as? [[String: Any]] ?? []
            let wasAsked = details.allSatisfy { host.wasAsked(manner, "\(folder)/\(number)/\($0["index"] as? Int ?? 0)") }
            return wasAsked ? "400 INVALID_IMAGE" : unjustified
        } _: { number, service in
            let account = accounts[number % accounts.count]
            let addresses = (0..<3).map { host.address(manner, "\(folder)/\(number)/\($0)") }
            return RepeatedRequests.bytes(
                "POST", "/v2/personas", key: service.key(account),
                json: Bodies.create(name: "S\(number)", addresses: addresses, padding: padding))
        }
    }

    /// What an answer counts as that blames the client for an image which the service has not asked the host for.
    static let unjustified = "400 INVALID_IMAGE that was never asked for"
}

/// Bodies that are announced and do not come.
package struct AnnouncedBodies: Attack {
    package let name = "announced bodies"
    let accounts: [String]
    /// Of each account.
    let connections: Int
    /// Bytes that each is said to have.
    let announcedBytes: Int
    /// Bytes that come at once, and then each second.
    private static let bytesEach = 100

    /// Takes all members.
    package init(accounts: [String], connections: Int, announcedBytes: Int = 67_108_864) {
        self.accounts = accounts
        self.connections = connections
        self.announcedBytes = announcedBytes
    }

    package func run(on service: Service, _ run: AttackRun) throws {
        let drop = String(repeating: " ", count: Self.bytesEach)
        let texts = accounts.flatMap { account in
            let head = """
                POST /v2/personas HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Api-Key: \(service.key(account))\r\n\
                Content-Type: application/json\r\nContent-Length: \(announcedBytes)\r\n\r\n
                """
            return Array(repeating: head + drop, count: connections)
        }
        var sockets = texts.compactMap { text in
            let socket = try? Socket(.port(service.port))
            socket?.send(text)
            return socket.map { ($0, text) }
        }
        run.ready()
        while run.pause(1) {
            for (index, (socket, text)) in sockets.enumerated() {
                let answer = Crowd.answer(of: socket)
                if answer == "no answer", socket.send(drop) { continue }
                run.count(answer == "no answer" ? "closed" : answer)
                guard let again = try? Socket(.port(service.port), within: 0.5) else { continue }
                again.send(text)
                sockets[index] = (again, text)
            }
        }
    }
}

/// A body that comes in chunks of a byte, each with a long extension.
package struct DrippedChunks: Attack {
    package let name = "dripped chunks"
    let account: String
    let connections: Int

    /// Takes all members.
    package init(account: String, connections: Int) {
        self.account = account
        self.connections = connections
    }

    package func run(on service: Service, _ run: AttackRun) throws {
        let head = """
            POST /v2/personas HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Api-Key: \(service.key(account))\r\nContent-Type: application/json\r\n\
            Transfer-Encoding: chunked\r\n\r\n
            """
        let chunk = "1;" + String(repeating: "e", count: 2_000) + "\r\n \r\n"
        var crowd = Crowd()
        for _ in 0..<connections where !run.isOver { crowd.join(port: service.port, saying: head, run) }
        run.ready()
        while run.pause(0.1) {
            crowd.speak()
            for socket in crowd.sockets where Crowd.answer(of: socket) == "no answer" { socket.send(chunk) }
            for (answer, count) in crowd.dropAnswered() {
                run.count(answer, count)
                for _ in 0..<count { crowd.join(port: service.port, saying: head, run) }
            }
        }
    }
}

/// Requests whose header costs more to read than its bytes justify.
package struct LongHeaders: Attack {
    package let name = "long headers"
    let account: String
    let mediaPath: String
    /// Seconds between five requests and the next five.
    let pauseSeconds: Double

    /// Takes all members.
    package init(account: String, mediaPath: String, pauseSeconds: Double = 0.01) {
        self.account = account
        self.mediaPath = mediaPath
        self.pauseSeconds = pauseSeconds
    }

    /// Bytes of each text, just below the limit of a field.
    private static let textBytes = 8_000

    /// All of them, with a name for each; the first is a plain one of the same length.
    func requests(to service: Service) -> [(name: String, bytes: [UInt8])] {
        let key = service.key(account)
        // Of two classes in turn: putting them into their canonical order is what costs, wherever texts are compared as texts.
        let marks = String(decoding: repeated("\u{301}\u{323}", bytes: Self.textBytes), as: UTF8.self)
        let escaped = String(decoding: repeated("%CC%81%CC%A3", bytes: Self.textBytes), as: UTF8.self)
        let plain = String(repeating: "x", count: Self.textBytes)
        func get(_ path: String, _ fields: String, key: String? = key) -> [UInt8] {
            RepeatedRequests.bytes("GET", path, key: key, headers: fields)
        }
        let body = Array("{}".utf8)
        func post(_ type: String, _ fields: String = "") -> [UInt8] {
            Array(
                """
                POST /v2/personas HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Api-Key: \(key)\r\nContent-Type: \(type)\r\n\(fields)\
                Content-Length: \(body.count)\r\n\r\n
                """.utf8) + body
        }
        return [
            ("plain text in a key", get("/v2/personas", "", key: "pkz_" + plain)),
            ("key", get("/v2/personas", "", key: "pkz_" + marks)), ("key without prefix", get("/v2/personas", "", key: marks)),
            ("content type", post(marks)), ("content type's parameter", post("application/json;a=\(marks)")),
            ("content type's subtype", post("application/\(marks)+json")),
            ("path", get("/v2/personas/\(escaped)", "")), ("raw path", get("/v2/personas/\(marks)", "")),
            ("media path", get("/media/\(escaped)", "", key: nil)), ("unknown path", get("/\(escaped)", "", key: nil)),
            ("query", get("/v2/personas?q=\(escaped)", "")), ("cursor", get("/v2/personas?cursor=\(escaped)", "")),
            ("names in a query", get("/v2/personas?\(escaped)=1", "")),
            ("If-None-Match", get(mediaPath, "If-None-Match: \(marks)\r\n", key: nil)),
            ("If-None-Match with commas", get(mediaPath, "If-None-Match: \(Self.commas)\r\n", key: nil)),
            ("Range", get(mediaPath, "Range: bytes=\(marks)\r\n", key: nil)),
            ("many ranges", get(mediaPath, "Range: bytes=\(Self.ranges)\r\n", key: nil)),
            ("If-Range", get(mediaPath, "Range: bytes=0-1\r\nIf-Range: \(marks)\r\n", key: nil)),
            ("Idempotency-Key", post("application/json", "Idempotency-Key: \(marks)\r\n")),
        ]
            + [
                "traceparent", "X-Request-Id", "Connection", "Expect", "Upgrade", "Origin", "Prefer", "If-Match", "Accept",
                "Accept-Encoding", "TE", "X-Forwarded-For", "X-Any",
            ].map { ($0, get("/v2/personas", "\($0): \(marks)\r\n")) }
    }

    private static let commas = String(repeating: "\"\u{301}\",", count: textBytes / 5)
    private static let ranges = String(repeating: "0-1,", count: textBytes / 4)

    package func run(on service: Service, _ run: AttackRun) throws {
        let all = requests(to: service)
        run.ready()
        var number = 0
        while run.pause(pauseSeconds) {
            number += 1
            _ = Self.send(all[number % all.count].bytes, times: 5, to: service)
            run.count("requests", 5)
        }
    }

    /// Sends a request again and again. Returns how each was answered.
    static func send(_ bytes: [UInt8], times: Int, to service: Service) -> [String: Int] {
        var counts: [String: Int] = [:]
        var connection: Connection?
        for _ in 0..<times {
            do {
                let current = try connection ?? service.connection(timeoutSeconds: 10)
                connection = current
                let answer = try current.exchange(bytes)
                counts["\(answer.status)", default: 0] += 1
                if answer.header("connection") == "close" { connection = nil }
            } catch {
                connection = nil
                counts["\(error)", default: 0] += 1
            }
        }
        return counts
    }
}
