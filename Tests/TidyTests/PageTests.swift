import Foundation
import Testing

/// The rules of the files that browsers get. What they may load and run, the policy of the page says as well, in a browser.
@Suite("Files of pages")
struct PageTests {
    private static let folder = "http/docs"
    private static let bytesMax = 100 * 1_024
    private static let fileLinesMax = 400

    private static func files() throws -> [(name: String, text: String)] {
        try FileManager.default.contentsOfDirectory(atPath: "\(SourceTree.root)/\(folder)").sorted().filter { !$0.hasSuffix(".ico") }
            .map { ($0, try SourceTree.text(of: "\(folder)/\($0)")) }
    }

    @Test("are few, and none is longer than 400 lines")
    func size() throws {
        let files = try Self.files()
        let bytes = files.reduce(0) { $0 + $1.text.utf8.count }
        #expect(bytes <= Self.bytesMax, "\(Self.folder) has \(bytes) bytes: leave something out")
        for (name, text) in files {
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false).count - 1
            #expect(lines <= Self.fileLinesMax, "\(name) has \(lines) lines: move one of its nouns into a file of its own")
        }
    }

    /// What is in no file, and what to do instead.
    private static let forbidden = [
        ("innerHTML", "make nodes with h()"), ("outerHTML", "make nodes with h()"), ("insertAdjacentHTML", "make nodes with h()"),
        ("document.write", "make nodes with h()"), ("eval(", "write it out"), ("new Function", "write it out"),
        ("document.cookie", "keep keys in memory"), ("style=\"", "use a class: the policy refuses the attribute"),
        (" onclick=", "listen in a module: the policy refuses the attribute"), ("confirm(", "ask in the page"),
        ("alert(", "say it in the page"),
        ("@import", "link the style sheet in index.html"),
    ]

    @Test("build nothing from markup, load nothing from the network, and name what they load")
    func content() throws {
        let files = try Self.files()
        for (name, text) in files {
            for (word, remedy) in Self.forbidden where text.contains(word) { Issue.record("\(name) has \(word): \(remedy)") }
            for load in text.matches(of: /(?:src=|href=|url\(|from |import\()\s*["']?(?:https?:)?\/\/\S*/) {
                Issue.record("\(name) has \(load.output): pages load from the service alone")
            }
        }
        let page = try #require(files.first { $0.name == "index.html" }?.text)
        for (name, _) in files where name != "index.html" {
            #expect(
                page.contains("\"{assets}/\(name)\""),
                "index.html does not name \(name): link or preload it, so that it comes with the page")
        }
    }

    @Test("say what is kept in a browser: the choice of colours for good, the key for a tab if its owner says so, and nothing else")
    func storage() throws {
        let uses = try Self.files().flatMap { file in
            file.text.matches(of: /(?:local|session)Storage\.\w+\([^,)]*/).map { "\(file.name): \($0.output)" }
        }
        #expect(
            Set(uses) == [
                "app.js: localStorage.setItem(\"theme\"", "theme.js: localStorage.getItem(\"theme\"",
                "key.js: sessionStorage.getItem(storageName",
                "key.js: sessionStorage.setItem(storageName", "key.js: sessionStorage.removeItem(storageName",
            ])
    }
}
