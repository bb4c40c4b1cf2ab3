import Crypto
import NIOCore
import Personas

/// A page for people: its HTML, and what that loads, under paths that change with any of the files.
///
/// A browser may keep what is there under such a path for good: another version has other paths.
struct Page: Sendable {
    /// What people use the service by.
    static func console(_ files: [String: ByteBuffer]) -> Page {
        Page(files: Self.files(of: consoleFolder, among: files), assetsFolder: consoleFolder)
    }

    /// The reference of the API.
    static func reference(_ files: [String: ByteBuffer]) -> Page {
        Page(files: Self.files(of: "docs", among: files), assetsFolder: referenceAssetsFolder)
    }

    /// Where the files of the console lie, both here and for browsers.
    static let consoleFolder = "console"
    /// Where browsers find those of the reference.
    static let referenceAssetsFolder = "docs/assets"
    /// Where those files lie that both pages have among their own.
    private static let sharedFolder = "shared"
    /// What stands in the HTML for the path of the folder of assets.
    private static let placeholder = "{assets}"
    /// What stands in one line of the HTML for the name of each script that no other line names.
    private static let modulePlaceholder = "{module}"
    private static let htmlName = "index.html"

    /// Where assets lie from the root of the service: below the page, so that a prefix which a proxy takes away makes no difference.
    let assetsFolder: String
    /// A digest of the names and bytes of all files.
    let version: String
    /// What it loads, by the path from its folder.
    let assets: [String: ByteBuffer]
    private let template: String

    private init(files: [String: ByteBuffer], assetsFolder: String) {
        var assets = files
        let markup = assets.removeValue(forKey: Self.htmlName).map { String(buffer: $0) } ?? ""
        template = Self.naming(assets.keys, in: markup)
        version = Self.digest(of: files)
        self.assetsFolder = assetsFolder
        self.assets = assets
    }

    /// The page as it is read in the root of the service, or in a folder from where the root is found by a path such as `../`.
    func html(root: String = "") -> ByteBuffer {
        ByteBuffer(string: template.replacing(Self.placeholder, with: "\(root)\(assetsFolder)/\(version)"))
    }

    /// Markup in which all scripts have a line, so that they come with the page rather than one after the other.
    private static func naming(_ names: some Sequence<String>, in markup: String) -> String {
        let modules = names.filter { $0.utf8.suffix(3).elementsEqual(".js".utf8) && !markup.contains("\(placeholder)/\($0)\"") }.sorted()
        return markup.split(separator: "\n", omittingEmptySubsequences: false).flatMap { line in
            line.contains(modulePlaceholder) ? modules.map { line.replacing(modulePlaceholder, with: $0) } : [line]
        }.joined(separator: "\n")
    }

    /// The files of a page, by their paths from its folder, or from that of what pages share.
    private static func files(of folder: String, among files: [String: ByteBuffer]) -> [String: ByteBuffer] {
        var own: [String: ByteBuffer] = [:]
        for folder in [sharedFolder, folder] {
            for (path, bytes) in files where path.utf8.starts(with: "\(folder)/".utf8) {
                own[String(path.dropFirst(folder.count + 1))] = bytes
            }
        }
        return own
    }

    private static func digest(of files: [String: ByteBuffer]) -> String {
        var hash = SHA256()
        for (name, bytes) in files.sorted(by: { $0.key < $1.key }) {
            // Lengths come first, so that no two sets of files read the same.
            hash.update(data: Array("\(name.utf8.count) \(name) \(bytes.readableBytes) ".utf8))
            hash.update(data: bytes.readableBytesView)
        }
        return hexadecimal(Array(hash.finalize().prefix(8)))
    }
}
