package import Personas

/// Items and manifests of archives as JSON.
///
/// The same bytes for the same item, whoever writes them: members stand in one order, labels by their keys. A reader passes over members that it does not
/// know.
package struct ArchiveDocuments: ArchiveFormat {
    private static let formatName = "personas-archive"

    /// Knows the one form that there is.
    package init() {}

    package func line(of item: ArchiveItem) -> [UInt8] {
        Self.bytes { writer in
            writer.object { writer in
                writer.member("id", item.id)
                writer.member("mode", word: item.mode)
                writer.member("name", item.details.name)
                writer.member("status", word: item.status)
                writer.allMembers(item.details)
                Self.write(item.error, &writer)
                writer.name("reference")
                writer.array { writer in
                    for digest in item.references { writer.string(hexadecimal(digest)) }
                }
                writer.member("portrait", item.portrait.map(hexadecimal))
                // Of few items, so that those of all others have the same bytes as ever.
                if let settlement = item.settlement { writer.member("settles_to", word: settlement) }
                writer.member("created_at", item.createdAt)
                writer.member("updated_at", item.updatedAt)
            }
        }
    }

    package func document(of manifest: ArchiveManifest) -> [UInt8] {
        Self.bytes { writer in
            writer.object { writer in
                writer.member("format", Self.formatName)
                writer.member("version", ArchiveManifest.version)
                writer.member("items", manifest.itemCount)
                writer.member("items_files", manifest.items.files)
                writer.member("items_bytes", manifest.items.bytes)
                writer.member("items_sha256", hexadecimal(manifest.items.digest))
                writer.member("media_files", manifest.images.files)
                writer.member("media_bytes", manifest.images.bytes)
                writer.member("media_sha256", hexadecimal(manifest.images.digest))
            }
        } + [UInt8(ascii: "\n")]
    }

    private static func write(_ error: TrainingError?, _ writer: inout JSONWriter) {
        writer.name("error")
        guard let error else { return writer.string(nil) }
        writer.object { writer in
            writer.member("code", word: error.code)
            writer.member("message", error.message)
        }
    }

    private static func bytes(_ write: (inout JSONWriter) -> Void) -> [UInt8] {
        var room = [UInt8](repeating: 0, count: Representation.bytes(items: 1))
        var count = room.withUnsafeMutableBytes { JSONWriter.write(into: $0, write) }
        if count > room.count {
            room = [UInt8](repeating: 0, count: count)
            count = room.withUnsafeMutableBytes { JSONWriter.write(into: $0, write) }
        }
        return Array(room.prefix(count))
    }

    package func item(in line: [UInt8]) throws(Failure) -> ArchiveItem {
        let object = try JSONObject(line)
        var reader = MemberReader(object: object)
        let id = reader.value("id") { Identifier($0) }
        let mode = reader.value("mode") { Mode(rawValue: $0) }
        let status = reader.value("status") { Status(rawValue: $0) }
        let references = reader.digests("reference")
        let portrait = reader.optional("portrait") { Self.digest($0) }
        let settlement = reader.ifPresent("settles_to") { Settlement(rawValue: $0) }
        let createdAt = reader.value("created_at") { Timestamp(text: $0) }
        let updatedAt = reader.value("updated_at") { Timestamp(text: $0) }
        let error = reader.error("error")
        let details = reader.details()
        guard reader.violations.isEmpty, let id, let mode, let status, let references, let details, let createdAt, let updatedAt else {
            throw .invalid(reader.violations)
        }
        guard (error != nil) == (status == .failed) else {
            throw .invalid([Violation("error", "must be given where the status is failed, and nowhere else")])
        }
        guard portrait == nil || status == .completed else {
            throw .invalid([Violation("portrait", "must be null until the status is completed")])
        }
        guard settlement == nil || status == .processing else {
            throw .invalid([Violation("settles_to", "must be given only where the status is processing")])
        }
        let outcome: TrainingOutcome? = error.map(TrainingOutcome.failed) ?? (status == .completed ? .completed : nil)
        return ArchiveItem(
            id: id, mode: mode, details: details, outcome: outcome, references: references, portrait: portrait,
            settlement: settlement, createdAt: createdAt, updatedAt: updatedAt)
    }

    package func manifest(in document: [UInt8]) throws(Failure) -> ArchiveManifest {
        var reader = MemberReader(object: try JSONObject(document))
        _ = reader.value("format") { $0.utf8.elementsEqual(Self.formatName.utf8) ? true : nil }
        let version = reader.count("version")
        guard reader.violations.isEmpty, version == ArchiveManifest.version else {
            throw .invalid([Violation("version", "must be \(ArchiveManifest.version) of the format \(Self.formatName)")])
        }
        let manifest = ArchiveManifest(
            itemCount: reader.count("items"),
            items: ArchiveManifest.Part(
                files: reader.count("items_files"), bytes: reader.count("items_bytes"), digest: reader.digest("items_sha256")),
            images: ArchiveManifest.Part(
                files: reader.count("media_files"), bytes: reader.count("media_bytes"), digest: reader.digest("media_sha256")))
        guard reader.violations.isEmpty else { throw .invalid(reader.violations) }
        return manifest
    }

    fileprivate static func digest(_ text: String) -> [UInt8]? {
        let digits = text.utf8
        return digits.count == 64 ? bytesOfHexadecimal(digits) : nil
    }
}

