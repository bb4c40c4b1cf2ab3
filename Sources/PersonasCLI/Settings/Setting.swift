import Configuration
import Foundation
import Personas

/// One setting of a type, as it is declared.
struct Setting<Value: Sendable>: Sendable {
    /// Everything about it but the type.
    let definition: SettingDefinition
    /// What is in force when nobody says otherwise.
    let defaultValue: Value
}

/// What there is to say about a setting, whatever its type.
struct SettingDefinition: Sendable {
    /// The name in the configuration file, of the flag, and, in capitals, of the environment variable: `public-url`.
    let name: String
    /// How it is written in the configuration file.
    let type: ConfigType
    /// One line for `personas config` and `--help`.
    let help: String
    /// Whether the value is never shown.
    let isSecret: Bool
    /// The default as it is shown.
    let shownDefault: ShownValue
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

extension Setting where Value == String {
    /// Any text but none.
    static func text(_ name: String, default defaultValue: String, _ help: String) -> Self {
        Setting(
            definition: SettingDefinition(name: name, type: .string, help: help, isSecret: false, shownDefault: .text(defaultValue)) {
                (content) throws(SettingProblem) in
                guard case .string(let text) = content, !text.isEmpty else { throw SettingProblem(reason: "must be a text") }
                return ReadSetting(value: text, shown: .text(text))
            }, defaultValue: defaultValue)
    }
}

extension Setting where Value == String? {
    /// A text that may be missing; `check` returns it in its final form or says what it must be.
    static func optionalText(
        _ name: String, isSecret: Bool = false, _ help: String,
        check: @escaping @Sendable (String) throws(SettingProblem) -> String = { (text) throws(SettingProblem) in text }
    ) -> Self {
        Setting(
            definition: SettingDefinition(name: name, type: .string, help: help, isSecret: isSecret, shownDefault: .nothing) {
                (content) throws(SettingProblem) in
                guard case .string(let text) = content, !text.isEmpty else { throw SettingProblem(reason: "must be a text") }
                let checked = try check(text)
                return ReadSetting(value: String?.some(checked), shown: .text(checked))
            }, defaultValue: nil)
    }
}

extension Setting where Value == Int {
    /// A number within bounds.
    static func integer(_ name: String, default defaultValue: Int, in range: ClosedRange<Int>, _ help: String) -> Self {
        Setting(
            definition: SettingDefinition(name: name, type: .int, help: help, isSecret: false, shownDefault: .integer(defaultValue)) {
                (content) throws(SettingProblem) in
                guard case .int(let number) = content, range.contains(number) else {
                    throw SettingProblem(reason: "must be a whole number from \(range.lowerBound) to \(range.upperBound)")
                }
                return ReadSetting(value: number, shown: .integer(number))
            }, defaultValue: defaultValue)
    }
}

extension Setting where Value == Bool {
    /// On or off.
    static func toggle(_ name: String, default defaultValue: Bool, _ help: String) -> Self {
        Setting(
            definition: SettingDefinition(name: name, type: .bool, help: help, isSecret: false, shownDefault: .toggle(defaultValue)) {
                (content) throws(SettingProblem) in
                guard case .bool(let isOn) = content else { throw SettingProblem(reason: "must be true or false") }
                return ReadSetting(value: isOn, shown: .toggle(isOn))
            }, defaultValue: defaultValue)
    }
}

extension Setting where Value == [AddressPrefix] {
    /// Networks, separated by commas where there is but one text to write them into.
    static func networks(_ name: String, _ help: String) -> Self {
        Setting(
            definition: SettingDefinition(name: name, type: .stringArray, help: help, isSecret: false, shownDefault: .list([])) {
                (content) throws(SettingProblem) in
                guard case .stringArray(let texts) = content else { throw SettingProblem(reason: "must be a list of networks") }
                let networks = texts.compactMap { AddressPrefix($0) }
                guard networks.count == texts.count else {
                    throw SettingProblem(reason: "must be a list of networks such as 203.0.113.0/24")
                }
                return ReadSetting(value: networks, shown: .list(texts))
            }, defaultValue: [])
    }
}

extension Setting where Value: RawRepresentable & CaseIterable, Value.RawValue == String {
    /// One of a few words.
    static func choice(_ name: String, default defaultValue: Value, _ help: String) -> Self {
        Setting(
            definition: SettingDefinition(
                name: name, type: .string, help: help, isSecret: false, shownDefault: .text(defaultValue.rawValue)
            ) {
                (content) throws(SettingProblem) in
                guard case .string(let text) = content, let value = Value(rawValue: text) else {
                    throw SettingProblem(reason: "must be one of \(Value.allCases.map(\.rawValue).joined(separator: ", "))")
                }
                return ReadSetting(value: value, shown: .text(value.rawValue))
            }, defaultValue: defaultValue)
    }
}
