import Foundation
import Personas
import Testing

@Suite("Looking at a seed before it is loaded")
struct SeedCheckTests {
    private static let images = ["a", "b", "c"]

    private func document(_ json: String) throws -> SeedDocument { try JSONDecoder().decode(SeedDocument.self, from: Data(json.utf8)) }

    private func item(_ name: String, account: String = "acme", more: String = "", images: String = #"["a","b","c"]"#) -> String {
        #"{"account":"\#(account)","name":"\#(name)","images":\#(images)\#(more)}"#
    }

    private func problems(_ json: String, reserving names: [String] = []) throws -> [SeedProblem] {
        SeedCheck.problems(of: try document(json), amid: SeedSurroundings(reserving: names))
    }

    private func problems(personas: String..., accounts: String = #"[{"name":"acme"}]"#, more: String = "") throws -> [SeedProblem] {
        try problems(#"{"accounts":\#(accounts),"personas":[\#(personas.joined(separator: ","))]\#(more)}"#, reserving: ["Admin"])
    }

    @Test("A seed that keeps all rules has no problem, and what is said twice in the same words is said once")
    func sound() throws {
        #expect(try problems("{}") == [])
        let persona = item("Ann", more: #","external_id":"1","metadata":{"a":"b"}"#)
        let seed = """
            {"accounts":[{"name":"acme"},{"name":" acme "}],"reserved_names":["Boss","boss"],"blocked_terms":["bad","BAD"," bad "],
            "keys":[{"account":"acme","label":"a  b"},{"account":" acme","label":"a b","scopes":["write","read"]}],
            "personas":[\(persona),\(persona)],"styles":[\(persona)]}
            """
        #expect(try problems(seed) == [])
    }

    @Test("Everything is told at once, of each entry all that is wrong with it")
    func all() throws {
        let found = try problems(
            personas: item("", images: "[]"), item("admin", more: #","special_instructions":"so BAD","external_id":"ö""#),
            item("Ann", account: "nobody"),
            more: #","blocked_terms":["bad",""],"reserved_names":["n@me"],"keys":[{"account":"x","label":""}]"#
        )
        #expect(
            found.map { [$0.entry.list.rawValue, "\($0.entry.index)", $0.member ?? ""] } == [
                ["keys", "0", "account"], ["keys", "0", "label"], ["reserved_names", "0", "name"], ["blocked_terms", "1", "term"],
                ["personas", "0", "name"],
                ["personas", "0", "images"], ["personas", "1", "external_id"], ["personas", "1", "special_instructions"],
                ["personas", "1", "name"], ["personas", "2", "account"],
            ])
    }

    @Test(
        "An entry that says something else of the same thing is wrong",
        arguments: [
            #""keys":[{"account":"acme","label":"web"},{"account":"acme","label":" web","scopes":["read"]}]"#,
            #""styles":[{"account":"acme","name":"Ink","images":["a","b","c"]},{"account":"acme","name":"INK","images":["a","b","d"]}]"#,
            #""styles":[{"account":"acme","name":"Ink","images":["a","b","c"]},{"account":"acme","name":"Ink","images":["a","b","c"],"outcome":"completed"}]"#,
        ])
    func otherwise(_ entries: String) throws {
        let found = try problems(#"{"accounts":[{"name":"acme"}],\#(entries)}"#)
        let entry = try #require(found.first?.entry)
        #expect(found == [SeedProblem(entry: entry, reason: .saysOtherwise(than: SeedEntry(entry.list, 0)))])
        #expect(entry.index == 1 && found[0].member == nil)
    }

    @Test("Names and ids are told apart by account and mode, and accounts by bytes")
    func apart() throws {
        let seed = """
            {"accounts":[{"name":"acme"},{"name":"globex"}],"personas":[\(item("Ann")),\(item("Ann", account: "globex", images: #"["x","y","z"]"#))],
            "styles":[\(item("Ann", images: #"["x","y","z"]"#))]}
            """
        #expect(try problems(seed) == [])
        let id = #","external_id":"7""#
        let repeated = try problems(personas: item("Ann", more: id), item("Bob", more: id), item("Ann", account: "caf\u{E9}", more: id))
        #expect(
            repeated == [
                SeedProblem(entry: SeedEntry(.personas, 1), reason: .externalIDRepeated(from: SeedEntry(.personas, 0))),
                SeedProblem(entry: SeedEntry(.personas, 2), reason: .accountMissing("caf\u{E9}")),
            ])
        let accents = try problems(personas: item("Ann", account: "caf\u{E9}"), accounts: "[{\"name\":\"cafe\u{301}\"}]")
        #expect(accents.map(\.member) == ["account"], "they look alike, and are two")
    }

    @Test("A name that the seed itself reserves, or a term that it blocks, stands in the way of its own items")
    func ownRules() throws {
        let found = try problems(personas: item("Big Boss"), more: #","reserved_names":["big boss"],"blocked_terms":["Boss"]"#)
        #expect(
            found == [
                SeedProblem(entry: SeedEntry(.personas, 0), reason: .failure(.blockedContent(field: .name))),
                SeedProblem(entry: SeedEntry(.personas, 0), reason: .failure(.nameReserved)),
            ])
    }
}
