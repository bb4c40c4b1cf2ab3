import Foundation
import Personas

/// Something that is wrong with a seed, and the line that a person has to look at.
struct SeedFault: Error, Equatable {
    let file: String
    /// 0 where it is the file as a whole.
    let line: Int
    /// What is at fault, in words in front of the others; empty where these say it.
    var title = ""
    let words: String

    /// A line for each line of a file at which something is wrong, in the order of the files: what is wrong with one and the same is told together.
    static func lines(_ faults: [SeedFault], of files: [String]) -> [String] {
        let order = Dictionary(files.enumerated().map { ($1, $0) }) { first, _ in first }
        let lines = Dictionary(grouping: faults) { [order[$0.file] ?? files.count, $0.line] }
        return lines.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map { _, faults in
            let place = faults[0].line > 0 ? "\(faults[0].file):\(faults[0].line)" : faults[0].file
            var titles: [String] = []
            for fault in faults where !titles.contains(fault.title) { titles.append(fault.title) }
            let words = titles.map { title in
                var words: [String] = []
                for fault in faults where fault.title == title && !words.contains(fault.words) { words.append(fault.words) }
                return (title.isEmpty ? "" : "\(title): ") + words.joined(separator: "; ")
            }
            return "\(place): \(words.joined(separator: "; "))"
        }
    }
}

/// Where an entry of a seed stands in its file.
struct SeedPlace {
    /// The line on which the entry begins.
    let line: Int
    /// The lines of the values of its members.
    let members: [String: Int]
    /// The lines of its images.
    let images: [Int]
}

/// Reads the form of a seed: everything of it that is right, and everything that is wrong.
struct SeedReader {
    private(set) var document = SeedDocument()
    private(set) var places: [SeedEntry: SeedPlace] = [:]
    private(set) var faults: [SeedFault] = []
    /// Whether all accounts of the file could be read, so that one that is not there is missing.
    private(set) var hasAllAccounts = true
    private let file: String
    private let bytes: [UInt8]

    private static let lists = SeedEntry.List.allCases.map(\.rawValue)
    private static let outcomeWords =
        "must be \"completed\" or {\"failed\": {\"code\": …, \"message\": …}} with a code of "
        + TrainingErrorCode.allCases.map(\.rawValue).joined(separator: ", ")

    init(file: String, _ bytes: [UInt8]) {
        self.file = file
        self.bytes = bytes
        do throws(PlacedJSON.Fault) {
            let root = try PlacedJSON.read(bytes)
            guard case .object(let members) = root.value else { throw PlacedJSON.Fault(line: root.line, words: "it is something else") }
            read(members)
        } catch {
            fault(error.line, "the seed is not a JSON object: \(error.words)")
            hasAllAccounts = false
        }
    }

    private mutating func read(_ members: [PlacedJSON.Member]) {
        let lists = known(members, Self.lists, in: "")
        if let names = lists["accounts"] {
            let count = entries(names, "accounts").count
            document.accounts = objects(names, .accounts, ["name"]) { (reader, object) in
                guard let name = reader.text("name", of: object) else { return nil }
                return SeedDocument.AccountEntry(name: name)
            }
            hasAllAccounts = document.accounts?.count == count
        }
        document.keys = lists["keys"].map { objects($0, .keys, ["account", "label", "scopes"]) { $0.key($1) } }
        document.reservedNames = lists["reserved_names"].map { texts($0, .reservedNames) }
        document.blockedTerms = lists["blocked_terms"].map { texts($0, .blockedTerms) }
        let item = ["account", "name", "special_instructions", "external_id", "metadata", "images", "outcome"]
        document.personas = lists["personas"].map { objects($0, .personas, item) { $0.item($1) } }
        document.styles = lists["styles"].map { objects($0, .styles, item) { $0.item($1) } }
    }

    /// An object of a list, with what it is called there.
    private struct Object {
        let path: String
        let line: Int
        let members: [String: PlacedJSON]
    }

    private mutating func objects<Entry>(
        _ list: PlacedJSON, _ name: SeedEntry.List, _ members: [String], _ read: (inout SeedReader, Object) -> Entry?
    ) -> [Entry] {
        var found: [Entry] = []
        for (index, element) in entries(list, name.rawValue).enumerated() {
            let path = "\(name.rawValue).\(index)"
            guard case .object(let given) = element.value else {
                fault(element.line, "\(path) must be an object")
                continue
            }
            let object = Object(path: path, line: element.line, members: known(given, members, in: path + "."))
            guard let entry = read(&self, object) else { continue }
            var images: [Int] = []
            if case .list(let elements)? = object.members["images"]?.value { images = elements.map(\.line) }
            places[SeedEntry(name, found.count)] = SeedPlace(
                line: element.line, members: object.members.mapValues(\.line), images: images)
            found.append(entry)
        }
        return found
    }

