import Configuration
import Foundation
import Personas

/// Where the value of a setting comes from. Earlier ones win.
enum SettingSource: String, Sendable, Encodable {
    case flag
    case environment
    case file
    case `default`
}

/// The settings in force, each by the name of its declaration: `settings.connectionsMax`.
@dynamicMemberLookup
struct Settings: Sendable {
    /// One setting as it is in force.
    struct Entry: Sendable {
        let definition: SettingDefinition
        let value: (any Sendable)?
        let shown: ShownValue
        let source: SettingSource
    }

    /// All settings in the order of `SettingsList`.
    let entries: [Entry]
    private let values: [String: any Sendable]

    /// The value in force.
    subscript<Value>(dynamicMember declaration: KeyPath<SettingsList, Setting<Value>>) -> Value {
        let setting = SettingsList.declared[keyPath: declaration]
        return values[setting.definition.name] as? Value ?? setting.defaultValue
    }

    /// Where the value of a setting comes from.
    func source<Value>(of declaration: KeyPath<SettingsList, Setting<Value>>) -> SettingSource {
        let name = SettingsList.declared[keyPath: declaration].definition.name
        return entries.first { $0.definition.name == name }?.source ?? .default
    }

    /// Puts asterisks in the place of secrets on the command line of this process, which every user of the machine can list.
    func hideSecrets() {
        for entry in entries where entry.definition.isSecret && entry.source == .flag {
            if case .text(let secret) = entry.shown { ProcessTitle.hide(secret) }
        }
    }

    /// A setting that a command cannot do without.
    /// - Throws: `configuration` that names it.
    func required(_ declaration: KeyPath<SettingsList, Setting<String?>>) throws(Failure) -> String {
        guard let value = self[dynamicMember: declaration] else {
            let definition = SettingsList.declared[keyPath: declaration].definition
            let name = definition.name
            throw .configuration(setting: name, reason: "is missing: give --\(name) or set \(definition.environmentName)")
        }
        return value
    }

    /// Reads every setting: from the flags, then the environment, then the configuration file, then the defaults.
    /// - Parameters:
    ///   - flags: texts by setting name.
    ///   - configurationFile: the JSON file's path; without it that of `PERSONAS_CONFIG`, if any.
    /// - Throws: `configuration` that names the first setting with an invalid value, or the file's fault.
    init(flags: [String: String], configurationFile: String?, environment: [String: String]) throws(Failure) {
        var sources = [
            Source(kind: .flag, snapshot: Self.flagSnapshot(flags), origin: { "--\($0.name)" }),
            // An empty variable is one that a compose file or a unit passes on without having it.
            Source(kind: .environment, snapshot: Self.textSnapshot(environment.filter { !$0.value.isEmpty }), origin: \.environmentName),
        ]
        let file = configurationFile ?? environment[UnknownVariables.configurationFile].flatMap { $0.isEmpty ? nil : $0 }
        if let file { sources.append(Source(kind: .file, snapshot: try ConfigurationFile.snapshot(of: file), origin: { _ in file })) }
        var entries: [Entry] = []
        for definition in SettingsList.all { entries.append(try Self.entry(of: definition, in: sources)) }
        self.entries = entries
        values = entries.reduce(into: [:]) { $0[$1.definition.name] = $1.value }
    }

    private struct Source {
        let kind: SettingSource
        let snapshot: any ConfigSnapshot
        /// How to name the place, in an error, from which a setting came.
        let origin: (SettingDefinition) -> String

        func key(of definition: SettingDefinition) -> AbsoluteConfigKey {
            kind == .environment ? ["personas", definition.name] : [definition.name]
        }
    }

    private static func textSnapshot(_ variables: [String: String]) -> any ConfigSnapshot {
        EnvironmentVariablesProvider(environmentVariables: variables).snapshot()
    }

    /// Flags are texts, too, and are turned into the types asked for in the same way.
    private static func flagSnapshot(_ flags: [String: String]) -> any ConfigSnapshot {
        textSnapshot(flags.reduce(into: [:]) { $0[$1.key.uppercased().replacing("-", with: "_")] = $1.value })
    }

    private static func entry(of definition: SettingDefinition, in sources: [Source]) throws(Failure) -> Entry {
        for source in sources {
            let found: ConfigValue?
            do {
                found = try source.snapshot.value(forKey: source.key(of: definition), type: definition.type).value
            } catch {
                throw invalid(definition, reason: problem(of: definition), from: source)
            }
            guard let found else { continue }
            do {
                let read = try definition.read(found.content)
                return Entry(definition: definition, value: read.value, shown: read.shown, source: source.kind)
            } catch {
                throw invalid(definition, reason: error.reason, from: source)
            }
        }
        return Entry(definition: definition, value: nil, shown: definition.shownDefault, source: .default)
    }

    /// What a setting says of a value that is not even of its type.
    private static func problem(of definition: SettingDefinition) -> String {
        do {
            _ = try definition.read(.double(.nan))
            return "is invalid"
        } catch {
            return error.reason
        }
    }

    private static func invalid(_ definition: SettingDefinition, reason: String, from source: Source) -> Failure {
        .configuration(setting: definition.name, reason: "\(reason) (from \(source.origin(definition)))")
    }
}

/// Reading the configuration file: a JSON object with a member for each setting that is to be changed.
enum ConfigurationFile {
    private static let bytesMax = 1_024 * 1_024

    /// The file's values.
    /// - Throws: `configuration` when the file cannot be read, is no JSON object, or has a member that is no setting.
    static func snapshot(of path: String) throws(Failure) -> any ConfigSnapshot {
        let data = try bytes(of: path)
        // Foundation's parser is asked first, because the members themselves are to be checked, which the snapshot does not show.
        guard let object = try? JSONSerialization.jsonObject(with: data), let members = object as? [String: Any] else {
            let line = JSONFault.line(in: data).map { " (line \($0))" } ?? ""
            throw .configuration(setting: "config", reason: "the file \(path) is not a JSON object\(line)")
        }
        let known = Set(SettingsList.all.map(\.name))
        if let unknown = members.keys.sorted().first(where: { !known.contains($0) }) {
            let question = Suggestion.question(unknown, among: known.sorted()) ?? "; see personas config"
            throw .configuration(setting: unknown, reason: "is not a setting (in \(path))\(question)")
        }
        for (name, value) in members.sorted(by: { $0.key < $1.key }) where value is [String: Any] || value is NSNull {
            throw .configuration(setting: name, reason: "must not be an object or null (from \(path))")
        }
        do {
            return try JSONSnapshot(data: [UInt8](data).span.bytes, providerName: path, parsingOptions: .default)
        } catch {
            throw .configuration(setting: "config", reason: "the file \(path) holds a value that no setting can have")
        }
    }

    private static func bytes(of path: String) throws(Failure) -> Data {
        let bytes: [UInt8]
        do throws(GivenFile.ReadFailure) {
            bytes = try GivenFile.read(path, bytesMax: bytesMax)
        } catch {
            let reason = error.code == ENOENT ? "" : ": \(error.reason)"
            throw .configuration(setting: "config", reason: "the file \(path) cannot be read\(reason)")
        }
        guard bytes.count <= bytesMax else {
            throw .configuration(setting: "config", reason: "the file \(path) is larger than \(bytesMax) bytes")
        }
        return Data(bytes)
    }
}
