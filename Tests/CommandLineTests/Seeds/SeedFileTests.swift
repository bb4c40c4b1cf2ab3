import Foundation
import Personas
import TestImages
import TestSupport
import Testing

@testable import PersonasCLI

@Suite("Seeds")
struct SeedFileTests {
    private func seed(_ json: String, folder: String = ".") -> SeedFile {
        SeedFile(name: "test.json", json: Array(json.utf8), images: .folder(folder))
    }

    private func lines(_ seeds: SeedFile...) -> [String] {
        let set = SeedSet(seeds)
        let found = SeedCheck.problems(of: set.document, amid: SeedSurroundings(reserving: ["Admin"]))
        return set.failure(set.faults(keepingMetadata: false) + set.faults(found))?.lines.map { String($0.dropFirst("personas: ".count)) }
            ?? []
    }

    private func withFolder(_ test: (String) throws -> Void) throws {
        let folder = try TemporaryFolder.make("seed")
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try test(folder)
    }

    @Test("The seeds of the binary are seeds, and the demo's pictures all exist")
    func builtIn() throws {
        #expect(SeedFile.named("reserved-names").document.reservedNames?.contains("admin") == true)
        let demo = SeedFile.named("demo")
        #expect(lines(demo, SeedFile.reservedNames()) == [])
        #expect(demo.document.accounts?.map(\.name) == ["demo"])
        #expect(demo.document.keys?.map(\.label) == ["demo"])
        #expect(demo.partCount == 1 + (demo.document.personas ?? []).count + (demo.document.styles ?? []).count)
        for part in 1..<demo.partCount {
            let document = try demo.part(part)
            let entries = (document.personas ?? []) + (document.styles ?? [])
            #expect(entries.count == 1)
            #expect(document.accounts == nil && document.keys == nil)
            #expect(entries.first?.imageBase64s?.count == Limits.referenceImages)
            #expect(entries.first?.outcome != nil)
        }
    }

