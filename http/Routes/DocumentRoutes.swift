import HTTPTypes
import Hummingbird
import NIOCore
import Personas

/// The pages for people, which are the console and the reference of the API, and the API's own description as a document for programs.
///
/// Nobody needs a key for them, and they answer during maintenance, because that is when people look what goes on and what an answer means. All of it
/// is bytes that were made beforehand.
struct DocumentRoutes: Sendable {
    /// The routes of all calls.
    static let paths = fixedPaths.union([consoleAssetPath, consoleViewPath, referenceAssetPath])
    /// The routes of the document itself, which programs and pages of other origins read.
    static let documentPaths: Set<String> = [yamlPath, jsonPath]
    private static let fixedPaths: Set<String> = [consolePath, referencePath, yamlPath, jsonPath, iconPath]
    private static let consolePath = "/"
    private static let referencePath = "/docs"
    private static let referenceFolderPath = "/docs/"
    private static let yamlPath = "/openapi.yaml"
    private static let jsonPath = "/openapi.json"
    private static let iconPath = "/favicon.ico"
    private static let consoleAssetPrefix = "/\(Page.consoleFolder)/"
    private static let consoleAssetPath = "\(consoleAssetPrefix){version}/{file}"
    private static let consoleViewPath = "\(consoleAssetPrefix){version}/\(viewsFolder){file}"
    private static let referenceAssetPrefix = "/\(Page.referenceAssetsFolder)/"
    private static let referenceAssetPath = "\(referenceAssetPrefix){version}/{file}"
    /// The only folder within that of the console.
    private static let viewsFolder = "views/"

    /// The files of the executable, made ready once for all services of the process.
    static let embedded = DocumentRoutes(files: EmbeddedFiles.all)

    private let console: Assets
    private let consolePage: Document
    private let reference: Assets
    private let referencePage: Document
    private let referencePageInFolder: Document
    private let yaml: Document
    private let json: Document
    private let icon: Document

    /// Makes the answers of files by their paths from the folder `http`.
    init(files: [String: ByteBuffer]) {
        let (console, reference) = (Page.console(files), Page.reference(files))
        self.console = Assets(console)
        consolePage = Document("index.html", console.html(), headers: Self.pageHeaders)
        self.reference = Assets(reference)
        let policy = Self.policy(images: "'self' blob:")
        referencePage = Document("index.html", reference.html(), headers: Self.pageHeaders).with(policy: policy)
        referencePageInFolder = Document("index.html", reference.html(root: "../"), headers: Self.pageHeaders).with(policy: policy)
        yaml = Document("openapi.yaml", files["openapi.yaml"] ?? ByteBuffer(), headers: Self.documentHeaders)
        json = Document("openapi.json", files["openapi.json"] ?? ByteBuffer(), headers: Self.documentHeaders)
        icon = Document("favicon.ico", console.assets["favicon.ico"] ?? ByteBuffer(), headers: [.cacheControl: "no-cache"])
    }

    /// Adds the calls.
    /// - Parameter publicURL: where the console's images come from, which may be another origin than the one by which a browser opened it.
    func add(to router: Router<PersonasRequestContext>, publicURL: PublicURL) {
        router.get(RouterPath(Self.consolePath)) { request, _ in
            let images = ["'self' blob:", publicURL.policySource].compactMap(\.self).joined(separator: " ")
            return consolePage.with(policy: Self.policy(images: images)).answer(to: request)
        }
        router.get(RouterPath(Self.referencePath)) { request, _ in try referencePage(at: request.uri.path).answer(to: request) }
        router.get(RouterPath(Self.yamlPath)) { request, _ in yaml.answer(to: request) }
        router.get(RouterPath(Self.jsonPath)) { request, _ in json.answer(to: request) }
        router.get(RouterPath(Self.iconPath)) { request, _ in icon.answer(to: request) }
        router.get(RouterPath(Self.consoleAssetPath)) { try console.answer(to: $0, $1) }
        router.get(RouterPath(Self.consoleViewPath)) { try console.answer(to: $0, $1, in: Self.viewsFolder) }
        router.get(RouterPath(Self.referenceAssetPath)) { try reference.answer(to: $0, $1) }
    }

    /// Whether a path answers during maintenance.
    static func isOpen(_ path: String) -> Bool {
        fixedPaths.contains(path) || path.utf8.elementsEqual(referenceFolderPath.utf8)
            || path.utf8.starts(with: consoleAssetPrefix.utf8) || path.utf8.starts(with: referenceAssetPrefix.utf8)
    }

    /// The reference at a path that has its route. What it loads lies beside or above it, and elsewhere for every further slash.
    private func referencePage(at path: String) throws(Failure) -> Document {
        if path.utf8.elementsEqual(Self.referencePath.utf8) { return referencePage }
        guard path.utf8.elementsEqual(Self.referenceFolderPath.utf8) else { throw .notFound }
        return referencePageInFolder
    }

    private static let documentHeaders: HTTPFields = [.cacheControl: "no-cache"]

    /// A key is typed into the pages, which therefore tell nobody where they were, and share nothing with a page that opens them.
    private static let pageHeaders: HTTPFields = [
        .cacheControl: "no-cache", .crossOriginOpenerPolicy: "same-origin", .referrerPolicy: "no-referrer",
    ]

    /// What a page may do: it runs no script but its own, and builds no markup from text.
    private static func policy(images: String) -> String {
        """
        default-src 'none'; script-src 'self'; style-src 'self'; img-src \(images); connect-src 'self'; form-action 'none'; \
        base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'
        """
    }
}

/// What a page loads, as answers.
private struct Assets: Sendable {
    private static let headers: HTTPFields = [.cacheControl: "public, max-age=31536000, immutable"]

    private let version: String
    private let assets: [String: Document]

    init(_ page: Page) {
        version = page.version
        assets = page.assets.reduce(into: [:]) { $0[$1.key] = Document($1.key, $1.value, headers: Self.headers) }
    }

    /// The answer to the request for a file.
    /// - Parameter folder: where it lies within that of the page, as a path that ends with a slash.
    func answer(to request: Request, _ context: PersonasRequestContext, in folder: String = "") throws(Failure) -> Response {
        let (file, version) = (context.parameters.get("file"), context.parameters.get("version"))
        guard let file, let version, version.utf8.elementsEqual(self.version.utf8) else { throw .notFound }
        guard let asset = assets[folder + file] else { throw .notFound }
        return asset.answer(to: request)
    }
}
