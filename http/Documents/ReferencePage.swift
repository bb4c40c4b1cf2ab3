import Crypto
import NIOCore
import Personas

/// The reference of the API as a page: its HTML, and what that loads, under paths that change with any of the files.
///
/// A browser may keep what is there under such a path for good: another version has other paths.
struct ReferencePage: Sendable {
    /// Where assets lie: below the page, so that a prefix which a proxy takes away makes no difference.
    static let assetsFolder = "docs/assets"
    /// What stands in the HTML for the path of the folder of assets.
    private static let placeholder = "{assets}"
    private static let htmlName = "index.html"
    private static let folder = "docs/"

    /// A digest of the names and bytes of all files.
    let version: String
    /// The page, as it is read at `/` and `/docs`.
    let html: ByteBuffer
    /// The page, as it is read at `/docs/`, from where everything lies one folder up.
    let htmlInFolder: ByteBuffer
    /// What it loads, by file name.
    let assets: [String: ByteBuffer]

    /// Makes the page of the files in the folder `docs`; a page without files is empty.
    init(files: [String: ByteBuffer]) {
        var own: [String: ByteBuffer] = [:]
        for (path, bytes) in files where path.utf8.starts(with: Self.folder.utf8) { own[String(path.dropFirst(Self.folder.count))] = bytes }
        let version = Self.digest(of: own)
        let template = own.removeValue(forKey: Self.htmlName).map { String(buffer: $0) } ?? ""
        func html(from here: String) -> ByteBuffer {
            ByteBuffer(string: template.replacing(Self.placeholder, with: "\(here)\(Self.assetsFolder)/\(version)"))
        }
        self.version = version
        self.html = html(from: "")
        htmlInFolder = html(from: "../")
        assets = own
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
