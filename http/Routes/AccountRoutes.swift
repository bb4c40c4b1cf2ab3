import ErrorEnvelope
import ErrorEnvelopeHummingbird
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import Personas
import PersonasWire

/// The archive of an account: everything that it has on its way out, and what was once exported on its way in.
struct AccountRoutes: Sendable {
    /// The path of the call that hands an archive out.
    static let exportPath = "/v2/account/export"
    /// The path of the call that takes one in.
    static let importPath = "/v2/account/import"
    /// What an archive is on the wire.
    static let archiveType: StaticString = "application/x-tar"
    /// JSON Lines: a document a line.
    static let linesType = "application/jsonl"
    /// The parameter by which a create is only looked at; whoever gives it does not want anything to be created.
    private static let validateOnly = "validate_only"
    /// Bytes of an archive that are put together before they go to the disk.
    private static let spooledBytes = 262_144

    let archives: Archives
    let importBytesMax: Int
    let authentication: Authentication
    let maintenance: MaintenanceMiddleware

    /// Adds the calls to a group whose callers are known.
    func add(to group: RouterGroup<CallerContext>) {
        group.get(RouterPath(Self.exportPath)) { request, context in try export(request, context) }
        group.post(RouterPath(Self.importPath)) { request, context in try await takeIn(request, context) }
    }

    /// Looks anew at whether a client may go on with what takes long: whoever has lost the right since, or finds maintenance on, gets no further.
    private func requireRight(to scope: Scope, of request: Request) async throws(Failure) {
        try maintenance.requireOpen(request.uri.path)
        try await authentication.caller(presenting: request.headers[.xAPIKey]).require(scope)
    }

    private func export(_ request: Request, _ context: CallerContext) throws -> Response {
        try context.caller.require(.read)
        let accountID = context.caller.accountID
        // To HEAD nothing is sent.
        let place = request.method == .get ? try archives.exportPlace(for: accountID) : nil
        let (channel, logger) = (context.channel, context.logger)
        let body = ResponseBody { writer in
            // Where this body is thrown away unsent, or ends before its end, the place goes with it.
            defer { place?.leave() }
            do {
                try await archives.export(accountID) { bytes in
                    try await requireRight(to: .read, of: request)
                    try await writer.write(ByteBuffer(bytes: bytes))
                    // A client that reads slowly holds its place and one piece of the archive.
                    try await AnswerFlow.drained(channel)
                }
            } catch let failure as Failure {
                // The connection ends without the end of the answer, and the archive without its manifest.
                let level: Logger.Level = failure.envelopeError.cause == nil ? .info : .error
                logger.log(level: level, "an export could not go on", metadata: ["reason": "\(failure)"])
                throw failure
            }
            place?.leave()
            try await writer.finish(nil)
            try await AnswerFlow.drained(channel)
        }
        return Response(
            status: .ok,
            headers: [
                .contentType: "\(Self.archiveType)", .contentDisposition: "attachment; filename=\"personas.tar\"",
                .cacheControl: "no-store",
            ], body: body)
    }

