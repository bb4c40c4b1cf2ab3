import AsyncHTTPClient
import ErrorEnvelope
import Foundation
import NIOCore
import NIOHTTP1
import Personas

/// Why a call of a worker brought nothing.
enum WorkerProblem: Error, Sendable {
    /// The job is not this worker's any more.
    case leaseLost
    /// The server may answer another time: it is not there, under maintenance, or broken.
    case passing(String)
    /// The server will not answer such a call: the key or the address is wrong.
    case refused(ErrorBody)
    /// The worker is being stopped.
    case stopped

    /// The problem in words, for the worker's own log.
    var reason: String {
        switch self {
        case .leaseLost: "the server answered with a conflict"
        case .passing(let reason): reason
        case .refused(let body): "\(body.codeText): \(body.message)"
        case .stopped: "the worker was stopped"
        }
    }
}

/// The server that a worker works for. No other host is ever asked for anything.
struct TrainingServer: Sendable {
    /// Seconds that the server gets for anything but a lease, whose wait comes on top.
    private static let secondsMax = 30
    /// Bytes of the largest answer that is no image: a job, with three addresses and 300 characters of instructions.
    private static let replyBytesMax = 64 * 1_024

    let client: HTTPClient
    /// The address, without a slash at its end.
    let address: String
    let key: String

    /// Asks for a job. Nil when there was none all the time.
    func lease(waitSeconds: Int) async throws(WorkerProblem) -> WorkerJob? {
        let reply = try await post("/v2/training/lease", LeaseRequest(waitSeconds: waitSeconds), secondsMax: waitSeconds + Self.secondsMax)
        return reply.isEmpty ? nil : try decoded(reply)
    }

    /// Gives a sign of life. True when the job was cancelled.
    func heartbeat(_ job: WorkerJob, progress: Int) async throws(WorkerProblem) -> Bool {
        let reply: HeartbeatReply = try decoded(
            try await post("/v2/training/\(job.jobID)/heartbeat", HeartbeatRequest(leaseToken: job.leaseToken, progress: progress)))
        return reply.cancelled
    }

    /// Reports that a job ended well.
    func complete(_ job: WorkerJob, portrait: [UInt8]) async throws(WorkerProblem) {
        let request = CompleteRequest(leaseToken: job.leaseToken, portraitBase64: Data(portrait).base64EncodedString())
        _ = try await post("/v2/training/\(job.jobID)/complete", request)
    }

    /// Reports that a job ended badly.
    func fail(_ job: WorkerJob, _ report: JobFailure.Report) async throws(WorkerProblem) {
        let request = FailRequest(leaseToken: job.leaseToken, code: report.code, message: report.message, retryable: report.isRetryable)
        _ = try await post("/v2/training/\(job.jobID)/fail", request)
    }

    /// The bytes of a reference image.
    func image(at url: String) async throws(WorkerProblem) -> [UInt8] {
        guard let own = Self.mediaURL(url, at: address) else {
            throw .refused(ErrorBody(code: .notFound, message: "the address of the image is not the server's"))
        }
        return try await send(HTTPClientRequest(url: own), secondsMax: Self.secondsMax, bytesMax: Limits.imageBytesMax)
    }

    /// The address at which this worker's server has an image.
    ///
    /// The server writes addresses as its clients reach it, which may be another way than the worker's: only the path below `/media/` is
    /// taken from there. So no answer can send a worker, which may stand within a private network, to any other host.
    static func mediaURL(_ url: String, at address: String) -> String? {
        guard let parts = URLComponents(string: url), parts.query == nil,
            let token = parts.percentEncodedPath.split(separator: "/", omittingEmptySubsequences: false).last, !token.isEmpty,
            parts.percentEncodedPath.hasSuffix("/media/" + token)
        else { return nil }
        return "\(address)/media/\(token)"
    }

    private func post(_ path: String, _ body: some Encodable & Sendable, secondsMax: Int = secondsMax) async throws(WorkerProblem)
        -> [UInt8]
    {
        var request = HTTPClientRequest(url: address + path)
        request.method = .POST
        request.headers.add(name: "Content-Type", value: "application/json")
        request.headers.add(name: "X-Api-Key", value: key)
        do {
            request.body = .bytes(ByteBuffer(bytes: try JSONEncoder().encode(body)))
        } catch {
            throw .passing("a report cannot be written as JSON")
        }
        return try await send(request, secondsMax: secondsMax, bytesMax: Self.replyBytesMax)
    }

    private func decoded<Reply: Decodable>(_ bytes: [UInt8]) throws(WorkerProblem) -> Reply {
        do {
            return try JSONDecoder().decode(Reply.self, from: Data(bytes))
        } catch {
            throw .passing("the server answered something that this version does not understand")
        }
    }

    private func send(_ request: HTTPClientRequest, secondsMax: Int, bytesMax: Int) async throws(WorkerProblem) -> [UInt8] {
        let answer: Result<(status: HTTPResponseStatus, bytes: [UInt8]), any Error>
        do {
            // The client's own deadline ends with the head of the answer, so the body is read under one of ours.
            answer = .success(
                try await within(.seconds(secondsMax)) {
                    let response = try await client.execute(request, timeout: .seconds(Int64(secondsMax)))
                    return (response.status, Array(buffer: try await response.body.collect(upTo: bytesMax)))
                })
        } catch {
            answer = .failure(error)
        }
        if Task.isCancelled { throw .stopped }
        switch answer {
        case .failure(let error): throw .passing("the server cannot be reached at \(address): \(CommandFailure.reason(of: error))")
        case .success(let (status, bytes)):
            if (200...299).contains(status.code) { return bytes }
            throw Self.problem(Int(status.code), bytes, from: address)
        }
    }

    /// What a server's refusal of a call means for the worker.
    static func problem(_ status: Int, _ bytes: [UInt8], from address: String) -> WorkerProblem {
        let body = (try? ErrorEnvelope(decoding: bytes))?.error
        let text = body.map { "\($0.codeText): \($0.message)" } ?? "status \(status)"
        if status == 409 { return .leaseLost }
        // The catalogue knows whether to try again. What it does not know comes from a newer server or from something in front of it, of which
        // there is only the status to go by.
        if body?.code?.isRetryable ?? (status == 429 || status >= 500) { return .passing("the server answered \(text)") }
        switch status {
        case 401, 403: return .refused(body ?? ErrorBody(code: .invalidAPIKey, message: "The server answered with status \(status)"))
        default:
            return .refused(
                body ?? ErrorBody(code: .notFound, message: "There is no personas server at \(address): it answered with \(text)"))
        }
    }
}

/// Does something that must not take longer than a duration.
/// - Throws: what `body` throws, or `CancellationError` when the time is over.
func within<Result: Sendable>(_ duration: Duration, _ body: @escaping @Sendable () async throws -> Result) async throws -> Result {
    try await withThrowingTaskGroup(of: Result?.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await Task.sleep(for: duration)
            return nil
        }
        defer { group.cancelAll() }
        guard let result = try await group.next() ?? nil else { throw CancellationError() }
        return result
    }
}
