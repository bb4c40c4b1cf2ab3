import Foundation
import Personas
import PersonasDB

/// A seed on its way into a database: one of those that the binary carries, or a file.
///
/// It is loaded in parts, one persona or style at a time, so that a large seed needs neither much memory nor a large request.
struct SeedFile: Sendable {
    /// What it is called in messages.
    let name: String
    /// What it holds, as far as that could be read, the images still named and not filled in.
    let document: SeedDocument
    /// Where its entries stand.
    let places: [SeedEntry: SeedPlace]
    /// What is wrong with its form.
    let faults: [SeedFault]
    /// Whether all its accounts could be read.
    let hasAllAccounts: Bool
    private let images: Images

    /// Bytes of a seed's JSON, which goes to a server as a whole to be looked at.
    private static let bytesMax = 48 * 1_024 * 1_024

    /// Where the image files are that a seed names.
    enum Images: Sendable {
        /// In a folder, which their paths are relative to.
        case folder(String)
        /// In the binary, under their paths.
        case carried([String: [UInt8]])
    }

    /// Names that are reserved in every new database.
    static func reservedNames() -> SeedFile { SeedFile(name: "reserved-names", json: Seeds.reservedNames, images: .carried([:])) }

    /// An account with a key and a few items to try the service with.
    static func demo() -> SeedFile { SeedFile(name: "demo", json: Seeds.demo, images: .carried(Seeds.demoPictures)) }

    /// The seed of a name, or of a file where no seed has that name.
    static func named(_ name: String) -> SeedFile {
        switch name {
        case "reserved-names": return reservedNames()
        case "demo": return demo()
        default:
            // What `NSString` has for this ends the process for a name of one character.
            let folder = name.lastIndex(of: "/").map { String(name[..<$0]) } ?? "."
            do throws(GivenFile.ReadFailure) {
                return SeedFile(name: name, json: try GivenFile.read(name, bytesMax: bytesMax), images: .folder(folder))
            } catch {
                return SeedFile(unreadable: name, error.reason)
            }
        }
    }

    /// Reads a seed's JSON.
    init(name: String, json: [UInt8], images: Images) {
        let reader = SeedReader(file: name, json)
        self.name = name
        self.images = images
        (document, places, faults) = (reader.document, reader.places, reader.faults)
        hasAllAccounts = reader.hasAllAccounts
    }

    private init(unreadable name: String, _ reason: String) {
        self.name = name
        images = .carried([:])
        let words = "there is no seed of this name, and no file that can be read (\(reason))"
        (document, places, hasAllAccounts) = (SeedDocument(), [:], false)
        faults = [SeedFault(file: name, line: 0, words: words)]
    }

    /// How many parts there are: one for everything without images, and one for each item.
    var partCount: Int { 1 + (document.personas ?? []).count + (document.styles ?? []).count }

    /// What a part is called in messages.
    func title(ofPart index: Int) -> String {
        guard let (mode, entry) = item(at: index - 1), let item = item(entry) else { return name }
        return "\(name), \(mode.rawValue) \"\(item.name)\""
    }

    /// A part, its images filled in.
    /// - Throws: `file` when an image cannot be read.
    func part(_ index: Int) throws(Failure) -> SeedDocument {
        var part = SeedDocument()
        guard let (mode, entry) = item(at: index - 1), var filled = item(entry) else {
            part = document
            part.personas = nil
            part.styles = nil
            return part
        }
        var texts: [String] = []
        for image in filled.images {
            do throws(GivenFile.ReadFailure) {
                texts.append(Data(try bytes(of: image)).base64EncodedString())
            } catch {
                throw .file(FileFailure(operation: "read", path: path(of: image), reason: error.reason))
            }
        }
        filled.imageBase64s = texts
        if mode == .persona { part.personas = [filled] } else { part.styles = [filled] }
        return part
    }

    /// What is wrong with the images, by the rules of every image that comes in.
    /// - Parameter done: is told after each item.
    func imageFaults(keepingMetadata: Bool, _ done: () -> Void) -> [SeedFault] {
        var known: [String: String?] = [:]
        var faults: [SeedFault] = []
        for index in 0..<(partCount - 1) {
            guard let (mode, entry) = item(at: index), let item = item(entry) else { continue }
            for (position, image) in item.images.enumerated() {
                let words = known[image] ?? fault(of: image, at: position, keepingMetadata: keepingMetadata)
                known[image] = .some(words)
                guard let words else { continue }
                let line = places[entry]?.images[position] ?? 0
                let title = "\(mode.rawValue) \(item.name.debugDescription)"
                faults.append(SeedFault(file: name, line: line, title: title, words: words))
            }
            done()
        }
        return faults
    }

    /// Where an image is, as this process reaches it.
    func path(of image: String) -> String {
        guard case .folder(let folder) = images, !image.hasPrefix("/") else { return image }
        return folder + "/" + image
    }

    /// The entry of an item, counted through personas and styles.
    private func item(at index: Int) -> (mode: Mode, entry: SeedEntry)? {
        let personas = (document.personas ?? []).count
        guard index >= 0, index < partCount - 1 else { return nil }
        return index < personas ? (.persona, SeedEntry(.personas, index)) : (.style, SeedEntry(.styles, index - personas))
    }

    private func item(_ entry: SeedEntry) -> SeedDocument.ItemEntry? {
        (entry.list == .personas ? document.personas : document.styles)?[entry.index]
    }

    private func fault(of image: String, at position: Int, keepingMetadata: Bool) -> String? {
        let name = "the image \(path(of: image))"
        do throws(GivenFile.ReadFailure) {
            let bytes = try bytes(of: image)
            do throws(Failure) {
                let place = ImagePosition(field: .imageBase64s, index: position)
                _ = try ReferenceImage.checked(bytes, keepingMetadata: keepingMetadata, at: place)
                return nil
            } catch {
                let names = Array(repeating: name, count: position + 1)
                return CommandFailure(error, imageFiles: names).message
            }
        } catch {
            return "\(name) cannot be read: \(error.reason)"
        }
    }

    private func bytes(of image: String) throws(GivenFile.ReadFailure) -> [UInt8] {
        switch images {
        case .carried(let files):
            guard let file = files[image] else { throw GivenFile.ReadFailure(code: ENOENT) }
            return file
        case .folder: return try GivenFile.read(path(of: image), bytesMax: Limits.imageBytesMax)
        }
    }
}
