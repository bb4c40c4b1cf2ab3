import Foundation
import Personas
import TestSupport
import Testing

@testable import PersonasCLI

@Suite("Seeds")
struct SeedFileTests {
    private func seed(_ json: String, folder: String = ".") throws -> SeedFile {
        try SeedFile(name: "test.json", json: Array(json.utf8), images: .folder(folder))
    }

    private func message(_ body: () throws -> Void) throws -> String {
        let failure = try #require(throws: Failure.self) { try body() }
        guard case .invalid(let violations) = failure else { return "\(failure)" }
        return violations.map { $0.message { "\($0)" } }.joined(separator: "; ")
    }

    @Test("The seeds of the binary are seeds, and the demo's pictures all exist")
    func builtIn() throws {
        #expect(try SeedFile.named("reserved-names").document.reservedNames?.contains("admin") == true)
        let demo = try SeedFile.named("demo")
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
        let texts = try #require(try SeedFile.reservedNames().document.reservedNames)
        #expect(["admin", "root", "support"].allSatisfy(texts.contains))
        let names = try texts.map { try Name(normalising: $0) }
        for (name, text) in zip(names, texts) { #expect(name.text == text, "it is written as it is stored") }
        #expect(Set(names.map(\.key)).count == names.count, "no name is there twice, in whatever letters")
    }

    @Test("The first part holds everything that has no images")
    func firstPart() throws {
        let demo = try SeedFile.demo()
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
        let seed = try SeedFile.named(folder + "/seed.json")
        #expect(try message { _ = try seed.part(1) }.contains(folder + "/images/b.png"))
        try Data([4]).write(to: URL(fileURLWithPath: folder + "/images/b.png"))
        #expect(try seed.part(1).personas?.first?.imageBase64s == ["AQID", "BA=="])
        #expect(seed.title(ofPart: 1).hasSuffix("seed.json, persona \"n\""))
    }

    @Test(
        "A file that is no seed is refused with the place of its fault",
        arguments: [
            ("[]", "is not a JSON object"), ("{", "is not a JSON object"), (#"{"persona": []}"#, "unknown member persona"),
            (#"{"accounts": [{}]}"#, "name is missing"),
            (#"{"keys": [{"account": "a", "label": "b", "scopes": ["fly"]}]}"#, "keys.0.scopes.0"),
            (#"{"styles": [{"account": "a", "name": "b", "images": [], "outcome": "great"}]}"#, "styles.0.outcome"),
        ])
    func faults(json: String, fault: String) throws {
        #expect(try message { _ = try seed(json) }.contains(fault))
    }

    @Test("Nesting that would stop the JSON decoder is refused")
    func deepNesting() throws {
        #expect(throws: Failure.self) { try seed(String(repeating: "[", count: 513)) }
        #expect(throws: Failure.self) { try seed(String(repeating: #"{"accounts":"#, count: 513) + "[") }
    }

    @Test("An image and a seed that do not exist are named")
    func missing() throws {
        let pictured = try seed(#"{"styles":[{"account":"a","name":"n","images":["pictures/none.png"]}]}"#)
        #expect(try message { _ = try pictured.part(1) }.contains("./pictures/none.png"))
        #expect(try message { _ = try SeedFile.named("/no/such/seed.json") }.contains("/no/such/seed.json"))
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
