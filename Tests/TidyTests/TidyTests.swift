import Foundation
import Testing

/// The rules of this code base that a machine can check. Each failure says what to do instead.
@Suite("Tidiness")
struct TidyTests {
    private static let fileLinesMax = 400
    private static let functionLinesMax = 60
    private static let folderFilesMax = 16

    @Test("No file is longer than 400 lines")
    func fileLength() throws {
        for file in try SourceTree.product.get() {
            let count = file.lines.count - (file.lines.last == "" ? 1 : 0)
            #expect(count <= Self.fileLinesMax, "\(file.path) has \(count) lines: move one of its nouns into a file of its own")
        }
    }

    @Test("No folder holds more than 16 source files")
    func folderSize() throws {
        let files = try SourceTree.files(under: "Sources", "db", "http", "Tests")
        for (folder, files) in Dictionary(grouping: files, by: { $0.path.prefix(upTo: $0.path.lastIndex(of: "/") ?? $0.path.startIndex) }) {
            #expect(
                files.count <= Self.folderFilesMax, "\(folder) holds \(files.count) files: give a family of its nouns a folder of its own")
        }
    }

    @Test("No function is longer than 60 lines, but for tables, which hold nothing to get lost in")
    func functionLength() throws {
        for file in try SourceTree.product.get() {
            for function in file.declarations
            where !["struct", "class", "enum", "actor", "protocol"].contains(function.keyword) && !function.isTable {
                #expect(
                    function.lineCount <= Self.functionLinesMax,
                    "\(file.path):\(function.line + 1) \(function.name) has \(function.lineCount) lines: give a step of it a name and a function"
                )
            }
        }
    }

    @Test("Only db/sqlite imports GRDB")
    func databaseLibrary() throws {
        for file in try SourceTree.files(under: "Sources", "http", "db/files") {
            for (line, module) in file.imports where module.hasPrefix("GRDB") {
                Issue.record("\(file.path):\(line) imports \(module): reach rows through a port of the domain, implemented in db/sqlite")
            }
        }
    }

    @Test("The domain imports Foundation, libuuid and Synchronization, and nothing else")
    func domainImports() throws {
        for file in try SourceTree.files(under: "Sources/Personas") {
            for (line, module) in file.imports where !["Foundation", "CLibUUID", "Synchronization"].contains(module) {
                Issue.record("\(file.path):\(line) imports \(module): declare a port in the domain and implement it in an adapter")
            }
        }
    }

    @Test("What every module may write JSON with needs nothing")
    func textImports() throws {
        for file in try SourceTree.files(under: "Sources/JSONText") {
            for (line, module) in file.imports {
                Issue.record("\(file.path):\(line) imports \(module): the product ErrorEnvelope would bring it to every sibling service")
            }
        }
    }

    @Test(
        "Adapters know the domain and never one another",
        arguments: [
            (
                "db", ["db/s3"],
                ["PersonasHTTP", "PersonasOutbound", "PersonasS3", "PersonasCLI", "ErrorEnvelope", "ErrorEnvelopeHummingbird"]
            ),
            ("db/s3", [], ["PersonasDB", "PersonasHTTP", "PersonasOutbound", "PersonasCLI", "ErrorEnvelope", "ErrorEnvelopeHummingbird"]),
            (
                "http", ["http/Envelope", "http/EnvelopeMiddleware", "http/Outbound", "http/Wire"],
                ["PersonasDB", "PersonasOutbound", "PersonasCLI"]
            ),
            ("http/Outbound", [], ["PersonasDB", "PersonasHTTP", "PersonasCLI", "ErrorEnvelope", "ErrorEnvelopeHummingbird"]),
            (
                "http/Envelope", [],
                [
                    "Personas", "PersonasDB", "PersonasHTTP", "PersonasOutbound", "PersonasCLI", "ErrorEnvelopeHummingbird", "Hummingbird",
                    "NIOCore",
                ]
            ),
            (
                "http/Wire", [],
                [
                    "PersonasDB", "PersonasHTTP", "PersonasOutbound", "PersonasCLI", "ErrorEnvelope", "ErrorEnvelopeHummingbird",
                    "Hummingbird", "NIOCore",
                ]
            ),
            (
                "Sources/PersonasMetrics", [],
                ["Personas", "PersonasDB", "PersonasHTTP", "PersonasOutbound", "PersonasWire", "PersonasCLI", "ErrorEnvelope"]
            ), ("http/EnvelopeMiddleware", [], ["Personas", "PersonasDB", "PersonasHTTP", "PersonasOutbound", "PersonasCLI"]),
        ])
    func adapters(folder: String, except: [String], forbidden: [String]) throws {
        for file in try SourceTree.files(under: folder, except: except) {
            for (line, module) in file.imports where forbidden.contains(module) {
                Issue.record(
                    "\(file.path):\(line) imports \(module): take what is needed through a port of the domain, wired in Application.swift")
            }
        }
    }

    @Test("Nothing stops the process or writes to the terminal behind the caller's back")
    func forbiddenCalls() throws {
        let remedies = [
            ("try!", "throw a Failure"), ("as!", "use as? and throw a Failure"),
            ("fatalError(", "throw a Failure, or make the state impossible to express"),
        ]
        for file in try SourceTree.product.get() {
            for (call, remedy) in remedies {
                for place in file.places(of: call) { Issue.record("\(place) has \(call): \(remedy)") }
            }
            guard file.path != "Sources/PersonasCLI/Output.swift" else { continue }
            let pattern = /(^|[^A-Za-z0-9_.])(debugPrint|print|dump|puts|NSLog)\(/
            for (index, line) in file.code.enumerated() where line.contains(pattern) {
                Issue.record("\(file.path):\(index + 1) prints: log it, or hand it to Output in the command line")
            }
        }
    }

    @Test("Every declared setting is used")
    func settings() throws {
        let declarations = "Sources/PersonasCLI/Settings/SettingsList.swift"
        let files = try SourceTree.product.get().filter { $0.path.hasPrefix("Sources/PersonasCLI/") }
        let names = files.filter { $0.path == declarations }.flatMap(\.code).compactMap { line in
            line.prefixMatch(of: /\s+let (\w+) = Setting[.<]/).map { String($0.output.1) }
        }
        #expect(!names.isEmpty, "\(declarations) declares no settings: have this test look where they are declared")
        let code = files.filter { $0.path != declarations }.flatMap(\.code)
        let uses = /(?:^|[^\w.])settings\.(?:required\(\\\.)?(\w+)/
        let used = Set(code.flatMap { $0.matches(of: uses).map { String($0.output.1) } })
        for name in names where !used.contains(name) {
            Issue.record("\(declarations) declares \(name), which is used nowhere: read it as settings.\(name), or drop it")
        }
    }

    @Test("@unchecked Sendable stands below a sentence that proves it")
    func uncheckedSendable() throws {
        for file in try SourceTree.product.get() {
            for (index, line) in file.code.enumerated() where line.contains("@unchecked Sendable") {
                let comment = file.comment(above: index)
                let isProven = ["Sendable", "holds", "because"].contains { comment.contains($0) }
                #expect(isProven, "\(file.path):\(index + 1): say just above why it is safe to share, or use a Mutex and drop @unchecked")
            }
        }
    }

    @Test("Every public and package declaration says what it is for")
    func documentation() throws {
        let files = try SourceTree.product.get()
        // A protocol's comments state the contract, and implementations do not repeat them.
        let promised = Set(files.flatMap(Self.documentedRequirements))
        for file in files {
            for declaration in file.declarations
            where declaration.isShared && !declaration.isMemberwise && !promised.contains(declaration.name) {
                #expect(
                    file.comment(above: declaration.line).contains("///"),
                    "\(file.path):\(declaration.line + 1) \(declaration.keyword) \(declaration.name) has no doc comment: write what it is for, or make it internal"
                )
            }
        }
    }

    private static func documentedRequirements(of file: SourceFile) -> [String] {
        let protocols = file.declarations.filter { $0.keyword == "protocol" }
        return file.declarations.filter { declaration in
            protocols.contains { $0.line < declaration.line && declaration.line < $0.line + $0.lineCount }
                && file.comment(above: declaration.line).contains("///")
        }.map(\.name).filter { $0 != "init" && $0 != "subscript" }
    }

    @Test("No banners, and nothing left for later")
    func comments() throws {
        let remedies = [
            ("// MARK", "split the file by its nouns instead"), ("TODO", "do it, or leave it out"), ("FIXME", "do it, or leave it out"),
        ]
        for file in try SourceTree.files(under: "Sources", "db", "http", "Tests", except: ["Tests/TidyTests"]) {
            for (index, line) in file.lines.enumerated() {
                for (word, remedy) in remedies where line.contains(word) {
                    Issue.record("\(file.path):\(index + 1) has \(word): \(remedy)")
                }
            }
        }
    }

    @Test("The top level holds what the architecture names")
    func topLevel() throws {
        let ignored = try SourceTree.text(of: ".gitignore").split(separator: "\n").map { $0.trimmingCharacters(in: ["/"]) }
        let allowed = Set(["Package.swift", "README.md", "Sources", "Tests", "db", "http"] + ignored)
        for name in try FileManager.default.contentsOfDirectory(atPath: SourceTree.root) where !name.hasPrefix(".") {
            #expect(
                allowed.contains(name), "\(name) lies at the top level: move it below Sources, Tests, db or http, or have git ignore it")
        }
    }

    @Test(
        "Every path that a document names exists",
        arguments: ["README.md", "db/README.md", "http/README.md", ".github/OPERATING.md", ".github/PROOFS.md", ".github/SECURITY.md"])
    func documentedPaths(_ document: String) throws {
        try #require(SourceTree.exists(document), "\(document) is missing: write it")
        let folder = document.contains("/") ? String(document.prefix { $0 != "/" }) + "/" : ""
        for path in Self.paths(in: try SourceTree.text(of: document), folder: folder) {
            #expect(
                SourceTree.exists(path) || SourceTree.exists(folder + path),
                "\(document) names \(path), which does not exist: correct the document")
        }
    }

    @Test("Every suite that .ci/run names for the second store, or leaves out of that, exists")
    func suitesOfTheSecondStore() throws {
        let names = try SourceTree.text(of: ".ci/run").matches(of: /(tests|others)='([^']+)'/).map { $0.output.2.split(separator: "|") }
        try #require(names.count == 2)
        let lines = try SourceTree.files(under: "Tests").flatMap(\.code)
        for name in names.joined() {
            #expect(lines.contains { $0.hasPrefix("struct \(name)Tests ") }, ".ci/run names \(name), which does not exist: correct it")
        }
    }

    /// What a document means as a path of the repository: the targets of links, and code whose first part is the name of a file or folder there.
    private static func paths(in text: String, folder: String) -> [String] {
        let links = text.matches(of: /\]\(([^)#: ]+)\)/).map { String($0.output.1) }
        let code = text.matches(of: /`([A-Za-z0-9._\/-]+)`/).map { String($0.output.1) }.filter { token in
            let first = String(token.prefix { $0 != "/" })
            return token.contains("/") && !first.isEmpty && (SourceTree.exists(first) || SourceTree.exists(folder + first))
        }
        return links + code.filter { !$0.hasPrefix("data/") && !$0.hasPrefix(".build") }
    }
}
