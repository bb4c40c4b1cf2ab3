import AsyncHTTPClient
package import Crypto
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import NIOCore
import NIOHTTP1
import Synchronization
import TestSupport

/// A fal in the test process: queue, status, result, cancellation, webhooks signed by keys of its own, and these keys as JWKS.
package final class FakeFal: Sendable {
    /// What becomes of a request that is sent to the queue.
    package enum Reply: Sendable {
        /// It is taken, and the answer says so.
        case accept
        /// It is taken, and nobody is told: the answer comes when the fake lets go of everything.
        case acceptInSilence
        /// It is taken, and the answer is this.
        case acceptAs(status: Int, body: String = "{}")
        /// It is not taken, and nothing is answered until the fake lets go of everything.
        case silence
        /// It is not taken, and the answer is this.
        case refuse(status: Int, retryAfter: Int? = nil, body: String = "{}")
    }

    /// How a request stands.
    package enum Standing: Sendable, Equatable {
        case queued
        case running
        /// Done, with this result as JSON.
        case completed(String)
        /// Done, with this answer to the question for the result.
        case failed(status: Int, body: String, error: String)
    }

    /// A request in the queue.
    package struct Request: Sendable {
        /// The id that fal gives it.
        package let id: String
        /// The path that it was sent to.
        package let path: String
        /// Where its webhook is to go.
        package let webhookURL: String
        /// What the model was given.
        package let input: String
        /// The value of `Authorization`.
        package let authorization: String?
        package var standing = Standing.queued
        /// How often it was called off.
        package var cancellations = 0
        /// How often it was asked how it stands.
        package var questions = 0
    }

    /// A key that webhooks are signed with.
    package typealias Key = Curve25519.Signing.PrivateKey

    private struct State {
        var requests: [Request] = []
        /// Bodies of requests that came, taken or not.
        var arrivals: [String] = []
        var keys = [Key()]
        var keyReads = 0
        var holdsCancellations = false
        var isOver = false
    }

    private let port: Int
    private let state = Mutex(State())
    private let reply: @Sendable (_ number: Int) -> Reply

    /// The address of the queue.
    package var queueURL: String { "http://127.0.0.1:\(port)" }
    /// Where its keys are.
    package var keysURL: String { "\(queueURL)/.well-known/jwks.json" }
    /// All that was taken, in the order in which it came.
    package var requests: [Request] { state.withLock { $0.requests } }
    /// How many requests came, taken or not.
    package var arrivals: Int { state.withLock { $0.arrivals.count } }
    /// How often its keys were read.
    package var keyReads: Int { state.withLock { $0.keyReads } }

    private init(port: Int, reply: @escaping @Sendable (Int) -> Reply) {
        self.port = port
        self.reply = reply
    }

    /// Serves while `body` runs.
    /// - Parameter reply: what becomes of each request that comes, by the number of those before it.
    package static func run(
        reply: @escaping @Sendable (_ number: Int) -> Reply = { _ in .accept }, _ body: @escaping @Sendable (FakeFal) async throws -> Void
    ) async throws {
        let box = Shared<FakeFal?>(nil)
        let responder = CallbackResponder<BasicRequestContext> { request, _ in
            guard let fal = box.value else { return Response(status: .serviceUnavailable) }
            return try await fal.respond(to: request)
        }
        try await Application(responder: responder).test(.live) { client in
            let fal = FakeFal(port: client.port ?? 0, reply: reply)
            box.withLock { $0 = fal }
            defer { fal.letGo() }
            try await body(fal)
        }
    }

    /// Answers everything that is held back, and holds nothing back from now on.
    package func letGo() { state.withLock { $0.isOver = true } }

    /// Brings a request to its end.
    package func finish(_ id: String, _ standing: Standing) {
        edit(id) { $0.standing = standing }
    }

    /// Has the answers to cancellations held back, or no longer.
    package func holdCancellations(_ holds: Bool) { state.withLock { $0.holdsCancellations = holds } }

    /// Signs with another key from now on, and publishes no other.
    package func rotateKeys() { state.withLock { $0.keys = [Key()] } }

    private func edit(_ id: String, _ body: (inout Request) -> Void) {
        state.withLock { state in
            guard let index = state.requests.firstIndex(where: { $0.id == id }) else { return }
            body(&state.requests[index])
        }
    }

    private func request(_ id: String) -> Request? { requests.first { $0.id == id } }

    /// Waits until nothing is held back any more.
    private func hold() async {
        _ = await comesTrue(within: .seconds(600)) { state.withLock { $0.isOver } }
    }
}

