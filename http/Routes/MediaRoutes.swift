import ErrorEnvelope
import ErrorEnvelopeHummingbird
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import Personas
import PersonasWire

/// The bytes of published images. The unguessable token is the whole right to see one, so that a page can show it without a key.
struct MediaRoutes: Sendable {
    /// The route of the call.
    static let path = "\(pathPrefix){token}"
    /// What all paths of images begin with.
    static let pathPrefix = "/media/"
    /// When to come back for an image while too many are being sent.
    private static let retryAfterSeconds = 2

    let catalog: Catalog
    /// One for each image that is being sent. There are no shares by account, because no reader needs a key.
    let places: AsyncSemaphore
    let connections: ConnectionRegistry
    let limits: LimitCounters

    /// Adds the call.
    func add(to router: Router<PersonasRequestContext>) {
        router.get(RouterPath(Self.path)) { request, context in try await show(request, context) }
    }

    /// Whether a path is answered during maintenance: that of every image.
    static func isOpen(_ path: String) -> Bool { path.utf8.starts(with: pathPrefix.utf8) }

    private func show(_ request: Request, _ context: PersonasRequestContext) async throws -> Response {
        let image = try await catalog.image(try Self.token(context.parameters.get("token")))
        let (tag, fields) = Self.header(of: image)
        if tag.isKnown(by: request.headers[.ifNoneMatch]) { return Response(status: .notModified, headers: fields) }
        var headers = fields
        let content = try await catalog.open(image)
        // RFC 9110 defines ranges for GET alone, and none where `If-Range` names another version.
        let isRangeMeant = request.method == .get && request.headers[.ifRange].map { $0.utf8.isEqual(to: tag.text) } ?? true
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

    /// The header of the answer to a client that has the image already, where to find that out needs no waiting; nil where it does, or where the
    /// client has to be sent the image.
    func knownNow(_ token: String, ifNoneMatch known: String?) throws(Failure) -> HTTPFields? {
        guard let known, let image = try catalog.imageNow(try Self.token(token)) else { return nil }
        let (tag, fields) = Self.header(of: image)
        return tag.isKnown(by: known) ? fields : nil
    }

    private static func token(_ text: String?) throws(Failure) -> RandomToken {
        guard let token = text.flatMap({ RandomToken(text: $0) }) else { throw .notFound }
        return token
    }

    /// The tag of an image, and the header of every answer about it.
    private static func header(of image: StoredImage) -> (tag: EntityTag, fields: HTTPFields) {
        let tag = EntityTag(strong: hexadecimal(Array(image.digest.prefix(16))))
        return (
            tag,
            [
                .contentType: image.format.contentType,
                .eTag: tag.text,
                .acceptRanges: "bytes",
                .cacheControl: "private, max-age=31536000, immutable",
                // Whatever the bytes are, a browser that opens them by themselves shall run nothing.
                .contentSecurityPolicy: "sandbox; default-src 'none'",
                .contentDisposition: "inline; filename=\"image.\(image.format.fileExtension)\"",
                .crossOriginResourcePolicy: "cross-origin",
            ]
        )
    }

    /// The bytes, read no faster than the client takes them.
    /// - Throws: `usedUp` when as many images are being sent as may be.
    private func body(
        of content: OpenImage, _ range: Range<Int>, _ request: Request, _ context: PersonasRequestContext
    ) throws(Failure) -> ResponseBody {
        // To HEAD nothing is sent.
        let place = request.method == .get ? places.permit() : nil
        guard place != nil || request.method != .get else {
            limits.hit(.mediaAnswers)
            // A client that comes back finds the place of one that reads nothing.
            connections.spareStalledReader()
            throw .usedUp(.mediaAnswers, retryAfterSeconds: Self.retryAfterSeconds)
        }
        let channel = context.channel
        let logger = context.logger
        return ResponseBody(contentLength: range.count) { writer in
            // Held until the last byte is on its way, or this body is thrown away unsent.
            defer { withExtendedLifetime(place) {} }
            let sent = try await content.blob.send(range) { chunk in
                try await writer.write(ByteBuffer(bytes: chunk))
                try await AnswerFlow.drained(channel)
            }
            // The length has been announced: unless the connection ends here, the client takes the next answer for the rest.
            guard sent == range.count else {
                logger.error(
                    "an image file is shorter than when it was stored", metadata: ["bytes": .stringConvertible(content.image.byteCount)])
                throw Failure.unexpected("An image file is shorter than when it was stored")
            }
            try await writer.finish(nil)
            try await AnswerFlow.drained(channel)
        }
    }
}