    private mutating func key(_ object: Object) -> SeedDocument.KeyEntry? {
        let (account, label) = (text("account", of: object), text("label", of: object))
        var scopes: Set<Scope>?
        if let list = object.members["scopes"] {
            scopes = []
            for (index, element) in entries(list, object.path + ".scopes").enumerated() {
                if case .text(let word) = element.value, let scope = Scope(rawValue: word) {
                    scopes?.insert(scope)
                } else {
                    fault(
                        element.line,
                        "\(object.path).scopes.\(index) must be one of \(Scope.allCases.map(\.rawValue).joined(separator: ", "))")
                }
            }
        }
        // What is wrong with it otherwise is told as well.
        guard let account, let label else { return nil }
        return SeedDocument.KeyEntry(account: account, label: label, scopes: scopes)
    }

    private mutating func item(_ object: Object) -> SeedDocument.ItemEntry? {
        let (account, name) = (text("account", of: object), text("name", of: object))
        let instructions = text("special_instructions", of: object, isRequired: false)
        let externalID = text("external_id", of: object, isRequired: false)
        let (metadata, outcome) = (metadata(of: object), outcome(of: object))
        guard let list = object.members["images"] else {
            fault(object.line, "\(object.path): images is missing")
            return nil
        }
        let before = faults.count
        let images = texts(list, object.path + ".images").map(\.text)
        guard let account, let name, faults.count == before else { return nil }
        return SeedDocument.ItemEntry(
            account: account, name: name, specialInstructions: instructions, externalID: externalID, metadata: metadata, images: images,
            outcome: outcome)
    }

    private mutating func metadata(of object: Object) -> [String: String]? {
        guard let value = object.members["metadata"] else { return nil }
        guard case .object(let members) = value.value else {
            fault(value.line, "\(object.path).metadata must be an object")
            return nil
        }
        var metadata: [String: String] = [:]
        for member in members {
            if case .text(let text) = member.value.value {
                if metadata.updateValue(text, forKey: member.name) != nil {
                    fault(member.line, "\(object.path).metadata.\(member.name) is there twice")
                }
            } else {
                fault(member.value.line, "\(object.path).metadata.\(member.name) must be a string")
            }
        }
        return metadata
    }

    private mutating func outcome(of object: Object) -> TrainingOutcome? {
        guard let value = object.members["outcome"] else { return nil }
        let path = object.path + ".outcome"
        if case .object(let members) = value.value, case .object(let failed)? = known(members, ["failed"], in: path + ".")["failed"]?.value
        {
            _ = known(failed, ["code", "message"], in: path + ".failed.")
        }
        guard let outcome = try? JSONDecoder().decode(TrainingOutcome.self, from: Data(bytes[value.range])) else {
            fault(value.line, "\(path) \(Self.outcomeWords)")
            return nil
        }
        return outcome
    }

    /// The members that are known and not null, by name; the others are faults.
    private mutating func known(_ members: [PlacedJSON.Member], _ names: [String], in path: String) -> [String: PlacedJSON] {
        var found: [String: PlacedJSON] = [:]
        var seen: Set<String> = []
        for member in members {
            if !names.contains(member.name) {
                let meant = Suggestion.question(member.name, among: names) ?? ""
                fault(member.line, "unknown member \(path)\(member.name)\(meant)")
            } else if !seen.insert(member.name).inserted {
                fault(member.line, "\(path)\(member.name) is there twice")
            } else if case .null = member.value.value {
                continue
            } else {
                found[member.name] = member.value
            }
        }
        return found
    }

    private mutating func entries(_ list: PlacedJSON, _ path: String) -> [PlacedJSON] {
        if case .list(let elements) = list.value { return elements }
        fault(list.line, "\(path) must be a list")
        return []
    }

    private mutating func texts(_ list: PlacedJSON, _ name: SeedEntry.List) -> [String] {
        texts(list, name.rawValue).enumerated().map { index, text in
            places[SeedEntry(name, index)] = SeedPlace(line: text.line, members: [:], images: [])
            return text.text
        }
    }

    private mutating func texts(_ list: PlacedJSON, _ path: String) -> [(line: Int, text: String)] {
        entries(list, path).enumerated().compactMap { index, element in
            if case .text(let text) = element.value { return (element.line, text) }
            fault(element.line, "\(path).\(index) must be a string")
            return nil
        }
    }

    private mutating func text(_ name: String, of object: Object, isRequired: Bool = true) -> String? {
        guard let value = object.members[name] else {
            if isRequired { fault(object.line, "\(object.path): \(name) is missing") }
            return nil
        }
        guard case .text(let text) = value.value else {
            fault(value.line, "\(object.path).\(name) must be a string")
            return nil
        }
        return text
    }

    private mutating func fault(_ line: Int, _ words: String) { faults.append(SeedFault(file: file, line: line, words: words)) }
}
