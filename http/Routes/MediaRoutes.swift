import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import Personas

/// The bytes of published images. The unguessable token is the whole right to see one, so that a page can show it without a key.
struct MediaRoutes: Sendable {
    /// Bytes read from disk at a time: what one slow reader holds in memory.
    private static let chunkBytes = 262_144

    let catalog: Catalog

    /// Adds the call.
    func add(to router: Router<PersonasRequestContext>) {
        router.get("/media/{token}") { request, context in try await show(request, context) }
    }

    private func show(_ request: Request, _ context: PersonasRequestContext) async throws -> Response {
        guard let token = context.parameters.get("token").flatMap({ RandomToken(text: $0) }) else { throw Failure.notFound }
        let content = try await catalog.image(token)
        let image = content.image
        let tag = "\"\(image.digest.prefix(16).map { String($0, radix: 16) }.joined())\""
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
        if let known = request.headers[.ifNoneMatch], known == "*" || known.contains(tag) {
            return Response(status: .notModified, headers: headers)
        }
        // RFC 9110 defines ranges for GET alone, and none where `If-Range` names another version.
        let isRangeMeant = request.method == .get && (request.headers[.ifRange] ?? tag) == tag
        guard let range = ByteRange(isRangeMeant ? request.headers[.range] : nil, of: image.byteCount) else {
            return Response(status: .ok, headers: headers, body: body(of: content, 0..<image.byteCount, logger: context.logger))
        }
        headers[.contentRange] = "bytes \(range.bytes.lowerBound)-\(range.bytes.upperBound - 1)/\(image.byteCount)"
        return Response(status: .partialContent, headers: headers, body: body(of: content, range.bytes, logger: context.logger))
    }

    private func body(of content: any MediaContent, _ range: Range<Int>, logger: Logger) -> ResponseBody {
        ResponseBody(contentLength: range.count) { writer in
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
            }
            try await writer.finish(nil)
        }
    }
}

/// One range of bytes that a client asks for (RFC 9110, section 14).
struct ByteRange: Equatable {
    let bytes: Range<Int>

    /// Reads a `Range` header. Nil, which means the whole, where it is absent, asks for several ranges, or for none that the file has: a
    /// server may ignore what it does not care to serve in parts.
    init?(_ header: String?, of byteCount: Int) {
        guard let header, header.hasPrefix("bytes="), byteCount > 0 else { return nil }
        let parts = header.dropFirst(6).split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ $0.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } }) else {
            return nil
        }
        switch (Int(parts[0]), Int(parts[1])) {
        case (let first?, let last?) where first <= last && first < byteCount: bytes = first..<(min(last, byteCount - 1) + 1)
        case (let first?, nil) where parts[1].isEmpty && first < byteCount: bytes = first..<byteCount
        case (nil, let length?) where parts[0].isEmpty && length > 0: bytes = max(0, byteCount - length)..<byteCount
        default: return nil
        }
    }
}
