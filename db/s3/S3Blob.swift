import AsyncHTTPClient
import NIOHTTP1
import Personas
import Synchronization

/// An object that a GET was answered with, whose body is still to be read. Reading it from its start takes that answer, every other reading one of
/// its own.
///
/// A body that breaks off, or does not come on, is asked for anew from where it was: objects never change.
final class S3Blob: Blob {
    private let client: S3Client
    private let name: String
    private let opened: Mutex<BodyReader?>

    private init(_ name: String, _ body: BodyReader, of client: S3Client) {
        self.client = client
        self.name = name
        opened = Mutex(body)
    }

    /// Asks for an object, and waits until its first bytes are about to come.
    /// - Throws: `notFound`, and as `S3Client.open` does.
    static func open(_ name: String, by client: S3Client) async throws(Failure) -> S3Blob {
        guard let body = try await get(name, nil, by: client) else {
            throw .unexpected("The object store has no bytes of an object that it was asked for whole")
        }
        return S3Blob(name, body, of: client)
    }

    func send(_ range: Range<Int>, to sink: ([UInt8]) async throws -> Void) async throws -> Int {
        try await read(range, isTailWanted: false, to: sink)
    }

    /// Hands out a part of the bytes as `send` does, and, if that is wanted, also what there is of a last chunk that is cut short.
    /// - Returns: how many bytes the sink was given.
    func read(_ range: Range<Int>, isTailWanted: Bool, to sink: ([UInt8]) async throws -> Void) async throws -> Int {
        var place = range.lowerBound
        var body = takeOpened(isFromStart: place == 0)
        var triesDone = 0
        while place < range.upperBound {
            let count = min(Limits.blobChunkBytesMax, range.upperBound - place)
            guard let current = try await openedBody(body, from: place, to: range.upperBound) else { break }
            body = current
            let chunk: [UInt8]
            do {
                chunk = try await within(client.bounds.stallSecondsMax) { try await current.bytes(count) }
            } catch {
                if Task.isCancelled { throw CancellationError() }
                triesDone += 1
                body = nil
                let reason = error is Overdue ? "the body of an answer does not come on" : "\(error)"
                try await client.pause(
                    after: reason, triesDone: triesDone, before: .now + .seconds(client.bounds.callSecondsMax), .get)
                continue
            }
            triesDone = 0
            if chunk.count == count || (isTailWanted && !chunk.isEmpty) { try await sink(chunk) }
            guard chunk.count == count else {
                if isTailWanted { place += chunk.count }
                break
            }
            place += count
        }
        return place - range.lowerBound
    }

    /// The answer that this was opened with, for whoever reads from the start, the first time; otherwise it ends.
    private func takeOpened(isFromStart: Bool) -> BodyReader? {
        opened.withLock { opened in
            defer { opened = nil }
            return isFromStart ? opened : nil
        }
    }

    private func openedBody(_ body: BodyReader?, from place: Int, to end: Int) async throws(Failure) -> BodyReader? {
        if let body { return body }
        return try await Self.get(name, place..<end, by: client)
    }

    /// Asks for an object or a range of it. Returns nil where it ends before the range begins.
    private static func get(_ name: String, _ range: Range<Int>?, by client: S3Client) async throws(Failure) -> BodyReader? {
        switch try await client.open(.get(name, range)) {
        case .done(let response):
            let start = response.headers.first(name: "content-range")
            let isAsked =
                switch response.status {
                case .ok: range.map { $0.lowerBound == 0 } ?? true
                case .partialContent: range.map { start?.utf8.starts(with: "bytes \($0.lowerBound)-".utf8) ?? false } ?? false
                default: false
                }
            guard isAsked else {
                throw .unexpected("The object store sends another part than it was asked for: \(response.status.code)")
            }
            return BodyReader(response)
        case .refused(let refusal) where refusal.isMissingObject: throw .notFound
        case .refused(let refusal) where refusal.status == 416 && range != nil: return nil
        case .refused(let refusal): throw client.failure(of: refusal, for: .get)
        }
    }
}
