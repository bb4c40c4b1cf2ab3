import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import TestSupport

/// Follows a stream of events as a good client does: it connects again whenever the stream ends, from the last id that it has seen, and survives kills
/// of the service. It runs from `follow` until the task ends that called it, or the service says that nothing more will come.
final class EventFollower: Sendable {
    /// What it has seen.
    struct Seen: Sendable {
        /// Every event of every connection, in order.
        var events: [StreamedEvent] = []
        /// How many connections were answered with a stream.
        var connections = 0
        /// How many comments have come.
        var comments = 0
        /// The id with which it will connect next; nil before the first.
        var lastEventID: String?
        /// Answers that were no stream, but for those that say to come back later.
        var refusals: [ClientAnswer] = []
        /// Whether the service said that nothing more will come.
        var isEnded = false
    }

    /// What a stream without anything, pings included, lasts at most before the connection counts as broken.
    private static let silenceMax = TimeAmount.seconds(30 * Int64(timeoutFactor))
    private static let pause = Duration.milliseconds(20)

    private let address: @Sendable () -> String?
    private let key: String
    private let path: String
    private let content: Shared<Seen>
    private let http: HTTPClient

    /// - Parameters:
    ///   - path: with its query.
    ///   - lastEventID: where to begin; nil for now.
    ///   - address: where the service is at the moment; nil where it is not.
    init(
        key: String, path: String = "/v2/events", lastEventID: String? = nil, address: @escaping @Sendable () -> String?
    ) {
        self.key = key
        self.path = path
        self.address = address
        content = Shared(Seen(lastEventID: lastEventID))
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
        configuration.timeout.connect = .seconds(5)
        configuration.timeout.read = Self.silenceMax
        configuration.connectionPool.retryConnectionEstablishment = false
        http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    deinit { http.shutdown { _ in } }

    /// What it has seen so far.
    var seen: Seen { content.value }

    /// Follows until the task is cancelled or there is nothing more to follow.
    func follow() async {
        while !Task.isCancelled, !seen.isEnded {
            if let address = address() { try? await connect(address) }
            // As soon as may be, and not as late as `retry` allows: what is tested is what happens between.
            try? await Task.sleep(for: Self.pause)
        }
    }

    private func connect(_ address: String) async throws {
        var request = HTTPClientRequest(url: address + path)
        request.headers.add(name: "X-Api-Key", value: key)
        request.headers.add(name: "Accept", value: "text/event-stream")
        let lastEventID = seen.lastEventID
        if let lastEventID { request.headers.add(name: "Last-Event-ID", value: lastEventID) }
        let response = try await http.execute(request, deadline: .distantFuture)
        guard response.status == .ok, response.headers.first(name: "Content-Type")?.hasPrefix("text/event-stream") == true else {
            return try await note(refusal: response)
        }
        content.withLock { $0.connections += 1 }
        var reader = EventStreamReader(lastEventID: lastEventID ?? "")
        for try await buffer in response.body {
            let before = reader.commentCount
            let events = reader.read(buffer.readableBytesView)
            let (id, comments) = (reader.lastEventID, reader.commentCount - before)
            content.withLock { seen in
                seen.events += events
                seen.comments += comments
                if !id.isEmpty { seen.lastEventID = id }
            }
        }
    }

    private func note(refusal response: HTTPClientResponse) async throws {
        let body = try await response.body.collect(upTo: 1_024 * 1_024)
        let answer = ClientAnswer(status: Int(response.status.code), headers: response.headers, body: Array(buffer: body))
        content.withLock { seen in
            switch answer.status {
            case 204: seen.isEnded = true
            case 429, 503: break
            default: seen.refusals.append(answer)
            }
        }
    }
}