extension ArchiveItem {
    fileprivate var status: Status {
        switch outcome {
        case nil: .processing
        case .completed: .completed
        case .failed: .failed
        }
    }

    fileprivate var error: TrainingError? { if case .failed(let error) = outcome { error } else { nil } }
}

/// Reads the members of a document of an archive, and notes each that is not as it has to be.
private struct MemberReader {
    /// Bytes of the longest text that stands for a value: a SHA-256 in hexadecimal.
    private static let textBytesMax = 64

    let object: JSONObject
    private(set) var violations: [Violation] = []

    init(object: JSONObject) {
        self.object = object
    }

    /// A string that has to be there and to mean something. What means something is short; other texts would take long to be compared.
    mutating func value<Value>(_ name: String, _ read: (String) -> Value?) -> Value? {
        guard case .value(let text) = object.string(name), text.utf8.count <= Self.textBytesMax, let value = read(text) else {
            return violated(name)
        }
        return value
    }

    /// The same of one that may be null.
    mutating func optional<Value>(_ name: String, _ read: (String) -> Value?) -> Value? {
        if case .null = object.string(name) { return nil }
        return value(name, read)
    }

    /// The same of one that may be missing.
    mutating func ifPresent<Value>(_ name: String, _ read: (String) -> Value?) -> Value? {
        if case .absent = object.string(name) { return nil }
        return value(name, read)
    }

    mutating func count(_ name: String) -> Int {
        guard case .value(let number) = object.integer(name), number >= 0 else { return violated(name) ?? 0 }
        return number
    }

    mutating func digest(_ name: String) -> [UInt8] { value(name, ArchiveDocuments.digest) ?? [] }

    mutating func digests(_ name: String) -> [[UInt8]]? {
        guard case .value(let texts) = object.strings(name), texts.count == Limits.referenceImages else { return violated(name) }
        let digests = texts.compactMap(ArchiveDocuments.digest)
        return digests.count == texts.count ? digests : violated(name)
    }

    mutating func error(_ name: String) -> TrainingError? {
        switch object.strings(in: name) {
        case .null: return nil
        case .value(let members):
            var texts: [String: String] = [:]
            for case (let name, .value(let text)) in members where name.utf8.count <= 7 { texts[name] = text }
            guard let word = texts["code"], word.utf8.count <= Self.textBytesMax, let code = TrainingErrorCode(rawValue: word),
                let message = texts["message"], (try? TrainingError.checkedMessage(message, field: .own("message"))) != nil
            else { return violated(name) }
            return TrainingError(code: code, message: message)
        case .absent, .malformed: return violated(name)
        }
    }

    /// What owners set, by the rules of a create.
    mutating func details() -> PikzonalityDetails? {
        do throws(Failure) {
            return try DetailsDraft(object).checkedAsNew()
        } catch {
            if case .invalid(let broken) = error { violations += broken }
            return nil
        }
    }

    private mutating func violated<Value>(_ name: String) -> Value? {
        violations.append(Violation(name, "is not what an archive holds"))
        return nil
    }
}