    /// Takes an archive in: all of it onto the disk, then a look at all of it, then item by item. Only what was looked at is answered with 200; from
    /// then on each line of the answer tells of one item, and the last of all of them, or why the import could not go on.
    private func takeIn(_ request: Request, _ context: CallerContext) async throws -> Response {
        try context.caller.require(.write)
        let key = try IdempotencyKey(of: request)
        guard QueryParameters(request.uri.query).count(of: Self.validateOnly) == 0 else {
            throw Failure.invalid([Violation(Self.validateOnly, "is no parameter of imports; nothing was imported")])
        }
        try request.requireArchive()
        let accountID = context.caller.accountID
        let place = try archives.importPlace(for: accountID, key: key)
        let announced = request.declaredBodyBytes
        if let announced, announced > importBytesMax { throw EnvelopeError.payloadTooLarge(bodyBytesMax: importBytesMax) }
        let spool = try archives.makeSpool(for: announced)
        var part: [UInt8] = []
        try await request.takeBody(upTo: importBytesMax) { buffer in
            part += buffer.readableBytesView
            guard part.count >= Self.spooledBytes else { return }
            try await requireRight(to: .write, of: request)
            try await spool.append(part)
            part = []
        }
        try await spool.append(part)
        let run = try await archives.verify(spool, for: accountID, key: key, requestID: context.requestID)
        try await requireRight(to: .write, of: request)
        let (channel, logger, requestID) = (context.channel, context.logger, context.requestID)
        let body = ResponseBody { writer in
            // So that the account has no second import under way before this one is at its end.
            defer { place.leave() }
            do {
                var linesLeft = run.itemCount
                let totals = try await run.run { items in
                    try await writer.write(ByteBuffer(lines: items))
                    try await AnswerFlow.drained(channel)
                    linesLeft -= items.count
                    if linesLeft > 0 { try await requireRight(to: .write, of: request) }
                }
                place.leave()
                try await writer.write(ByteBuffer(totals, requestID: requestID))
            } catch let failure as Failure {
                let error = failure.envelopeError
                if error.cause != nil { logger.error("an import could not go on", metadata: ["reason": "\(failure)"]) }
                try await writer.write(ByteBuffer(error, requestID: requestID))
            }
            try await writer.finish(nil)
        }
        return Response(status: .ok, headers: [.contentType: Self.linesType, .cacheControl: "no-store"], body: body)
    }
}

extension IdempotencyKey {
    /// The key of a request; nil where it has none.
    /// - Throws: `invalid`.
    fileprivate init?(of request: Request) throws(Failure) {
        guard let header = request.headers[.idempotencyKey] else { return nil }
        do throws(Violation) {
            try self.init(quotable: header)
        } catch {
            throw .invalid([error])
        }
    }
}

extension Request {
    /// - Throws: ``ErrorCode/unsupportedMediaType`` unless the body is declared as an archive, and as nothing around one.
    fileprivate func requireArchive() throws(EnvelopeError) {
        let type = headers[.contentType]?.utf8.prefix { $0 != UInt8(ascii: ";") }.withoutOuterBlanks
        guard let type, type.isEqual(ignoringCaseOf: AccountRoutes.archiveType) else {
            throw EnvelopeError(
                .unsupportedMediaType, message: "The request body must be a tar archive, with Content-Type: \(AccountRoutes.archiveType)")
        }
        guard headers[.contentEncoding] == nil else {
            throw EnvelopeError(.unsupportedMediaType, message: "The tar archive must be sent without a Content-Encoding")
        }
    }
}

extension ByteBuffer {
    private static let lineBytes = 256

    /// What lines of an archive came to, a document a line.
    fileprivate init(lines items: [ImportedItem]) {
        self.init()
        for item in items {
            var line = ByteBuffer(json: Self.lineBytes) { writer in
                writer.object { writer in
                    writer.member("line", item.line)
                    writer.member("status", word: item.status)
                    writer.member("id", item.id?.text)
                    writer.member("mode", word: item.mode)
                    writer.member("name", item.name)
                    writer.name("error")
                    guard let error = item.failure?.envelopeError else { return writer.string(nil) }
                    writer.error(error)
                }
            }
            writeBuffer(&line)
            writeInteger(UInt8(ascii: "\n"))
        }
    }

    /// The last line of an import that came to its end.
    fileprivate init(_ totals: ImportTotals, requestID: String) {
        self.init(json: Self.lineBytes) { writer in
            writer.object { writer in
                writer.name("totals")
                writer.object { writer in
                    writer.member("items", totals.items)
                    writer.member("created", totals.created)
                    writer.member("skipped", totals.skipped)
                    writer.member("failed", totals.failed)
                }
                writer.member("request_id", requestID)
            }
        }
        writeInteger(UInt8(ascii: "\n"))
    }

    /// The last line of an import that could not go on.
    fileprivate init(_ error: EnvelopeError, requestID: String) {
        self.init(json: Self.lineBytes) { writer in
            writer.object { writer in
                writer.name("error")
                writer.error(error)
                writer.member("request_id", requestID)
            }
        }
        writeInteger(UInt8(ascii: "\n"))
    }
}

extension JSONWriter {
    fileprivate mutating func error(_ error: EnvelopeError) {
        json(String(decoding: ErrorBody(code: error.code, message: error.message, details: error.details).encoded(), as: UTF8.self))
    }
}
