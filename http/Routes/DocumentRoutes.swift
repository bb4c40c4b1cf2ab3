import HTTPTypes
import Hummingbird
import NIOCore
import Personas

/// The API's own description: as a document for programs, and as a page for people.
///
/// Nobody needs a key for it, and it answers during maintenance, because that is when people look what an answer means. All of it is bytes that
/// were made beforehand.
struct DocumentRoutes: Sendable {
    /// The routes of all calls.
    static let paths: Set<String> = [rootPath, pagePath, yamlPath, jsonPath, iconPath, assetPath]
    /// The routes of the document itself, which programs and pages of other origins read.
    static let documentPaths: Set<String> = [yamlPath, jsonPath]
    private static let rootPath = "/"
    private static let pagePath = "/docs"
    private static let pageFolderPath = "/docs/"
    private static let yamlPath = "/openapi.yaml"
    private static let jsonPath = "/openapi.json"
    private static let iconPath = "/favicon.ico"
    private static let assetPrefix = "/\(ReferencePage.assetsFolder)/"
    private static let assetPath = "\(assetPrefix){version}/{file}"

    /// The files of the executable, made ready once for all services of the process.
    static let embedded = DocumentRoutes(files: EmbeddedFiles.all)

    private let version: String
    private let page: Document
    private let pageInFolder: Document
    private let yaml: Document
    private let json: Document
    private let icon: Document
    private let assets: [String: Document]

    /// Makes the answers of files by their paths from the folder `http`.
    init(files: [String: ByteBuffer]) {
        let reference = ReferencePage(files: files)
        version = reference.version
        page = Document("index.html", reference.html, headers: Self.pageHeaders)
        pageInFolder = Document("index.html", reference.htmlInFolder, headers: Self.pageHeaders)
        yaml = Document("openapi.yaml", files["openapi.yaml"] ?? ByteBuffer(), headers: Self.documentHeaders)
        json = Document("openapi.json", files["openapi.json"] ?? ByteBuffer(), headers: Self.documentHeaders)
        icon = Document("favicon.ico", reference.assets["favicon.ico"] ?? ByteBuffer(), headers: [.cacheControl: "no-cache"])
        assets = reference.assets.reduce(into: [:]) { $0[$1.key] = Document($1.key, $1.value, headers: Self.assetHeaders) }
    }

    /// Adds the calls.
    func add(to router: Router<PersonasRequestContext>) {
        router.get(RouterPath(Self.rootPath)) { request, _ in page.answer(to: request) }
        router.get(RouterPath(Self.pagePath)) { request, _ in try page(at: request.uri.path).answer(to: request) }
        router.get(RouterPath(Self.yamlPath)) { request, _ in yaml.answer(to: request) }
        router.get(RouterPath(Self.jsonPath)) { request, _ in json.answer(to: request) }
        router.get(RouterPath(Self.iconPath)) { request, _ in icon.answer(to: request) }
        router.get(RouterPath(Self.assetPath)) { request, context in
            try asset(context.parameters.get("file"), of: context.parameters.get("version")).answer(to: request)
        }
    }

    /// Whether a path answers during maintenance.
    static func isOpen(_ path: String) -> Bool {
        path.utf8.starts(with: assetPrefix.utf8) || path.utf8.elementsEqual(pageFolderPath.utf8)
            || (paths.contains(path) && !path.utf8.elementsEqual(assetPath.utf8))
    }

    /// The page at a path that has its route. What it loads lies beside or above it, and elsewhere for every further slash.
    private func page(at path: String) throws(Failure) -> Document {
        if path.utf8.elementsEqual(Self.pagePath.utf8) { return page }
        guard path.utf8.elementsEqual(Self.pageFolderPath.utf8) else { throw .notFound }
        return pageInFolder
    }

    private func asset(_ file: String?, of version: String?) throws(Failure) -> Document {
        guard let file, let version, version.utf8.elementsEqual(self.version.utf8), let asset = assets[file] else { throw .notFound }
        return asset
    }

    private static let documentHeaders: HTTPFields = [.cacheControl: "no-cache"]

    private static let assetHeaders: HTTPFields = [.cacheControl: "public, max-age=31536000, immutable"]

    /// What the page may do. A key is typed into it, so it runs no script but its own, builds no markup from text, and tells nobody where it was.
    private static let pageHeaders: HTTPFields = [
        .cacheControl: "no-cache",
        .contentSecurityPolicy: """
        default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; form-action 'none'; \
        base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'
        """,
        .crossOriginOpenerPolicy: "same-origin",
        .referrerPolicy: "no-referrer",
    ]
}
