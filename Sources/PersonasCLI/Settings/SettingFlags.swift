import ArgumentParser

/// The flags of a group of settings, made from their declarations.
///
/// The library learns of flags by reflecting a value whose properties are wrapped ones; here their place is taken by the children of the mirror.
/// Values are taken as texts, so that a bad one is reported like one from anywhere else.
protocol SettingFlags: ParsableArguments, CustomReflectable {
    /// Which settings.
    static var group: SettingGroup { get }
    /// What was given, by the names of the settings.
    var given: [String: String] { get set }
}

extension SettingFlags {
    private static var definitions: [SettingDefinition] { SettingsList.all.filter { $0.group == group } }

    init(from decoder: any Decoder) throws {
        self.init()
        let container = try decoder.container(keyedBy: FlagKey.self)
        for definition in Self.definitions {
            let key = FlagKey(stringValue: definition.name)
            if definition.valueName == nil {
                given[definition.name] = try container.decode(Flag<Bool?>.self, forKey: key).wrappedValue.map(String.init)
            } else {
                given[definition.name] = try container.decode(Option<String?>.self, forKey: key).wrappedValue
            }
        }
    }

    var customMirror: Mirror {
        Mirror(self, children: Self.definitions.map { ($0.name, $0.valueName == nil ? $0.flag as Any : $0.option as Any) })
    }
}

/// The name of a setting, under which the library keeps what was given.
private struct FlagKey: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(stringValue: String) { self.stringValue = stringValue }

    init?(intValue: Int) { nil }
}

extension SettingDefinition {
    fileprivate var flag: Flag<Bool?> { Flag(name: .customLong(name), inversion: .prefixedNo, help: argumentHelp) }

    fileprivate var option: Option<String?> { Option(name: .customLong(name), help: argumentHelp, completion: completion) }

    /// The line of `--help`.
    private var argumentHelp: ArgumentHelp {
        let value = defaultWords ?? shownDefault.text
        let initial = value.isEmpty ? "" : ", default \(value)"
        return ArgumentHelp("\(help) (\(environmentName)\(initial))", valueName: valueName)
    }
}
