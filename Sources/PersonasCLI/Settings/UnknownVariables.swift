import Foundation
import Logging

/// Variables of the environment that look like settings and are none, which somebody mistyped or has from another version.
enum UnknownVariables {
    /// How the names of all variables begin that the program reads.
    private static let prefix = "PERSONAS_"
    /// The variable that names the configuration file, which is no setting.
    static let configurationFile = "PERSONAS_CONFIG"

    /// One of them.
    struct Variable: Equatable {
        let name: String
        /// The variable that was most likely meant.
        let meant: String?

        /// What to say of it.
        var line: String { "\(name) is no setting, and changes nothing" + (meant.map { "; did you mean \($0)?" } ?? "") }
    }

    /// Warns of those of this process.
    static func warn(_ logger: Logger) {
        for variable in found(in: ProcessInfo.processInfo.environment) { logger.warning("\(variable.line)") }
    }

    /// Those of an environment, in the order of their names.
    static func found(in environment: [String: String]) -> [Variable] {
        let known = Set(SettingsList.all.map(\.environmentName) + [configurationFile])
        return environment.keys.filter { $0.hasPrefix(prefix) && !known.contains($0) }.sorted().map { name in
            let endings = known.map { String($0.dropFirst(prefix.count)) }.sorted()
            let meant = Suggestion.nearest(to: String(name.dropFirst(prefix.count)), among: endings)
            return Variable(name: name, meant: meant.map { prefix + $0 })
        }
    }
}