// Answers.
extension FakeFal {
    private func respond(to request: Hummingbird.Request) async throws -> Response {
        let parts = request.uri.path.split(separator: "/").map(String.init)
        if parts == [".well-known", "jwks.json"] { return keys() }
        switch (request.method, parts.firstIndex(of: "requests")) {
        case (.post, nil): return try await submit(request)
        case (.get, let index?) where parts.last == "status": return status(of: parts[index + 1])
        case (.get, let index?): return result(of: parts[index + 1])
        case (.put, let index?) where parts.last == "cancel": return await cancel(parts[index + 1])
        default: return Self.json("{\"detail\":\"Not found\"}", status: 404)
        }
    }

    private func submit(_ request: Hummingbird.Request) async throws -> Response {
        let input = String(buffer: try await request.body.collect(upTo: 1_048_576))
        let number = state.withLock { state in
            state.arrivals.append(input)
            return state.arrivals.count - 1
        }
        switch reply(number) {
        case .silence:
            await hold()
            return Response(status: .serviceUnavailable)
        case .refuse(let status, let retryAfter, let body):
            var answer = Self.json(body, status: status)
            if let retryAfter { answer.headers[.retryAfter] = "\(retryAfter)" }
            return answer
        case .acceptAs(let status, let body):
            _ = take(request, input)
            return Self.json(body, status: status)
        case .acceptInSilence:
            let id = take(request, input)
            await hold()
            return accepted(id, request.uri.path)
        case .accept: return accepted(take(request, input), request.uri.path)
        }
    }

    private func take(_ request: Hummingbird.Request, _ input: String) -> String {
        let id = UUID().uuidString.lowercased()
        let webhookURL = request.uri.queryParameters["fal_webhook"].map(String.init) ?? ""
        state.withLock { state in
            state.requests.append(
                Request(
                    id: id, path: request.uri.path, webhookURL: webhookURL, input: input,
                    authorization: request.headers[.authorization]))
        }
        return id
    }

    private func accepted(_ id: String, _ path: String) -> Response {
        let base = "\(queueURL)/\(path.split(separator: "/").prefix(2).joined(separator: "/"))/requests/\(id)"
        return Self.json(
            """
            {"status":"IN_QUEUE","request_id":"\(id)","gateway_request_id":"\(id)","queue_position":0,"response_url":"\(base)",\
            "status_url":"\(base)/status","cancel_url":"\(base)/cancel"}
            """, status: 200)
    }

    private func status(of id: String) -> Response {
        edit(id) { $0.questions += 1 }
        switch request(id)?.standing {
        case nil: return Self.json("{\"detail\":\"Request not found\"}", status: 404)
        case .queued: return Self.json("{\"status\":\"IN_QUEUE\",\"request_id\":\"\(id)\",\"queue_position\":1}", status: 202)
        case .running: return Self.json("{\"status\":\"IN_PROGRESS\",\"request_id\":\"\(id)\",\"logs\":[]}", status: 202)
        case .completed: return Self.json("{\"status\":\"COMPLETED\",\"request_id\":\"\(id)\",\"logs\":null,\"metrics\":{}}", status: 200)
        case .failed(_, _, let error):
            return Self.json("{\"status\":\"COMPLETED\",\"request_id\":\"\(id)\",\"error\":\"\(error)\"}", status: 200)
        }
    }

    private func result(of id: String) -> Response {
        switch request(id)?.standing {
        case .completed(let result): Self.json(result, status: 200)
        case .failed(let status, let body, _): Self.json(body, status: status)
        default: Self.json("{\"detail\":\"Request is still in progress\"}", status: 400)
        }
    }

