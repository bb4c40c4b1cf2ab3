import ErrorEnvelope
import ErrorEnvelopeHummingbird
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import Personas
import Synchronization

/// The bytes of published images. The unguessable token is the whole right to see one, so that a page can show it without a key.
struct MediaRoutes: Sendable {
    /// The route of the call.
    static let path = "/media/{token}"
    /// Bytes read from disk at a time: what one slow reader holds in memory.
    private static let chunkBytes = 65_536
    /// When to come back for an image while too many are being sent.
    private static let retryAfterSeconds = 2

    let catalog: Catalog
    let answers: MediaAnswers
    let connections: ConnectionRegistry
    let limits: LimitCounters

    /// Adds the call.
    func add(to router: Router<PersonasRequestContext>) {
        router.get(RouterPath(Self.path)) { request, context in try await show(request, context) }
    }

    private func show(_ request: Request, _ context: PersonasRequestContext) async throws -> Response {
        guard let token = context.parameters.get("token").flatMap({ RandomToken(text: $0) }) else { throw Failure.notFound }
        let content = try await catalog.image(token)
        let image = content.image
        let tag = "\"\(hexadecimal(Array(image.digest.prefix(16))))\""
        var headers: HTTPFields = [
            .contentType: image.format.contentType,
            .eTag: tag,
            .acceptRanges: "bytes",
            .cacheControl: "private, max-age=31536000, immutable",
            // Whatever the bytes are, a browser that opens them by themselves shall run nothing.
            .contentSecurityPolicy: "sandbox; default-src 'none'",
            .contentDisposition: "inline; filename=\"image.\(image.format.fileExtension)\"",
            .crossOriginResourcePolicy: "cross-origin",
        ]
        if let known = request.headers[.ifNoneMatch], Self.names(known, tag) {
            return Response(status: .notModified, headers: headers)
        }
        // RFC 9110 defines ranges for GET alone, and none where `If-Range` names another version.
        let isRangeMeant = request.method == .get && request.headers[.ifRange].map { $0.utf8.isEqual(to: tag) } ?? true
        switch ByteRange(isRangeMeant ? request.headers[.range] : nil, of: image.byteCount) {
        case .whole:
            return Response(status: .ok, headers: headers, body: try body(of: content, 0..<image.byteCount, request, context))
        case .part(let part):
            headers[.contentRange] = "bytes \(part.lowerBound)-\(part.upperBound - 1)/\(image.byteCount)"
            return Response(status: .partialContent, headers: headers, body: try body(of: content, part, request, context))
        case .unsatisfiable:
            throw EnvelopeError(.rangeNotSatisfiable, headers: [.contentRange: "bytes */\(image.byteCount)"])
        }
    }

    /// Whether `If-None-Match` names a tag, weakly compared, or stands for every one.
    private static func names(_ header: String, _ tag: String) -> Bool {
        // An array, because a view of a text is slow to cut into thousands of pieces.
        Array(header.utf8).split(separator: UInt8(ascii: ",")).contains { entry in
            let entry = entry.withoutOuterBlanks
            return entry.isEqual(to: "*") || (entry.starts(with: "W/".utf8) ? entry.dropFirst(2) : entry).isEqual(to: tag)
        }
    }

    /// The bytes, read no faster than the client takes them.
    /// - Throws: `usedUp` when as many images are being sent as may be.
    private func body(
        of content: any MediaContent, _ range: Range<Int>, _ request: Request, _ context: PersonasRequestContext
    ) throws(Failure) -> ResponseBody {
        // To HEAD nothing is sent.
        let place = request.method == .get ? answers.begin() : nil
        guard place != nil || request.method != .get else {
            limits.hit(.mediaAnswers)
            // Whoever comes back finds the place of one that reads nothing.
            connections.spareStalledReader()
            throw .usedUp(.mediaAnswers, retryAfterSeconds: Self.retryAfterSeconds)
        }
        let channel = context.channel
        let logger = context.logger
        return ResponseBody(contentLength: range.count) { writer in
            // Held until the last byte is on its way, or this body is thrown away unsent.
            defer { withExtendedLifetime(place) {} }
            for start in stride(from: range.lowerBound, to: range.upperBound, by: Self.chunkBytes) {
                let count = min(Self.chunkBytes, range.upperBound - start)
                let chunk = try await content.read(at: start, count: count)
                // The length has been announced: unless the connection ends here, the client takes the next answer for the rest.
                guard chunk.count == count else {
                    logger.error(
                        "an image file is shorter than when it was stored", metadata: ["bytes": .stringConvertible(content.image.byteCount)]
                    )
                    throw Failure.unexpected("An image file is shorter than when it was stored")
                }
                try await writer.write(ByteBuffer(bytes: chunk))
                try await AnswerFlow.drained(channel)
            }
            try await writer.finish(nil)
            try await AnswerFlow.drained(channel)
        }
    }
}

/// Bounds how many images are being sent at once. Anybody may ask for one and read it as slowly as is waited for, so that the connections
/// beyond are left to calls.
final class MediaAnswers: Sendable {
    /// One image being sent; its place is free again when the last reference is gone.
    final class Place: Sendable {
        private let answers: MediaAnswers

        fileprivate init(_ answers: MediaAnswers) { self.answers = answers }

        deinit { answers.count.subtract(1, ordering: .relaxed) }
    }

    private let countMax: Int
    private let count = Atomic(0)

    init(atMost countMax: Int) {
        self.countMax = countMax
    }

    /// Takes a place; nil where there is none.
    func begin() -> Place? {
        let place = count.add(1, ordering: .relaxed)
        guard place.newValue <= countMax else {
            count.subtract(1, ordering: .relaxed)
            return nil
        }
        return Place(self)
    }
}
