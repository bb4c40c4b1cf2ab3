import ArgumentParser
import Configuration
import Foundation
import Personas
import TestSupport
import Testing

@testable import PersonasCLI

@Suite("Settings")
struct SettingsTests {
    private func settings(
        flags: [String: String] = [:], environment: [String: String] = [:], file: String? = nil
    ) throws -> Settings {
        guard let file else { return try Settings(flags: flags, configurationFile: nil, environment: environment) }
        return try withTemporaryFolder("settings") { folder in
            let path = "\(folder)/settings.json"
            try Data(file.utf8).write(to: URL(fileURLWithPath: path))
            return try Settings(flags: flags, configurationFile: path, environment: environment)
        }
    }

    private func source(_ setting: SettingDefinition, _ settings: Settings) -> SettingSource? {
        settings.entries.first { $0.definition.name == setting.name }?.source
    }

    @Test("A flag wins over the environment, that over the file, and that over the default")
    func precedence() throws {
        let port = SettingsList.port
        let file = #"{"port": 1003}"#
        let environment = ["PERSONAS_PORT": "1002"]
        let all = try settings(flags: ["port": "1001"], environment: environment, file: file)
        #expect(all[port] == 1_001)
        #expect(source(port.definition, all) == .flag)
        let withoutFlag = try settings(environment: environment, file: file)
        #expect(withoutFlag[port] == 1_002)
        #expect(source(port.definition, withoutFlag) == .environment)
        let fileOnly = try settings(file: file)
        #expect(fileOnly[port] == 1_003)
        #expect(source(port.definition, fileOnly) == .file)
        let none = try settings()
        #expect(none[port] == 8_080)
        #expect(source(port.definition, none) == .default)
    }