    private func cancel(_ id: String) async -> Response {
        edit(id) { $0.cancellations += 1 }
        if state.withLock({ $0.holdsCancellations }) { await hold() }
        switch request(id)?.standing {
        case nil: return Self.json("{\"status\":\"NOT_FOUND\"}", status: 404)
        case .queued: return Self.json("{\"status\":\"OK\"}", status: 202)
        case .running: return Self.json("{\"status\":\"CANCELLATION_REQUESTED\"}", status: 202)
        case .completed, .failed: return Self.json("{\"status\":\"ALREADY_COMPLETED\"}", status: 400)
        }
    }

    private func keys() -> Response {
        let keys = state.withLock { state in
            state.keyReads += 1
            return state.keys
        }
        let texts = keys.map { key in
            let x = key.publicKey.rawRepresentation.base64EncodedString().replacing("+", with: "-").replacing("/", with: "_")
                .replacing("=", with: "")
            return "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"use\":\"sig\",\"x\":\"\(x)\"}"
        }
        return Self.json("{\"keys\":[\(texts.joined(separator: ","))]}", status: 200)
    }

    private static func json(_ body: String, status: Int) -> Response {
        Response(
            status: HTTPResponse.Status(code: status), headers: [.contentType: "application/json"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: body)))
    }
}

// Webhooks.
extension FakeFal {
    /// What a webhook says of a request as it stands.
    package func report(of id: String) -> String {
        let ids = "\"request_id\":\"\(id)\",\"gateway_request_id\":\"\(id)\""
        return switch request(id)?.standing {
        case .completed(let result): "{\(ids),\"status\":\"OK\",\"payload\":\(result)}"
        case .failed(_, let body, let error): "{\(ids),\"status\":\"ERROR\",\"error\":\"\(error)\",\"payload\":\(body)}"
        default: "{\(ids),\"status\":\"OK\",\"payload\":null,\"payload_error\":\"Response payload is not JSON serializable\"}"
        }
    }

    /// The headers of a webhook, signed with the latest key.
    package func headers(of id: String, body: String, at seconds: Int = Int(Date().timeIntervalSince1970)) throws -> [(String, String)] {
        let digest = SHA256.hash(data: Data(body.utf8)).map { String(format: "%02x", $0) }.joined()
        let message = "\(id)\nuser_1\n\(seconds)\n\(digest)"
        let key = state.withLock { $0.keys[0] }
        let signature = try key.signature(for: Data(message.utf8)).map { String(format: "%02x", $0) }.joined()
        return [
            ("X-Fal-Webhook-Request-Id", id), ("X-Fal-Webhook-User-Id", "user_1"), ("X-Fal-Webhook-Timestamp", "\(seconds)"),
            ("X-Fal-Webhook-Signature", signature),
        ]
    }

    /// Sends the webhook of a request.
    /// - Parameters:
    ///   - body: by default what it is to say.
    ///   - changes: headers that are not as they should be; nil for one that is missing.
    /// - Returns: the status of the answer.
    @discardableResult
    package func sendWebhook(
        of id: String, body: String? = nil, at seconds: Int = Int(Date().timeIntervalSince1970), changes: [String: String?] = [:]
    ) async throws -> Int {
        let body = body ?? report(of: id)
        var request = HTTPClientRequest(url: self.request(id)?.webhookURL ?? "")
        request.method = .POST
        request.headers.add(name: "Content-Type", value: "application/json")
        for (name, value) in try headers(of: id, body: body, at: seconds) {
            if let value = changes[name, default: value] { request.headers.add(name: name, value: value) }
        }
        request.body = .bytes(ByteBuffer(string: body))
        return Int(try await HTTPClient.shared.execute(request, timeout: .seconds(60)).status.code)
    }

    /// Sends the webhook of a request as fal does: anew until it is taken.
    /// - Parameter body: by default what it is to say.
    package func deliver(_ id: String, body: String? = nil) async throws {
        try await eventually("the webhook of \(id)") { (try? await sendWebhook(of: id, body: body)) == 200 }
    }
}
