import ArgumentParser
import Configuration
import Foundation
import Personas
import PersonasHTTP

/// One setting of a type, as it is declared.
struct Setting<Value: Sendable>: DeclaredSetting {
    /// Everything about it but the type.
    let definition: SettingDefinition
    /// What is in force where no source says otherwise.
    let defaultValue: Value
}

/// A setting of any type.
protocol DeclaredSetting: Sendable {
    /// Everything about it but the type.
    var definition: SettingDefinition { get }
}

/// The commands that take the flag of a setting.
enum SettingGroup: Sendable {
    case everyCommand
    /// Those that run until they are stopped: the server and the worker.
    case processes
    case server
    case worker
}

/// What there is to say about a setting, whatever its type.
struct SettingDefinition: Sendable {
    /// The name in the configuration file, of the flag, and, in capitals, of the environment variable: `public-url`.
    let name: String
    /// How it is written in the configuration file.
    let type: ConfigType
    /// What stands for the value in `--help`; nil where the flag has none.
    let valueName: String?
    /// Which commands take the flag.
    let group: SettingGroup
    /// What a shell offers for the value.
    let completion: CompletionKind
    /// Whether the value is never shown.
    let isSecret: Bool
    /// One line for `personas config` and `--help`.
    let help: String
    /// The default as it is shown.
    let shownDefault: ShownValue
    /// The default in words, where it is not the same everywhere.
    var defaultWords: String?
    /// Makes a value of the setting's type from what was read, or says in words which values are allowed.
    let read: @Sendable (ConfigContent) throws(SettingProblem) -> ReadSetting

    /// The environment variable.
    var environmentName: String { "PERSONAS_" + name.uppercased().replacing("-", with: "_") }
}

/// A value of a setting together with the form in which it is shown.
struct ReadSetting: Sendable {
    /// Of the setting's type.
    let value: any Sendable
    /// As it stands in the configuration file.
    let shown: ShownValue
}

/// Why a value cannot be taken: a predicate such as "must be a number".
struct SettingProblem: Error, Equatable {
    let reason: String
}

/// A value in the form in which a configuration file holds it.
enum ShownValue: Sendable, Equatable, Encodable {
    case text(String)
    case integer(Int)
    case toggle(Bool)
    case list([String])
    case nothing

    /// For people.
    var text: String {
        switch self {
        case .text(let text): text
        case .integer(let number): String(number)
        case .toggle(let isOn): isOn ? "true" : "false"
        case .list(let texts): texts.joined(separator: ",")
        case .nothing: ""
        }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .text(let text): try container.encode(text)
        case .integer(let number): try container.encode(number)
        case .toggle(let isOn): try container.encode(isOn)
        case .list(let texts): try container.encode(texts)
        case .nothing: try container.encodeNil()
        }
    }
}

extension Setting {
    /// - Parameters:
    ///   - show: a value in the form of the configuration file.
    ///   - read: the value in what was read, or which values are allowed.
    fileprivate init(
        _ name: String, _ type: ConfigType, value valueName: String?, of group: SettingGroup, completion: CompletionKind = .default,
        isSecret: Bool = false, default defaultValue: Value, defaultWords: String? = nil, _ help: String,
        show: @escaping @Sendable (Value) -> ShownValue, read: @escaping @Sendable (ConfigContent) throws(SettingProblem) -> Value
    ) {
        definition = SettingDefinition(
            name: name, type: type, valueName: valueName, group: group, completion: completion, isSecret: isSecret, help: help,
            shownDefault: show(defaultValue), defaultWords: defaultWords
        ) { (content) throws(SettingProblem) in
            let value = try read(content)
            return ReadSetting(value: value, shown: show(value))
        }
        self.defaultValue = defaultValue
    }
}

extension Setting where Value == String {
    /// Any text but none.
    static func text(
        _ name: String, value valueName: String, of group: SettingGroup = .server, completion: CompletionKind = .default,
        default defaultValue: String, _ help: String
    ) -> Self {
        Setting(name, .string, value: valueName, of: group, completion: completion, default: defaultValue, help, show: { .text($0) }) {
            (content) throws(SettingProblem) in
            guard case .string(let text) = content, !text.isEmpty else { throw SettingProblem(reason: "must be a text") }
            return text
        }
    }
}

extension Setting where Value == String? {
    /// A text that may be missing; `check` returns it in its final form or says what it must be.
    static func optionalText(
        _ name: String, value valueName: String, of group: SettingGroup = .server, completion: CompletionKind = .default,
        isSecret: Bool = false, _ help: String,
        check: @escaping @Sendable (String) throws(SettingProblem) -> String = { (text) throws(SettingProblem) in text }
    ) -> Self {
        Setting(
            name, .string, value: valueName, of: group, completion: completion, isSecret: isSecret, default: nil, help,
            show: { $0.map { .text($0) } ?? .nothing }
        ) { (content) throws(SettingProblem) in
            guard case .string(let text) = content, !text.isEmpty else { throw SettingProblem(reason: "must be a text") }
            return try check(text)
        }
    }
}

