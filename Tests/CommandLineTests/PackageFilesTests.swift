import ArgumentParser
import Foundation
import TestSupport
import Testing

@testable import PersonasCLI

/// What the package installs beside the program fits the program. `.ci/package --test` tries the package itself.
@Suite("The files of the package")
struct PackageFilesTests {
    private static let folder = "\(TestTools.tests)/../.ci/packaging"
    private static let configuration = "\(folder)/config.json"

    private static let units = ["personas.service", "personas.personas-backup.service"]

    /// The values of a key of a unit.
    private static func values(of key: String, in unit: String) throws -> [String] {
        try String(contentsOfFile: "\(folder)/debian/\(unit)", encoding: .utf8).split(separator: "\n").compactMap { line in
            line.hasPrefix("\(key)=") ? String(line.dropFirst(key.count + 1)) : nil
        }
    }

    @Test("The configuration is one, and sets nothing that there is not")
    func configurationFile() throws {
        let settings = try Settings(flags: [:], configurationFile: Self.configuration, environment: [:])
        let members = try #require(
            try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: Self.configuration))) as? [String: Any])
        #expect(Set(settings.entries.filter { $0.source == .file }.map(\.definition.name)) == Set(members.keys))
        // What the manual, README.Debian and the units name, and what is made at installation for nobody else to read.
        let folder = "/var/lib/personas"
        #expect(settings.dataDirectory == folder)
        let folders = try String(contentsOfFile: "\(Self.folder)/debian/personas.tmpfiles", encoding: .utf8)
        #expect(folders.contains("d \(folder) 0700 personas personas"))
        #expect(try Self.values(of: "ConditionPathExists", in: "personas.personas-backup.service") == ["\(folder)/personas.sqlite"])
        // Whoever may be trusted to forge nothing has to be on this machine.
        #expect(settings.host == "127.0.0.1")
    }

    @Test("The units run commands that there are", arguments: units)
    func commands(unit: String) throws {
        let command = try #require(try Self.values(of: "ExecStart", in: unit).first).split(separator: " ").map(String.init)
        #expect(command.first == "/usr/bin/personas")
        let parsed = try PersonasCommand.parseAsRoot(Array(command.dropFirst()))
        #expect(parsed is any PersonasSubcommand)
        #expect(command.suffix(2) == ["--config", "/etc/personas/config.json"])
    }

    @Test("The service is given the time that it takes to stop, and ten seconds more")
    func stopping() throws {
        let seconds = SettingsList.all.filter { ["drain-seconds", "grace-seconds"].contains($0.name) }.compactMap { definition in
            if case .integer(let seconds) = definition.shownDefault { seconds } else { nil }
        }
        #expect(!seconds.isEmpty)
        let allowed = try #require(try Self.values(of: "TimeoutStopSec", in: "personas.service").first.flatMap { Int($0) })
        #expect(allowed >= seconds.reduce(10, +))
    }

    @Test("Data and backups are one place to the units, so that images are in both once", arguments: units)
    func places(unit: String) throws {
        #expect(try Self.values(of: "ProtectSystem", in: unit) == ["strict"])
        #expect(try Self.values(of: "ReadWritePaths", in: unit) == ["/var"])
        #expect(try Self.values(of: "StateDirectory", in: unit) == [], "it would be a mount of its own")
    }

    @Test("What an administrator has to mend is not tried again")
    func restarts() throws {
        let statuses = try Self.values(of: "RestartPreventExitStatus", in: "personas.service").first?.split(separator: " ").map(String.init)
        #expect(statuses == ["\(ExitCode.validationFailure.rawValue)", "\(ExitStatus.configuration.rawValue)"])
    }
}
