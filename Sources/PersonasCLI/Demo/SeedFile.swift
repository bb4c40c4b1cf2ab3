import Foundation
import Personas
import PersonasDB

/// A seed on its way into a database: one of those that the binary carries, or a file.
///
/// It is loaded in parts, one persona or style at a time, so that a large seed needs neither much memory nor a large request.
struct SeedFile: Sendable {
    /// What it is called in messages.
    let name: String
    /// What it holds, the images still named and not filled in.
    let document: SeedDocument
    private let images: Images

    /// Where the image files are that a seed names.
    enum Images: Sendable {
        /// In a folder, which their paths are relative to.
        case folder(String)
        /// In the binary, under their paths.
        case carried([String: [UInt8]])
    }

    /// Names that are reserved in every new database.
    static func reservedNames() throws(Failure) -> SeedFile {
        try SeedFile(name: "reserved-names", json: Seeds.reservedNames, images: .carried([:]))
    }

    /// An account with a key and a few items to try the service with.
    static func demo() throws(Failure) -> SeedFile { try SeedFile(name: "demo", json: Seeds.demo, images: .carried(Seeds.demoPictures)) }

    /// The seed of a name, or of a file where no seed has that name.
    /// - Throws: `invalid` when there is neither, or the file is not of the form of a seed.
    static func named(_ name: String) throws(Failure) -> SeedFile {
        switch name {
        case "reserved-names": return try reservedNames()
        case "demo": return try demo()
        default:
            guard let data = FileManager.default.contents(atPath: name) else {
                throw .invalid([Violation(field: "seed", message: "there is no seed and no file \(name) that can be read")])
            }
            // What `NSString` has for this ends the process for a name of one character.
            let folder = name.lastIndex(of: "/").map { String(name[..<$0]) } ?? "."
            return try SeedFile(name: name, json: [UInt8](data), images: .folder(folder))
        }
    }

    /// Reads a seed's JSON.
    /// - Throws: `invalid` with the place and the reason.
    init(name: String, json: [UInt8], images: Images) throws(Failure) {
        self.name = name
        self.images = images
        let data = Data(json)
        // Foundation's older parser goes first, because the newer one can be made to stop the process by deep nesting.
        guard let object = try? JSONSerialization.jsonObject(with: data), let members = object as? [String: Any] else {
            throw .invalid([Violation(field: "seed", message: "\(name) is not a JSON object")])
        }
        if let unknown = members.keys.sorted().first(where: { !Self.members.contains($0) }) {
            throw .invalid([Violation(field: "seed", message: "\(name) has an unknown member \(unknown)")])
        }
        do {
            document = try JSONDecoder().decode(SeedDocument.self, from: data)
        } catch {
            throw .invalid([Violation(field: "seed", message: "\(name) is not a seed: \(Self.reason(of: error))")])
        }
    }

    private static let members: Set<String> = ["accounts", "keys", "reserved_names", "blocked_terms", "personas", "styles"]

    /// How many parts there are: one for everything without images, and one for each item.
    var partCount: Int { 1 + (document.personas ?? []).count + (document.styles ?? []).count }

    /// What a part is called in messages.
    func title(ofPart index: Int) -> String { entry(at: index).map { "\(name), \($0.mode) \"\($0.entry.name)\"" } ?? name }

    /// A part, its images filled in.
    /// - Throws: `invalid` when an image cannot be read.
    func part(_ index: Int) throws(Failure) -> SeedDocument {
        var part = SeedDocument()
        guard let (mode, entry) = entry(at: index) else {
            part = document
            part.personas = nil
            part.styles = nil
            return part
        }
        var filled = entry
        var texts: [String] = []
        for image in entry.images { texts.append(Data(try bytes(of: image)).base64EncodedString()) }
        filled.imageBase64s = texts
        if mode == .persona { part.personas = [filled] } else { part.styles = [filled] }
        return part
    }

    private func entry(at index: Int) -> (mode: Mode, entry: SeedDocument.ItemEntry)? {
        let entries = (document.personas ?? []).map { (Mode.persona, $0) } + (document.styles ?? []).map { (Mode.style, $0) }
        return entries.indices.contains(index - 1) ? entries[index - 1] : nil
    }

    private func bytes(of image: String) throws(Failure) -> [UInt8] {
        switch images {
        case .carried(let files):
            guard let file = files[image] else { throw .unexpected("The seed \(name) names an image that is not in the binary: \(image)") }
            return file
        case .folder(let folder):
            let path = image.hasPrefix("/") ? image : folder + "/" + image
            let size = (try? FileManager.default.attributesOfItem(atPath: path))?[.size] as? Int
            guard let size, size <= Limits.imageBytesMax, let data = FileManager.default.contents(atPath: path) else {
                throw .invalid([
                    Violation(field: "images", message: "the image \(path) cannot be read or is larger than \(Limits.imageBytesMax) bytes")
                ])
            }
            return [UInt8](data)
        }
    }

    private static func reason(of error: any Error) -> String {
        let (text, path): (String, [any CodingKey]) =
            switch error {
            case DecodingError.keyNotFound(let key, let context): ("\(key.stringValue) is missing", context.codingPath)
            case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context),
                DecodingError.dataCorrupted(let context):
                (context.debugDescription, context.codingPath)
            default: ("it cannot be read", [])
            }
        return path.isEmpty ? text : "\(path.map { $0.intValue.map(String.init) ?? $0.stringValue }.joined(separator: ".")): \(text)"
    }
}

extension SeedReport {
    /// Adds what another part changed.
    mutating func add(_ other: SeedReport) {
        accounts += other.accounts
        keys += other.keys
        reservedNames += other.reservedNames
        blockedTerms += other.blockedTerms
        personas += other.personas
        styles += other.styles
    }
}
