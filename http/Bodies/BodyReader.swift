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
    ///   - types: which types the call takes, in words, where that is not JSON alone.
    ///   - handle: told what holds the body, and what else the request brings in.
    /// - Throws: `UNSUPPORTED_MEDIA_TYPE`, `PAYLOAD_TOO_LARGE`, `tooManyRequests` or `usedUp` when memory is short, `invalid`.
    func withObject<Form: Sendable, Value: Sendable>(
        of request: Request, from caller: Caller, types: String? = nil, decode: (JSONObject) throws(Failure) -> Form,
        handle: (Form, MemoryReservation) async throws -> Value
    ) async throws -> Value {
        // Without a body and a type for it there is nothing of the wrong type, only nothing.
        if request.announcesBody || request.headers[.contentType] != nil { try request.requireJSON(message: types) }
        return try await withMemory(of: caller) { memory in
            let form = try await form(of: request, holding: memory, decode)
            return try await handle(form, memory)
        }
    }

    /// The same for a call that needs no body: without one there is no object either.
    func withObjectIfAny<Form: Sendable, Value: Sendable>(
        of request: Request, from caller: Caller, decode: (JSONObject?) throws(Failure) -> Form,
        handle: (Form, MemoryReservation) async throws -> Value
    ) async throws -> Value {
        guard try await hasBody(request) else {
            let form = try decode(nil)
            return try await withMemory(of: caller) { memory in try await handle(form, memory) }
        }
        return try await withObject(of: request, from: caller) { (body) throws(Failure) in
            try decode(body)
        } handle: { form, memory in
            try await handle(form, memory)
        }
    }

    /// Whether a request has a body. Of one in chunks whose type nothing says only reading tells: without a byte there is nothing of the wrong type.
    /// - Throws: `UNSUPPORTED_MEDIA_TYPE` at the first byte of such a body, or what the connection throws when it breaks.
    private func hasBody(_ request: Request, types: String? = nil) async throws -> Bool {
        guard request.announcesBody else { return false }
        guard request.headers[.transferEncoding] != nil, request.headers[.contentType] == nil else { return true }
        try await request.readBody(upTo: bodyBytesMax) { if !$0.isEmpty { try request.requireJSON(message: types) } }
        return false
    }

    private func withMemory<Value: Sendable>(of caller: Caller, _ body: (MemoryReservation) async throws -> Value) async throws -> Value {
        let memory = memory.reservation(for: caller.accountID)
        defer { memory.close() }
        return try await body(memory)
    }

    private static let createTypes =
        "The request body must be JSON, with Content-Type: application/json, or a form with files, with Content-Type: multipart/form-data"

    /// Reads a create from the body, which is a JSON object or a form with files, then hands it on with the fingerprint of its call.
    /// - Throws: what `withObject` throws.
    func withCreate<Value: Sendable>(
        of request: Request, from caller: Caller, for call: IdempotentCall,
        handle: (CreateBody, MemoryReservation) async throws -> Value
    ) async throws -> Value {
        guard let boundary = try request.headers[.contentType].flatMap({ try MultipartBoundary(contentType: $0) }) else {
            return try await withObject(of: request, from: caller, types: Self.createTypes) { object in
                CreateBody(draft: CreateDraft(object), fingerprint: call.fingerprint(of: object))
            } handle: { create, memory in
                try await handle(create, memory)
            }
        }
        return try await withMemory(of: caller) { memory in
            let create = try await create(of: request, behind: boundary, for: call, holding: memory)
            return try await handle(create, memory)
        }
    }

    /// The same where the images alone of a create count, and there need be none: then there need be no body either.
    func withRetry<Value: Sendable>(
        of request: Request, from caller: Caller, for call: IdempotentCall,
        handle: (CreateBody, MemoryReservation) async throws -> Value
    ) async throws -> Value {
        guard try await hasBody(request, types: Self.createTypes) else {
            let nothing = try JSONObject(Array("{}".utf8))
            return try await withMemory(of: caller) { memory in
                try await handle(CreateBody(draft: CreateDraft(nothing), fingerprint: call.fingerprint(of: nothing)), memory)
            }
        }
        return try await withCreate(of: request, from: caller, for: call, handle: handle)
    }

    /// Takes a form apart as it arrives. What that costs a byte is a search and a copy, and under an idempotency key a hash, so that it is done where
    /// the body is received, no more than 64 KB of it at a time; images are looked at later, elsewhere.
    private func create(
        of request: Request, behind boundary: MultipartBoundary, for call: IdempotentCall, holding memory: MemoryReservation
    ) async throws -> CreateBody {
        var parser = MultipartParser(boundary: boundary)
        let bodyBytesMax = min(bodyBytesMax, request.declaredBodyBytes ?? bodyBytesMax)
        var receiver = CreateReceiver(form: CreateForm(holding: memory, bodyBytesMax: bodyBytesMax), digest: call.formDigest)
        try await request.readBody(upTo: self.bodyBytesMax) { try parser.take($0, into: &receiver) }
        try parser.finish()
        let form = receiver.form
        let draft = try await decoding.perform(on: form.fieldBytes, for: memory.accountID) { () throws(Failure) in try form.draft() }
        return CreateBody(draft: draft, fingerprint: call.fingerprint(ofForm: receiver.digest))
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

/// A create as it was read, with what tells its call from others.
struct CreateBody: Sendable {
    let draft: CreateDraft
    let fingerprint: [UInt8]
}

/// Hands the parts of a form on to what keeps them, and to what tells the form from others where that is asked for.
private struct CreateReceiver: MultipartReceiver {
    var form: CreateForm
    var digest: FormDigest?

    mutating func begin(_ part: MultipartPart) throws(Failure) {
        digest?.begin(part)
        try form.begin(part)
    }

    mutating func take(_ content: UnsafeRawBufferPointer) throws(Failure) {
        digest?.take(content)
        try form.take(content)
    }

    mutating func end() throws(Failure) {
        digest?.end()
        try form.end()
    }
}

extension CreateDraft {
    /// The members of a create's body, as found.
    fileprivate init(_ body: JSONObject) {
        self.init(
            details: DetailsDraft(body), imageURLs: body.strings("image_urls"), imageBase64s: body.texts("image_base64s"))
    }
}

extension Request {
    /// Whether the header says that a body follows.
    var announcesBody: Bool {
        headers[.transferEncoding] != nil
            || headers[.contentLength].map { !$0.utf8.elementsEqual("0".utf8) } ?? false
    }
}