extension Setting where Value == Int {
    /// A number within bounds.
    static func integer(
        _ name: String, value valueName: String = "N", of group: SettingGroup = .server, default defaultValue: Int,
        defaultWords: String? = nil, in range: ClosedRange<Int>, _ help: String
    ) -> Self {
        Setting(
            name, .int, value: valueName, of: group, default: defaultValue, defaultWords: defaultWords, help, show: { .integer($0) }
        ) {
            (content) throws(SettingProblem) in
            try content.integer(in: range)
        }
    }
}

extension Setting where Value == Duration {
    /// A number of seconds within bounds.
    static func seconds(_ name: String, default defaultValue: Duration, in range: ClosedRange<Int>, _ help: String) -> Self {
        duration(name, default: defaultValue, in: range, of: .seconds(1), help)
    }

    /// A number of milliseconds within bounds.
    static func milliseconds(_ name: String, default defaultValue: Duration, in range: ClosedRange<Int>, _ help: String) -> Self {
        duration(name, default: defaultValue, in: range, of: .milliseconds(1), help)
    }

    private static func duration(
        _ name: String, default defaultValue: Duration, in range: ClosedRange<Int>, of unit: Duration, _ help: String
    ) -> Self {
        Setting(name, .int, value: "N", of: .server, default: defaultValue, help, show: { .integer(Int($0 / unit)) }) {
            (content) throws(SettingProblem) in
            unit * (try content.integer(in: range))
        }
    }
}

extension Setting where Value == Bool {
    /// On or off.
    static func toggle(_ name: String, default defaultValue: Bool, _ help: String) -> Self {
        Setting(name, .bool, value: nil, of: .server, default: defaultValue, help, show: { .toggle($0) }) {
            (content) throws(SettingProblem) in
            guard case .bool(let isOn) = content else { throw SettingProblem(reason: "must be true or false") }
            return isOn
        }
    }
}

extension Setting where Value == [AddressPrefix] {
    /// Networks, separated by commas where there is but one text to write them into.
    static func networks(_ name: String, _ help: String) -> Self {
        list(name, of: "networks", default: [], help) { (texts) throws(SettingProblem) in
            let networks = texts.compactMap { AddressPrefix($0) }
            guard networks.count == texts.count else {
                throw SettingProblem(reason: "must be a list of networks such as 203.0.113.0/24")
            }
            return networks
        }
    }
}

extension Setting where Value == AllowedOrigins {
    /// Origins of pages, separated by commas where there is but one text to write them into.
    static func origins(_ name: String, _ help: String) -> Self {
        list(name, of: "origins", default: AllowedOrigins(), help) { (texts) throws(SettingProblem) in
            do throws(AllowedOrigins.Malformed) {
                return try AllowedOrigins(texts)
            } catch {
                throw SettingProblem(
                    reason: "must be a list of origins such as https://app.example or https://*.example; \"\(error.text)\" is none")
            }
        }
    }
}

extension Setting {
    /// A list, shown as it was written, which is not always how it would be written from what was read.
    fileprivate static func list(
        _ name: String, of elements: String, default defaultValue: Value, _ help: String,
        read: @escaping @Sendable ([String]) throws(SettingProblem) -> Value
    ) -> Self {
        let definition = SettingDefinition(
            name: name, type: .stringArray, valueName: "LIST", group: .server, completion: .default, isSecret: false, help: help,
            shownDefault: .list([])
        ) { (content) throws(SettingProblem) in
            guard case .stringArray(let texts) = content else { throw SettingProblem(reason: "must be a list of \(elements)") }
            return ReadSetting(value: try read(texts), shown: .list(texts))
        }
        return Setting(definition: definition, defaultValue: defaultValue)
    }
}

extension Setting where Value: RawRepresentable & CaseIterable, Value.RawValue == String {
    /// One of a few words.
    static func choice(
        _ name: String, value valueName: String, of group: SettingGroup = .server, default defaultValue: Value,
        defaultWords: String? = nil, _ help: String
    ) -> Self {
        let words = Value.allCases.map(\.rawValue)
        return Setting(
            name, .string, value: valueName, of: group, completion: .list(words), default: defaultValue, defaultWords: defaultWords, help,
            show: { .text($0.rawValue) }
        ) {
            (content) throws(SettingProblem) in
            guard case .string(let text) = content, let value = Value(rawValue: text) else {
                throw SettingProblem(reason: "must be one of \(words.joined(separator: ", "))")
            }
            return value
        }
    }
}

extension ConfigContent {
    fileprivate func integer(in range: ClosedRange<Int>) throws(SettingProblem) -> Int {
        guard case .int(let number) = self, range.contains(number) else {
            throw SettingProblem(reason: "must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }
}
