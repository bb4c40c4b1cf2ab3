import ErrorEnvelope
import HTTPTypes
public import Hummingbird
public import NIOCore

extension Request {
    /// Reads the whole body into memory.
    ///
    /// A body whose `Content-Length` says too much is refused before a byte of it is read. Beyond that the length is not relied upon: what is
    /// only announced costs nothing, and everything is counted while it arrives.
    /// - Parameters:
    ///   - bodyBytesMax: The largest body that is taken, in bytes.
    ///   - reserve: Told of memory before it is taken, in bytes, for each part as it arrives. What it throws ends the reading.
    /// - Throws: ``ErrorCode/payloadTooLarge``, what `reserve` throws, or what the connection throws when it breaks.
    public func bodyBytes(upTo bodyBytesMax: Int, reserving reserve: (Int) throws -> Void = { _ in }) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        let declared = self.declaredBodyBytes
        try await self.readBody(upTo: bodyBytesMax) { part in
            try reserve(part.count)
            bytes.makeRoom(for: part.count, ofAll: declared)
            bytes.append(contentsOf: part)
        }
        return bytes
    }

    /// Reads the whole body part by part as it arrives, under the rules of ``bodyBytes(upTo:reserving:)``.
    /// - Parameters:
    ///   - bodyBytesMax: The largest body that is taken, in bytes.
    ///   - take: Given each part, which is valid until it returns. What it throws ends the reading.
    /// - Throws: ``ErrorCode/payloadTooLarge``, what `take` throws, or what the connection throws when it breaks.
    public func readBody(upTo bodyBytesMax: Int, _ take: (UnsafeRawBufferPointer) throws -> Void) async throws {
        try await self.takeBody(upTo: bodyBytesMax) { try $0.withUnsafeReadableBytes(take) }
    }

    /// Takes in the whole body part by part as it arrives, under the same rules; the next part is asked for when one was taken.
    /// - Parameters:
    ///   - bodyBytesMax: The largest body that is taken, in bytes.
    ///   - take: Given each part. What it throws ends the reading.
    /// - Throws: ``ErrorCode/payloadTooLarge``, what `take` throws, or what the connection throws when it breaks.
    public func takeBody(upTo bodyBytesMax: Int, _ take: (ByteBuffer) async throws -> Void) async throws {
        let declared = self.declaredBodyBytes
        if let declared, declared > bodyBytesMax { throw EnvelopeError.payloadTooLarge(bodyBytesMax: bodyBytesMax) }
        var count = 0
        for try await buffer in self.body {
            count += buffer.readableBytes
            guard count <= bodyBytesMax else { throw EnvelopeError.payloadTooLarge(bodyBytesMax: bodyBytesMax) }
            try await take(buffer)
        }
        // Whatever ended the body early, half of it must never be acted upon.
        if let declared, count < declared {
            throw EnvelopeError.invalid([ErrorDetail(field: "body", message: "the body ended before its Content-Length")])
        }
    }

    /// The length that the header gives the body, if it gives one.
    public var declaredBodyBytes: Int? { self.headers[.contentLength].flatMap { Int($0) } }

    /// Checks that the body is declared as JSON: `application/json` or `application/*+json`, in any case, parameters allowed.
    /// - Parameter message: Which types the call takes, where that is not JSON alone.
    /// - Throws: ``ErrorCode/unsupportedMediaType``.
    public func requireJSON(message: String? = nil) throws(EnvelopeError) {
        guard let contentType = self.headers[.contentType], Self.isJSON(contentType) else {
            throw EnvelopeError(.unsupportedMediaType, message: message)
        }
    }

    private static func isJSON(_ contentType: String) -> Bool {
        let mediaType = contentType.utf8.prefix { $0 != UInt8(ascii: ";") }.withoutOuterBlanks
        let parts = mediaType.split(separator: UInt8(ascii: "/"), maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0].isEqual(ignoringCaseOf: "application") else { return false }
        let subtype = parts[1]
        if subtype.isEqual(ignoringCaseOf: "json") { return true }
        return subtype.count > 5 && subtype.suffix(5).isEqual(ignoringCaseOf: "+json") && subtype.allSatisfy(Self.isTokenCharacter)
    }

    /// Whether a byte may stand in a token (RFC 9110, section 5.6.2).
    private static func isTokenCharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }
}

extension [UInt8] {
    /// Makes room for further bytes, in proportion to those that are there.
    ///
    /// A body that is moved into a larger room is there twice for a moment. So the room for all of a body whose length is known is made once a
    /// sixteenth of it has come, when little has to be moved; what is not written to yet takes no memory of the machine.
    fileprivate mutating func makeRoom(for added: Int, ofAll declared: Int?) {
        let count = count + added
        guard count > capacity else { return }
        guard let declared, declared >= count else { return reserveCapacity(2 * count) }
        reserveCapacity(declared / 16 <= count ? declared : 4 * count)
    }
}

extension EnvelopeError {
    /// A body that is longer than is taken.
    public static func payloadTooLarge(bodyBytesMax: Int) -> EnvelopeError {
        let code = ErrorCode.payloadTooLarge
        return EnvelopeError(code, message: "\(code.defaultMessage): at most \(bodyBytesMax) bytes are accepted")
    }
}
