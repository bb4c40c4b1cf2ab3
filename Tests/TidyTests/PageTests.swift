import Foundation
import TestSupport
import Testing

/// The rules of the files that browsers get. What they may load and run, the policies of the pages say as well, in a browser.
@Suite("Files of pages")
struct PageTests {
    private static let pages = [PageFolder.console, .reference]
    private static let folders = pages + [.shared]
    private static let fileLinesMax = 400
    private static let functionLinesMax = 60

    @Test("are few, and none is longer than 400 lines, nor a function of theirs, those within it aside, than 60", arguments: folders)
    func size(page: PageFolder) throws {
        let bytes = try page.byteCount()
        #expect(bytes <= page.bytesMax, "\(page.path) has \(bytes) bytes: leave something out")
        for file in try page.files() {
            let lines = file.lines.count - 1
            #expect(lines <= Self.fileLinesMax, "\(file.name) has \(lines) lines: move one of its nouns into a file of its own")
            for function in file.functions where file.name.hasSuffix(".js") {
                #expect(
                    function.lineCount <= Self.functionLinesMax,
                    "\(file.name):\(function.line) begins a function of \(function.lineCount) lines: give a step of it a name and a function"
                )
            }
        }
    }

    /// What is in no file, and what to do instead.
    private static let forbidden = [
        ("innerHTML", "make nodes with h()"), ("outerHTML", "make nodes with h()"), ("insertAdjacentHTML", "make nodes with h()"),
        ("document.write", "make nodes with h()"), ("eval(", "write it out"), ("new Function", "write it out"),
        ("document.cookie", "keep keys in memory"),
        ("style=", "use a class, or set properties of element.style: the policy refuses the attribute"),
        (" onclick=", "listen in a module: the policy refuses the attribute"), ("confirm(", "ask in the page"),
        ("alert(", "say it in the page"),
        ("@import", "link the style sheet in index.html"),
    ]

    @Test("build nothing from markup, and load nothing from the network", arguments: folders)
    func content(page: PageFolder) throws {
        for file in try page.files() {
            for (word, remedy) in Self.forbidden where file.text.contains(word) { Issue.record("\(file.name) has \(word): \(remedy)") }
            for load in file.text.matches(of: /(?:src=|href=|url\(|from |import\s*\(|import |fetch\()\s*["'`]?(?:https?:)?\/\/\S*/) {
                Issue.record("\(file.name) has \(load.output): pages load from the service alone")
            }
        }
    }

    @Test(
        "name what they load, each once: styles and scripts with their elements, and all other modules to come with the page",
        arguments: pages)
    func loads(page: PageFolder) throws {
        let markup = try page.page()
        let named = markup.matches(of: /(?:src|href)="\{assets\}\/([^"#]+)"/).map { String($0.output.1) }.filter { !$0.hasPrefix("..") }
        let parts = named.filter { !$0.hasSuffix(".svg") }
        #expect(Set(parts).count == parts.count, "index.html loads a file twice")
        for name in named where name != "{module}" { #expect(page.has(name), "index.html names \(name), which is not there") }
        #expect(
            markup.contains("<link rel=\"modulepreload\" href=\"{assets}/{module}\">"),
            "index.html does not have all modules come with the page")
        for name in try page.names() where name.hasSuffix(".css") { #expect(named.contains(name), "index.html does not link \(name)") }
    }

    @Test("import what is there, by relative paths", arguments: folders)
    func imports(page: PageFolder) throws {
        for file in try page.files() where file.name.hasSuffix(".js") {
            for (text, name) in file.imports {
                guard let name else {
                    Issue.record("\(file.name) imports \(text): write a relative path")
                    continue
                }
                #expect(page.has(name), "\(file.name) imports \(text), which is not there")
            }
        }
    }

    @Test("say what is kept in a browser: the choice of colours for good, the key for a tab if its owner says so, and nothing else")
    func storage() throws {
        let uses = try Self.folders.flatMap { page in
            try page.files().flatMap { file in
                file.text.matches(of: /(?:local|session)Storage\.\w+\([^,)]*/).map { "\(page.path)/\(file.name): \($0.output)" }
            }
        }
        #expect(
            Set(uses).isSuperset(of: [
                "http/docs/app.js: localStorage.setItem(\"theme\"", "http/shared/theme.js: localStorage.getItem(\"theme\"",
                "http/shared/session.js: sessionStorage.getItem(storageName", "http/shared/session.js: sessionStorage.setItem(storageName",
                "http/shared/session.js: sessionStorage.removeItem(storageName",
            ]))
        for use in uses where use.contains("localStorage") { #expect(use.hasSuffix("(\"theme\""), "\(use)") }
        for page in Self.folders {
            let keepers = Set(uses.filter { $0.hasPrefix(page.path) && $0.contains("sessionStorage") }.map { $0.prefix { $0 != ":" } })
            #expect(keepers.count <= 1, "the key is known to one file alone: \(keepers)")
        }
    }

    @Test("are listed for the executable as they lie in their folders")
    func embedded() throws {
        let (status, output, errors) = try Program.run("bash", ["\(SourceTree.root)/.ci/embed", "--check"])
        #expect(status == 0, "\(output)\(errors)")
    }

    @Test("are looked at with eyes that see functions, and where imports lead")
    func eyes() {
        let text = """
            import { a } from "./a.js";
            import b from "../b.js";
            import "left-pad";
            export async function first(one) {
              if (one) {
              }
            }
            const second = async (one) => {
              const third = () => {
              };
            };
            class Fourth {
              async fifth(one, two) {
                for (const a of b) {
                }
              }
            }
            """
        let file = PageFolder.File(name: "views/x.js", text: text)
        #expect(file.imports.map(\.name) == ["views/a.js", "b.js", nil])
        #expect(file.functions.map(\.line) == [4, 8, 9, 13])
        #expect(file.functions.map(\.lineCount) == [4, 2, 2, 4])
    }
}