    @Test("Every type of setting can come from everywhere")
    func types() throws {
        let file = #"""
            {"host": "::1", "migrate": false, "trainer": "worker", "blocked-download-prefixes": ["10.0.0.0/8", "::/8"], "public-url": "https://a.example/"}
            """#
        for settings in [
            try settings(file: file),
            try settings(environment: [
                "PERSONAS_HOST": "::1", "PERSONAS_MIGRATE": "false", "PERSONAS_TRAINER": "worker",
                "PERSONAS_BLOCKED_DOWNLOAD_PREFIXES": "10.0.0.0/8,::/8", "PERSONAS_PUBLIC_URL": "https://a.example/",
            ]),
            try settings(flags: [
                "host": "::1", "migrate": "false", "trainer": "worker", "blocked-download-prefixes": "10.0.0.0/8,::/8",
                "public-url": "https://a.example/",
            ]),
        ] {
            #expect(settings[SettingsList.host] == "::1")
            #expect(settings[SettingsList.migrate] == false)
            #expect(settings[SettingsList.trainer] == .worker)
            #expect(
                settings[SettingsList.blockedDownloadPrefixes].map(\.description)
                    == ["10.0.0.0/8", "::/8"].compactMap { AddressPrefix($0)?.description })
            #expect(settings[SettingsList.publicURL] == "https://a.example")
        }
    }

    @Test("An empty environment variable counts as not set")
    func emptyVariable() throws {
        let settings = try settings(environment: ["PERSONAS_PORT": "", "PERSONAS_CONFIG": ""])
        #expect(settings[SettingsList.port] == 8_080)
    }

    @Test("The configuration file can be named by the environment")
    func fileFromEnvironment() throws {
        #expect(throws: Failure.configuration(setting: "config", reason: "the file /no/such/file cannot be read")) {
            try settings(environment: ["PERSONAS_CONFIG": "/no/such/file"])
        }
    }

    @Test(
        "An invalid value is refused, by the name of its setting and of the place it comes from",
        arguments: [
            ("port", "abc"), ("port", "-1"), ("port", "65536"), ("port", "80.5"), ("trainer", "fal"), ("migrate", "maybe"),
            ("log-level", "loud"),
            ("log-format", "xml"), ("public-url", "example.com"), ("public-url", "ftp://example.com"),
            ("public-url", "https://u@example.com"),
            ("public-url", "https://example.com/?q"), ("lease-seconds", "0"), ("readers", "0"), ("download-trust-roots", "/no/such/file"),
            ("body-bytes-max", "1"), ("server", "localhost:8080"), ("blocked-download-prefixes", "10.0.0.0/8,,"),
        ])
    func invalidValue(name: String, value: String) throws {
        let variable = "PERSONAS_" + name.uppercased().replacing("-", with: "_")
        for (place, read) in [
            ("--\(name)", { try settings(flags: [name: value]) }), (variable, { try settings(environment: [variable: value]) }),
        ] {
            let failure = try #require(throws: Failure.self) { try read() }
            guard case .configuration(let setting, let reason) = failure else {
                Issue.record("\(failure)")
                return
            }
            #expect(setting == name)
            #expect(reason.hasSuffix("(from \(place))"))
            let shown = CommandFailure(failure)
            #expect(shown.status == .configuration)
            #expect(shown.line.hasPrefix("personas: CONFIGURATION_ERROR: \(name): must be "))
            #expect(!shown.line.contains("\n"))
        }
    }

    @Test(
        "A configuration file with a fault is refused, and the fault is named",
        arguments: [
            ("not json", "config"), ("[]", "config"), ("{\"port\": }", "config"), (#"{"prt": 1}"#, "prt"), (#"{"port": "8080"}"#, "port"),
            (#"{"port": 1.5}"#, "port"), (#"{"port": null}"#, "port"), (#"{"port": {"a": 1}}"#, "port"), (#"{"host": 1}"#, "host"),
            (#"{"migrate": "yes"}"#, "migrate"), (#"{"blocked-download-prefixes": "10.0.0.0/8"}"#, "blocked-download-prefixes"),
            (#"{"blocked-download-prefixes": [[]]}"#, "config"),
        ])
    func invalidFile(content: String, culprit: String) throws {
        let failure = try #require(throws: Failure.self) { try settings(file: content) }
        guard case .configuration(let setting, _) = failure else {
            Issue.record("\(failure)")
            return
        }
        #expect(setting == culprit)
    }

    @Test("A setting that a command cannot do without is asked for by name")
    func required() throws {
        let settings = try settings(environment: ["PERSONAS_KEY": "pkz_x"])
        #expect(try settings.required(SettingsList.key) == "pkz_x")
        #expect(throws: Failure.configuration(setting: "server", reason: "is missing: give --server or set PERSONAS_SERVER")) {
            try settings.required(SettingsList.server)
        }
    }

    @Test("Every setting has its flag, and every flag its setting")
    func flags() throws {
        let texts = Dictionary(
            uniqueKeysWithValues: SettingsList.all.map { ($0.name, $0.shownDefault.text.isEmpty ? "x" : $0.shownDefault.text) })
        var arguments: [String] = []
        for setting in SettingsList.all {
            if setting.type == .bool {
                arguments.append("--no-\(setting.name)")
            } else {
                arguments += ["--\(setting.name)", texts[setting.name] ?? ""]
            }
        }
        let command = try #require(try PersonasCommand.parseAsRoot(["config"] + arguments) as? ConfigCommand)
        let given = command.process.flags.merging(command.service.flags) { first, _ in first }.merging(command.worker.flags) { first, _ in
            first
        }
        let known = SettingsList.all.map(\.name).filter { $0 != "data" }
        #expect(given.keys.sorted() == known.sorted())
        for setting in SettingsList.all where setting.name != "data" {
            #expect(given[setting.name] == (setting.type == .bool ? "false" : texts[setting.name]))
        }
        #expect(command.data.data == "./data")
    }

    @Test("Each setting has one name, a line of help, and a default that it would accept itself")
    func definitions() throws {
        #expect(Set(SettingsList.all.map(\.name)).count == SettingsList.all.count)
        for setting in SettingsList.all {
            #expect(!setting.help.isEmpty && !setting.help.contains("\n"), "\(setting.name)")
            guard !setting.shownDefault.text.isEmpty else { continue }
            let settings = try settings(flags: [setting.name: setting.shownDefault.text])
            #expect(settings.entries.first { $0.definition.name == setting.name }?.shown == setting.shownDefault, "\(setting.name)")
        }
    }

    @Test("Secrets are hidden where settings are shown")
    func secrets() throws {
        let rows = ConfigCommand.rows(try settings(environment: ["PERSONAS_KEY": "pkz_secret"]))
        let row = try #require(rows.first { $0.name == "key" })
        #expect(row.value == .text("(hidden)"))
        #expect(row.source == .environment)
        #expect(!rows.contains { $0.value.text.contains("secret") })
        #expect(ConfigCommand.rows(try settings()).first { $0.name == "key" }?.value == .nothing)
    }

    @Test("Settings are shown as JSON in the types of the configuration file")
    func json() throws {
        let rows = ConfigCommand.rows(try settings(flags: ["port": "0"]))
        let object = try JSONSerialization.jsonObject(with: try JSONEncoder().encode(rows))
        let list = try #require(object as? [[String: Any]])
        #expect(list.count == SettingsList.all.count)
        let port = try #require(list.first { $0["name"] as? String == "port" })
        #expect(port["value"] as? Int == 0)
        #expect(port["source"] as? String == "flag")
        #expect(port["help"] is String)
        #expect(list.first { $0["name"] as? String == "migrate" }?["value"] as? Bool == true)
        #expect(list.first { $0["name"] as? String == "public-url" }?["value"] is NSNull)
    }
}
