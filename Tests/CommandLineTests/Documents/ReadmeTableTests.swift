import ErrorEnvelope
import Foundation
import Personas
import TestSupport
import Testing

@testable import PersonasCLI

/// What README.md says in tables, held against the code that it is about.
@Suite("The README's tables")
struct ReadmeTableTests {
    private let document: MarkdownDocument

    init() throws { document = try MarkdownDocument("README.md") }

    /// The codes of a cell, each with the status that stands behind it in brackets, if one does.
    private static func codes(in cell: String) -> [(code: String, status: Int?)] {
        var codes: [(code: String, status: Int?)] = []
        var open = 0
        for match in cell.matches(of: /`([A-Z_]+)`|\((\d{3})\)/) {
            if let code = match.output.1 { codes.append((String(code), nil)) }
            if let status = match.output.2.flatMap({ Int($0) }) {
                for index in open..<codes.count { codes[index].status = status }
                open = codes.count
            }
        }
        return codes
    }

    @Test("Every code of the catalogue is there once, under its status")
    func codes() throws {
        var found: [String] = []
        for row in try document.section("Errors").rows {
            try #require(row.count == 3, "\(row)")
            for (text, status) in Self.codes(in: row[1]) {
                let code = try #require(ErrorCode(rawValue: text), "there is no code \(text)")
                #expect(code.status == Int(row[0]) ?? status, "\(text)")
                found.append(text)
            }
            #expect(!row[2].isEmpty)
        }
        #expect(found.sorted() == ErrorCode.allCases.map(\.rawValue).sorted())
    }

    @Test("The seed is one that the service reads, and has every member there is")
    func seed() throws {
        let text = try #require(try MarkdownDocument("db/README.md").section("Seeds").blocks("json").first)
        let seed = SeedFile(name: "db/README.md", json: Array(text.utf8), images: .folder("."))
        #expect(seed.faults.isEmpty)
        for child in Mirror(reflecting: seed.document).children { #expect(!Self.isNil(child.value), "without \(child.label ?? "")") }
        let item = try #require(seed.document.personas?.first)
        for child in Mirror(reflecting: item).children where child.label != "imageBase64s" {
            #expect(!Self.isNil(child.value), "an item without \(child.label ?? "")")
        }
        // What is read has all that stands there, under the names that stand there. Scopes come in no order.
        let read = try JSONSerialization.jsonObject(with: JSONEncoder().encode(seed.document))
        let written = try JSONSerialization.jsonObject(with: Data(text.utf8))
        #expect(NSDictionary(dictionary: ["seed": Self.inOrder(read)]) == ["seed": Self.inOrder(written)])
        for entry in (seed.document.personas ?? []) + (seed.document.styles ?? []) {
            let labels = entry.metadata?.map { MetadataMemberDraft(key: $0.key, value: .value($0.value)) } ?? []
            let draft = DetailsDraft(
                name: .value(entry.name), specialInstructions: .value(entry.specialInstructions ?? ""),
                externalID: .value(entry.externalID ?? "none"), metadata: .value(labels))
            _ = try draft.checked()
            #expect(entry.images.count == Limits.referenceImages)
        }
    }

    /// A value of JSON with its lists of texts in the order of the alphabet.
    private static func inOrder(_ value: Any) -> Any {
        switch value {
        case let members as [String: Any]: members.mapValues(inOrder)
        case let texts as [String]: texts.sorted()
        case let elements as [Any]: elements.map(inOrder)
        default: value
        }
    }

    private static func isNil(_ value: Any) -> Bool {
        let mirror = Mirror(reflecting: value)
        return mirror.displayStyle == .optional && mirror.children.isEmpty
    }

    /// A number as the README writes it.
    private static func written(_ number: Int) -> String {
        var text = "\(number)"
        for place in stride(from: text.count - 3, to: 0, by: -3) { text.insert(",", at: text.index(text.startIndex, offsetBy: place)) }
        return text
    }

    @Test("Every limit that is a setting has the setting's default")
    func limits() throws {
        var settings = 0
        for row in try document.section("Limits").rows {
            try #require(row.count == 4, "\(row)")
            for match in row[2].matches(of: /`--([a-z-]+)`/) {
                settings += 1
                let name = String(match.output.1)
                let setting = try #require(SettingsList.all.first { $0.name == name }, "there is no setting \(name)")
                guard case .integer(let number) = setting.shownDefault else {
                    Issue.record("\(name) is no number")
                    continue
                }
                let numbers = row[1].matches(of: /\d[\d,]*\d|\d/).map { String($0.output) }
                #expect(numbers.contains(Self.written(number)), "\(name) is \(Self.written(number)): \(row[1])")
            }
            for code in Self.codes(in: row[3]) {
                #expect(ErrorCode(rawValue: code.code).map { row[3].contains("\($0.status)") } == true, "\(row[3])")
            }
        }
        #expect(settings > 10)
    }

    @Test("The rules of members and images have the numbers of the domain")
    func rules() throws {
        let rows = try document.section("Rules").rows
        let expected: [(String, [String])] = [
            ("`name`", ["1 to \(Limits.nameCharactersMax) characters"]),
            ("`special_instructions`", ["at most \(Limits.specialInstructionsCharactersMax) characters"]),
            ("`external_id`", ["1 to \(Limits.externalIDCharactersMax) visible ASCII characters"]),
            (
                "`metadata`",
                [
                    "at most \(Limits.metadataMembersMax) labels", "1 to \(Limits.metadataKeyCharactersMax) of",
                    "at most \(Limits.metadataValueCharactersMax) characters",
                ]
            ), ("How many", ["exactly \(Limits.referenceImages)"]),
            (
                "Size",
                [
                    "\(Self.written(Limits.imageBytesMax)) bytes", "\(Self.written(ImageLimits.sidePixelsMax)) pixels a side",
                    "\(ImageLimits.pixelsMax / 1_000_000) million",
                ]
            ),
            (
                "`image_urls`",
                ["\(Self.written(Limits.imageURLCharactersMax)) characters", "within \(Limits.imageFetchSecondsMax) seconds"]
            ),
        ]
        for (name, fragments) in expected {
            let row = try #require(rows.first { $0[0] == name }, "there is no row \(name)")
            for fragment in fragments { #expect(row[1].contains(fragment), "\(name) does not say \(fragment)") }
        }
    }
}
