package import Personas

/// Who the service is to the object store. What describes one shows none of its secrets.
package struct S3Credentials: Sendable, CustomStringConvertible, CustomReflectable {
    /// Longer than any that a provider issues; tokens of sessions have some two thousand characters.
    private static let bytesMax = 16_384

    /// The name of the key, which every request shows.
    let accessKeyID: String
    /// What requests are signed with.
    let secretAccessKey: String
    /// What goes with a key that lasts for hours only; nil for one that lasts.
    let sessionToken: String?

    /// Reads them from variables of the environment, as every program for S3 does: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, and, where there is
    /// one, `AWS_SESSION_TOKEN`.
    /// - Throws: `configuration`, which names the variable and never shows its value.
    package init(environment: [String: String]) throws(Failure) {
        func value(_ name: String) throws(Failure) -> String? {
            guard let value = environment[name], !value.isEmpty else { return nil }
            // A line break that came along with a copied key would end the header that it stands in.
            guard value.utf8.count <= Self.bytesMax, value.utf8.allSatisfy({ 0x21...0x7E ~= $0 }) else {
                throw .configuration(setting: S3Location.setting, reason: "needs \(name) without spaces and line breaks")
            }
            return value
        }
        guard let accessKeyID = try value("AWS_ACCESS_KEY_ID") else {
            throw .configuration(setting: S3Location.setting, reason: "needs AWS_ACCESS_KEY_ID in the environment")
        }
        guard let secretAccessKey = try value("AWS_SECRET_ACCESS_KEY") else {
            throw .configuration(setting: S3Location.setting, reason: "needs AWS_SECRET_ACCESS_KEY in the environment")
        }
        self.accessKeyID = accessKeyID
        self.secretAccessKey = secretAccessKey
        sessionToken = try value("AWS_SESSION_TOKEN")
    }

    /// Names what it is and nothing of what it holds.
    package var description: String { "S3Credentials" }

    /// Shows nothing, so that no dump of what has credentials has them.
    package var customMirror: Mirror { Mirror(self, children: [:]) }
}