    @Test("Every reserved name of the binary is a name")
    func reservedNames() throws {
        let texts = try #require(SeedFile.reservedNames().document.reservedNames)
        #expect(["admin", "root", "support"].allSatisfy(texts.contains))
        let names = try texts.map { try Name(normalising: $0) }
        for (name, text) in zip(names, texts) { #expect(name.text == text, "it is written as it is stored") }
        #expect(Set(names.map(\.key)).count == names.count, "no name is there twice, in whatever letters")
    }

    @Test("The first part holds everything that has no images")
    func firstPart() throws {
        let demo = SeedFile.demo()
        let first = try demo.part(0)
        #expect(first.personas == nil && first.styles == nil)
        #expect(first.accounts == demo.document.accounts && first.keys == demo.document.keys)
    }

    @Test("Image files are read from beside the seed")
    func files() throws {
        let folder = try TemporaryFolder.make("seed")
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.createDirectory(atPath: folder + "/images", withIntermediateDirectories: true)
        try Data([1, 2, 3]).write(to: URL(fileURLWithPath: folder + "/images/a.png"))
        let json = #"{"personas":[{"account":"a","name":"n","images":["images/a.png","images/b.png"]}]}"#
        try Data(json.utf8).write(to: URL(fileURLWithPath: folder + "/seed.json"))
        let seed = SeedFile.named(folder + "/seed.json")
        let failure = #expect(throws: Failure.self) { try seed.part(1) }
        #expect("\(try #require(failure))".contains(folder + "/images/b.png"))
        try Data([4]).write(to: URL(fileURLWithPath: folder + "/images/b.png"))
        #expect(try seed.part(1).personas?.first?.imageBase64s == ["AQID", "BA=="])
        #expect(seed.title(ofPart: 1).hasSuffix("seed.json, persona \"n\""))
    }

    @Test(
        "A file that is no seed is refused with the place of its fault",
        arguments: [
            ("[]", "test.json:1: the seed is not a JSON object: it is something else"),
            ("{\n", "test.json:2: the seed is not a JSON object: the name of a member in double quotes is expected"),
            (#"{"persona": []}"#, "test.json:1: unknown member persona; did you mean personas?"),
            (#"{"accounts": [{}]}"#, "test.json:1: accounts.0: name is missing"),
            (#"{"accounts": {}}"#, "test.json:1: accounts must be a list"),
            (#"{"accounts": ["a"]}"#, "test.json:1: accounts.0 must be an object"),
            (#"{"accounts": [{"name": 1}]}"#, "test.json:1: accounts.0.name must be a string"),
            (#"{"reserved_names": ["a", null]}"#, "test.json:1: reserved_names.1 must be a string"),
            ("{\"accounts\": [],\n\"accounts\": []}", "test.json:2: accounts is there twice"),
            (
                #"{"accounts":[{"name":"a"}],"keys": [{"account": "a", "label": "b", "scopes": ["fly"]}]}"#,
                "test.json:1: keys.0.scopes.0 must be one of read, write, trainer, billing; key \"b\": scopes must not be empty"
            ),
            (
                #"{"accounts":[{"name":"a"}],"keys": [{"account": "a", "lable": "b", "label": "c"}]}"#,
                "test.json:1: unknown member keys.0.lable; did you mean label?"
            ),
        ])
    func faults(json: String, fault: String) {
        #expect(lines(seed(json)) == [fault])
    }

    @Test("Each fault is told at its line, and everything at once, of all files")
    func everything() throws {
        try withFolder { folder in
            try Data(Picture.png()).write(to: URL(fileURLWithPath: folder + "/a.png"))
            try Data(Picture.png().prefix(40)).write(to: URL(fileURLWithPath: folder + "/cut.png"))
            try Data(Array(repeating: 0x61, count: Limits.imageBytesMax + 1)).write(to: URL(fileURLWithPath: folder + "/large.png"))
            try Data("GIF99a no image".utf8).write(to: URL(fileURLWithPath: folder + "/odd.gif"))
            let first = """
                {"accounts": [{"name": "acme"}],
                "acounts": [],
                "keys": [
                  {"account": "other", "label": "x"},
                  {"account": "globex",
                   "label": "x"}],
                "personas": [
                  {"account": "acme", "name": "admin",
                   "images": ["a.png",
                     "none.png",
                     "cut.png"], "outcome": "great"},
                  {"account": "acme", "name": "Ann", "images": ["a.png", "a.png"], "metadata": {"a": "b", "a": 1}}
                ]}
                """
            let second =
                #"{"accounts":[{"name":"other"}],"styles":[{"account":"acme","name":"A","images":["large.png","odd.gif","a.png"]}]}"#
            let files = [("first.json", first), ("second.json", second)].map { name, json in
                SeedFile(name: name, json: Array(json.utf8), images: .folder(folder))
            }
            let codes = TrainingErrorCode.allCases.map(\.rawValue).joined(separator: ", ")
            let expected = [
                "first.json:2: unknown member acounts; did you mean accounts?",
                "first.json:5: key \"x\": there is no account \"globex\", and the seed has none",
                "first.json:8: persona \"admin\": the name \"admin\" is reserved",
                "first.json:10: persona \"admin\": the image \(folder)/none.png cannot be read: No such file or directory",
                "first.json:11: personas.0.outcome must be \"completed\" or {\"failed\": {\"code\": …, \"message\": …}} with a code of \(codes); "
                    + "persona \"admin\": the image \(folder)/cut.png is truncated",
                "first.json:12: personas.1.metadata.a must be a string; persona \"Ann\": images must hold exactly 3 images",
            ]
            let found = lines(files[0], files[1])
            #expect(Array(found.prefix(expected.count)) == expected)
            #expect(found.count == expected.count + 1)
            let last = try #require(found.last)
            #expect(
                last.hasPrefix(
                    "second.json:1: style \"A\": the image \(folder)/large.png is larger than 10485760 bytes; the image \(folder)/odd.gif ")
            )
        }
    }

    @Test("An account that could not be read is not missing as well")
    func unreadAccounts() {
        let broken = seed(#"{"accounts":[{"nam":"acme"}],"keys":[{"account":"acme","label":"x"}]}"#)
        #expect(lines(broken) == ["test.json:1: unknown member accounts.0.nam; did you mean name?; accounts.0: name is missing"])
        let user = SeedFile(name: "user.json", json: Array(#"{"keys":[{"account":"acme","label":"x"}]}"#.utf8), images: .folder("."))
        #expect(lines(SeedFile.named("/no/such.json"), user).count == 1)
        #expect(lines(user) == ["user.json:1: key \"x\": there is no account \"acme\", and the seed has none"])
    }

    @Test("An entry that says something else than one before names the place of that, in whatever file")
    func otherwise() {
        let first = seed("{\"accounts\":[{\"name\":\"a\"}],\n\"keys\":[{\"account\":\"a\",\"label\":\"x\"}]}")
        let json = #"{"keys":[{"account":"a","label":"x","scopes":["read"]}]}"#
        let second = SeedFile(name: "second.json", json: Array(json.utf8), images: .folder("."))
        #expect(lines(first, second) == ["second.json:1: key \"x\": it is there already, at test.json:2, and differs from this"])
        #expect(lines(first, first) == [], "what is said twice in the same words is said once")
    }

    @Test("Nesting that would stop the JSON decoder is refused")
    func deepNesting() {
        for json in [String(repeating: "[", count: 513), String(repeating: #"{"accounts":"#, count: 513) + "["] {
            #expect(lines(seed(json)) == ["test.json:1: the seed is not a JSON object: there are too many brackets within brackets"])
        }
    }

    @Test("An image and a seed that do not exist are named")
    func missing() {
        let pictured = seed(#"{"accounts":[{"name":"a"}],"styles":[{"account":"a","name":"n","images":["pictures/none.png","x","y"]}]}"#)
        #expect(lines(pictured)[0].contains("./pictures/none.png cannot be read: No such file or directory"))
        #expect(
            lines(SeedFile.named("/no/such/seed.json"))
                == ["/no/such/seed.json: there is no seed of this name, and no file that can be read (No such file or directory)"])
    }
}

@Suite("How training ended, as seeds write it")
struct TrainingOutcomeTests {
    @Test("Both forms are read, and written as they are read")
    func forms() throws {
        let failed = #"{"failed":{"code":"GENERATION_REJECTED","message":"no"}}"#
        let expected: [(String, TrainingOutcome)] = [
            (#""completed""#, .completed), (failed, .failed(TrainingError(code: .rejected, message: "no"))),
        ]
        for (json, outcome) in expected {
            #expect(try JSONDecoder().decode(TrainingOutcome.self, from: Data(json.utf8)) == outcome)
            let encoder = JSONEncoder()
            encoder.outputFormatting = .sortedKeys
            #expect(String(decoding: try encoder.encode(outcome), as: UTF8.self) == json)
        }
    }

    @Test("Anything else is refused", arguments: [#""failed""#, "{}", #"{"failed":{"code":"NO_SUCH_CODE","message":"x"}}"#, "1", "null"])
    func refused(json: String) {
        #expect(throws: DecodingError.self) { try JSONDecoder().decode(TrainingOutcome.self, from: Data(json.utf8)) }
    }
}
