import ErrorEnvelopeHummingbird
import HTTPTypes
import Hummingbird
import Personas
import PersonasWire

/// Reads request bodies into memory that accounts share, and takes them apart where such work is done.
struct BodyReader: Sendable {
    let bodyBytesMax: Int
    let memory: MemoryBudget
    let decoding: BodyDecoding

    /// Reads a JSON object from the body and takes it apart, then hands on what was made of it.
    ///
    /// The memory is the request's until `handle` returns; the body itself goes as soon as nothing of what was made of it lies in it any more.
    /// - Parameters:
    ///   - decode: makes something of the object. It must neither wait nor touch network or disk, because it holds a place.
    ///   - handle: told what holds the body, and what else the request brings in.
    /// - Throws: `UNSUPPORTED_MEDIA_TYPE`, `PAYLOAD_TOO_LARGE`, `tooManyRequests` or `usedUp` when memory is short, `invalid`.
    func withObject<Form: Sendable, Value: Sendable>(
        of request: Request, from caller: Caller, decode: (JSONObject) throws(Failure) -> Form,
        handle: (Form, MemoryReservation) async throws -> Value
    ) async throws -> Value {
        // Without a body and a type for it there is nothing of the wrong type, only nothing.
        if request.announcesBody || request.headers[.contentType] != nil { try request.requireJSON() }
        let memory = memory.reservation(for: caller.accountID)
        defer { memory.close() }
        let form = try await form(of: request, holding: memory, decode)
        return try await handle(form, memory)
    }

    /// A function of its own, so that the body does not outlive it.
    private func form<Form: Sendable>(
        of request: Request, holding memory: MemoryReservation, _ decode: (JSONObject) throws(Failure) -> Form
    ) async throws -> Form {
        let bytes = try await request.bodyBytes(upTo: bodyBytesMax) { try memory.grow(by: $0) }
        return try await decoding.perform(on: bytes.count, for: memory.accountID) { () throws(Failure) in
            let object = try JSONObject(bytes)
            // A text with escapes is copied when it is taken out, whereas all others stay where they are.
            try memory.grow(by: object.escapedBytes)
            return try decode(object)
        }
    }
}

extension Request {
    /// Whether the header says that a body follows.
    var announcesBody: Bool {
        headers[.transferEncoding] != nil
            || headers[.contentLength].map { !$0.utf8.elementsEqual("0".utf8) } ?? false
    }
}
