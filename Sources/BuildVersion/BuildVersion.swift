/// Which version of the service this is.
package enum BuildVersion {
    /// The version that people speak of, by the rules of semantic versioning (semver.org). Whoever releases one sets it here.
    package static let number = "1.0.0"

    /// The commit that it was built from, as 12 hexadecimal digits, with `+changes` behind them where files differed from it; nil where the sources were
    /// no git repository.
    package static let commit: String? = builtCommit.isEmpty ? nil : builtCommit

    /// Both, for people and logs: `1.0.0 (4c67bb5a1b2c)`.
    package static let text = commit.map { "\(number) (\($0))" } ?? number
}
