import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import TestImages
import TestSupport
import Testing

/// What came back for one request.
struct ClientAnswer: Sendable {
    let status: Int
    let headers: HTTPHeaders
    let body: [UInt8]

    var text: String { String(decoding: body, as: UTF8.self) }

    /// The body as JSON; null where it is none, which no test takes for an answer.
    var json: JSONValue { (try? JSONValue(parsing: body)) ?? .null }

    /// The code of an error.
    var code: String? { json["error"]?["code"]?.string }

    /// The message of an error.
    var message: String? { json["error"]?["message"]?.string }

    /// The fields of an error's details, in their order.
    var fields: [String]? { json["error"]?["details"]?.array?.compactMap { $0["field"]?.string } }

    /// The member `id`.
    var id: String { get throws { try #require(json["id"]?.string, "no id in \(status) \(text.prefix(300))") } }

    /// The value of a header; nil unless it came exactly once.
    func header(_ name: String) -> String? {
        let values = headers[name]
        return values.count == 1 ? values[0] : nil
    }
}

/// A caller of the service. It follows no redirects and repeats nothing.
struct Client: Sendable {
    /// The address of the service.
    let base: String
    /// What goes into `X-Api-Key`.
    var key: String?
    /// Headers of every request.
    var headers: [(name: String, value: String)] = []
    /// How it connects.
    var http = Self.shared

    private static let shared: HTTPClient = {
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
        configuration.timeout.connect = .seconds(20)
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 64
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }()

    /// The longest answer that is taken.
    private static let answerBytesMax = 64 * 1_024 * 1_024

    /// Sends a request and reads the whole answer.
    /// - Parameters:
    ///   - target: a path with its query, or a whole URL.
    ///   - body: sent as it is, with a length.
    ///   - limit: until the last byte of the answer.
    func send(
        _ method: HTTPMethod, _ target: String, headers: [(name: String, value: String)] = [], body: [UInt8]? = nil,
        within limit: Duration = timeout
    ) async throws -> ClientAnswer {
        var request = HTTPClientRequest(url: target.hasPrefix("/") ? base + target : target)
        request.method = method
        if let key { request.headers.add(name: "X-Api-Key", value: key) }
        for header in self.headers + headers { request.headers.add(name: header.name, value: header.value) }
        if let body { request.body = .bytes(ByteBuffer(bytes: body)) }
        let sent = request
        return try await bounded("the answer to \(method) \(target)", within: limit) {
            let response = try await http.execute(sent, deadline: .distantFuture)
            let buffer = try await response.body.collect(upTo: Self.answerBytesMax)
            return ClientAnswer(status: Int(response.status.code), headers: response.headers, body: Array(buffer: buffer))
        }
    }

    /// Sends JSON.
    func send(
        _ method: HTTPMethod, _ target: String, json: JSONValue, headers: [(name: String, value: String)] = [],
        within limit: Duration = timeout
    ) async throws -> ClientAnswer {
        try await send(method, target, headers: [("Content-Type", "application/json")] + headers, body: json.bytes, within: limit)
    }

    func get(_ target: String, headers: [(name: String, value: String)] = []) async throws -> ClientAnswer {
        try await send(.GET, target, headers: headers)
    }

    func post(_ target: String, _ json: JSONValue, within limit: Duration = timeout) async throws -> ClientAnswer {
        try await send(.POST, target, json: json, within: limit)
    }

    func patch(_ target: String, _ json: JSONValue) async throws -> ClientAnswer { try await send(.PATCH, target, json: json) }

    func delete(_ target: String) async throws -> ClientAnswer { try await send(.DELETE, target) }

    /// Creates a persona or style on the typed surface and makes sure that it worked.
    /// - Parameter seed: tells the pictures apart.
    func create(_ mode: String = "persona", name: String, seed: Int = 0, members: [String: JSONValue] = [:]) async throws -> ClientAnswer {
        var body: [String: JSONValue] = ["name": .string(name), "image_base64s": Picture.threeBase64(seed: seed)]
        body.merge(members) { $1 }
        let answer = try await post("/v2/\(mode)s", .object(body))
        try #require(answer.status == 201, "create \(name): \(answer.status) \(answer.text)")
        return answer
    }

    /// Asks for an item until its training has ended.
    func trained(_ id: String, within limit: Duration = timeout) async throws -> JSONValue {
        try await eventually("the end of training of \(id)", within: limit) {
            let answer = try await get("/v2/pikzonality/\(id)")
            try #require(answer.status == 200, "polling met \(answer.status) \(answer.text)")
            return answer.json["status"] == "processing" ? nil : answer.json
        }
    }

    /// All items of a list, page after page.
    func all(_ path: String, query: String = "", limit: Int = 100) async throws -> [JSONValue] {
        var items: [JSONValue] = []
        var cursor = ""
        while true {
            let page = try await get("\(path)?\(query)&limit=\(limit)\(cursor)")
            try #require(page.status == 200, "list: \(page.status) \(page.text)")
            items += try #require(page.json["data"]?.array)
            guard let next = page.json["next_cursor"]?.string else { return items }
            cursor = "&cursor=\(next)"
        }
    }
}
