import ErrorEnvelope
import ErrorEnvelopeHummingbird
import HTTPTypes
import NIOCore
import NIOHTTP1
import Personas
import PersonasDB
import PersonasMetrics
import TestSupport
import Testing

@testable import PersonasCLI
@testable import PersonasHTTP

/// The reads that are answered on the event loop, over the storage of a service under test: whatever a test reads is asked here as well, and where
/// there is an answer it has to be that of the router.
///
/// Limits, log and metrics are its own, so that nothing that a test looks at is counted twice.
struct ShadowReads: Sendable {
    /// How often both ways are asked before their answers count as different: what they tell may change in between, and does so every millisecond
    /// where a test has many requests write at the same time.
    private static let attemptsMax = 200
    /// Header fields of a connection, with which a request does not come as far as these reads.
    private static let connectionFields: Set<HTTPField.Name> = [.connection, .contentLength, .expect, .transferEncoding, .upgrade]

    private let reads: ImmediateReads
    private let answered = Shared(0)

    init(of app: Application, _ configuration: HTTPConfiguration, _ publicURL: PublicURL) {
        let metrics = MetricsSource(registry: MetricsRegistry(), storage: app.storage)
        let http = HTTPService(
            configuration: configuration, useCases: app.useCases, publicURL: publicURL, logger: LogRecorder().logger,
            accessLog: AccessLogRecorder(), metrics: metrics)
        reads = http.ways().immediate
    }

    /// Requests that were answered here as well.
    var answeredCount: Int { answered.value }

    /// Expects that so many requests were answered here as well, where reads of the store are: what waits for a network is not.
    func expectAnswered(_ count: Int, sourceLocation: SourceLocation = #_sourceLocation) {
        if TestPlace.isSQLite { #expect(answeredCount == count, "the event loop answers it as well", sourceLocation: sourceLocation) }
    }

    /// Expects that this way answers a request as the other one did, if it answers it.
    /// - Parameter again: asks the other way once more.
    func expect(
        _ answer: Answer, to method: HTTPRequest.Method, _ target: String, _ fields: HTTPFields, _ sourceLocation: SourceLocation,
        again: () async throws -> Answer
    ) async throws {
        var answer = answer
        for attempt in 1...Self.attemptsMax {
            guard !answer.isOfLimit, let other = self.answer(method, target, fields) else { return }
            answered.withLock { $0 += 1 }
            guard let difference = answer.difference(from: other) else { return }
            if attempt < Self.attemptsMax {
                answer = try await again()
            } else {
                Issue.record("\(method) \(target) has two answers: \(difference)", sourceLocation: sourceLocation)
            }
        }
    }

    private func answer(_ method: HTTPRequest.Method, _ target: String, _ fields: HTTPFields) -> Answer? {
        guard !fields.contains(where: { Self.connectionFields.contains($0.name) }) else { return nil }
        var headers = HTTPHeaders([("Host", "localhost")])
        for field in fields { headers.add(name: field.name.rawName, value: field.value) }
        let head = HTTPRequestHead(version: .http1_1, method: HTTPMethod(rawValue: method.rawValue), uri: target, headers: headers)
        return reads.answer(head, on: reads.connection(from: nil)).map { answer in
            Answer(
                status: answer.head.status.code, headers: answer.head.headerFields,
                bytes: answer.body.map { [UInt8](buffer: $0) } ?? [])
        }
    }
}

extension Answer {
    /// Whether the caller met a limit, of which each way has its own.
    fileprivate var isOfLimit: Bool {
        status == 429 || status == 503 && (try? envelope)?.error.code != .serviceUnderMaintenance && !bytes.isEmpty
    }

    /// What is not the same as in another answer to the same request; nil where nothing is, but for its id, its date, and how much is left of a limit.
    func difference(from other: Answer) -> String? {
        if status != other.status { return "\(status) and \(other.status)" }
        let (fields, otherFields) = (comparableFields, other.comparableFields)
        if fields != otherFields { return "\(fields) and \(otherFields)" }
        let (body, otherBody) = (comparableBody, other.comparableBody)
        return body == otherBody ? nil : "\(body) and \(otherBody)"
    }

    private var comparableFields: [String] {
        headers.compactMap { field in
            switch field.name {
            // Added where the router's answers come to a connection, and taken away there.
            case .date: nil
            case .contentLength where status == 304: nil
            case .requestID: field.name.rawName
            case .rateLimit: "\(field.name.rawName): \(field.value.replacing(/[rt]=\d+/, with: ""))"
            default: "\(field.name.rawName): \(field.value)"
            }
        }
    }

    private var comparableBody: String { requestID.isEmpty ? text : text.replacing(requestID, with: "<request>") }
}
