import ArgumentParser
import Configuration
import CoreMetrics
import ErrorEnvelopeHummingbird
import Foundation
import Personas
import PersonasDB
import PersonasHTTP
import PersonasOutbound
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
        let port = SettingsList.declared.port.definition
        let file = #"{"port": 1003}"#
        let environment = ["PERSONAS_PORT": "1002"]
        let all = try settings(flags: ["port": "1001"], environment: environment, file: file)
        #expect(all.port == 1_001)
        #expect(source(port, all) == .flag)
        let withoutFlag = try settings(environment: environment, file: file)
        #expect(withoutFlag.port == 1_002)
        #expect(source(port, withoutFlag) == .environment)
        let fileOnly = try settings(file: file)
        #expect(fileOnly.port == 1_003)
        #expect(source(port, fileOnly) == .file)
        let none = try settings()
        #expect(none.port == 8_080)
        #expect(source(port, none) == .default)
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
            #expect(settings.host == "::1")
            #expect(settings.migrate == false)
            #expect(settings.trainer == .worker)
            #expect(
                settings.blockedDownloadPrefixes.map(\.description)
                    == ["10.0.0.0/8", "::/8"].compactMap { AddressPrefix($0)?.description })
            #expect(settings.publicURL == "https://a.example")
        }
    }

    @Test("Origins of pages are a list wherever they come from, and the one that is none is named")
    func origins() throws {
        #expect(try settings().corsOrigins.permission(for: "https://app.example") == nil)
        for settings in [
            try settings(file: #"{"cors-origins": ["https://app.example", "https://*.sub.example"]}"#),
            try settings(environment: ["PERSONAS_CORS_ORIGINS": "https://app.example,https://*.sub.example"]),
            try settings(flags: ["cors-origins": "https://app.example, https://*.sub.example"]),
        ] {
            for origin in ["https://app.example", "https://a.sub.example"] {
                #expect(settings.corsOrigins.permission(for: origin) == origin)
                #expect(HTTPConfiguration(settings, connectionsMax: 1).allowedOrigins.permission(for: origin) == origin)
            }
            #expect(settings.corsOrigins.permission(for: "https://sub.example") == nil)
            let shown = settings.entries.first { $0.definition.name == "cors-origins" }?.shown
            #expect(shown == .list(["https://app.example", "https://*.sub.example"]))
        }
        let reason =
            #"must be a list of origins such as https://app.example or https://*.example; "app.example" is none (from --cors-origins)"#
        #expect(throws: Failure.configuration(setting: "cors-origins", reason: reason)) {
            try settings(flags: ["cors-origins": "https://app.example,app.example"])
        }
    }

    @Test("An empty environment variable counts as not set")
    func emptyVariable() throws {
        let settings = try settings(environment: ["PERSONAS_PORT": "", "PERSONAS_CONFIG": ""])
        #expect(settings.port == 8_080)
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
            ("port", "abc"), ("port", "-1"), ("port", "65536"), ("port", "80.5"), ("trainer", "fall"), ("migrate", "maybe"),
            ("log-level", "loud"),
            ("log-format", "xml"), ("public-url", "example.com"), ("public-url", "ftp://example.com"),
            ("public-url", "https://u@example.com"),
            ("public-url", "https://example.com/?q"), ("public-url", "https://a;b.example"), ("public-url", "https://*.example"),
            ("public-url", "https://a.example, b"), ("public-url", "https://ä.example"), ("public-url", "https://a.example:99999"),
            ("lease-seconds", "0"), ("readers", "0"), ("download-trust-roots", "/no/such/file"),
            ("body-bytes-max", "1"), ("server", "localhost:8080"), ("blocked-download-prefixes", "10.0.0.0/8,,"),
            ("cors-origins", "https://app.example/"), ("cors-origins", "https://app.example,,"), ("cors-origins", "null"),
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

    @Test(
        "A fault of the configuration file is told with the file and the line, what was meant, and no words of a parser",
        arguments: [
            ("{\n  \"port\": }", "is not a JSON object (line 2)"), ("{\n\"port\": 1,\n", "is not a JSON object (line 3)"),
            ("[1]", "is not a JSON object"), ("", "is not a JSON object (line 1)"), (#"{"prot": 1}"#, "; did you mean port?"),
            (#"{"nothing-like-it": 1}"#, "; see personas config"), (#"{"port": [[]]}"#, "a value that no setting can have"),
        ])
    func fileFaults(content: String, words: String) throws {
        let failure = CommandFailure(try #require(throws: Failure.self) { try settings(file: content) })
        #expect(failure.message.contains(words) && failure.message.contains("settings.json"), "\(failure)")
        #expect(failure.status == .configuration)
        for word in ["Error", "NS", "character", "operation"] { #expect(!failure.message.contains(word), "\(failure)") }
    }

    @Test("A file that cannot be read is told with the reason, unless there is none")
    func unreadableFile() throws {
        try withTemporaryFolder("settings") { folder in
            #expect(throws: Failure.configuration(setting: "config", reason: "the file \(folder) cannot be read: Is a directory")) {
                try Settings(flags: [:], configurationFile: folder, environment: [:])
            }
            let path = "\(folder)/large.json"
            try Data(repeating: UInt8(ascii: " "), count: 1_048_577).write(to: URL(fileURLWithPath: path))
            #expect(throws: Failure.configuration(setting: "config", reason: "the file \(path) is larger than 1048576 bytes")) {
                try Settings(flags: [:], configurationFile: path, environment: [:])
            }
        }
    }

    @Test("Variables that look like settings and are none are found, with what was meant; others are nobody's business")
    func unknownVariables() {
        let found = UnknownVariables.found(in: [
            "PERSONAS_PROT": "1", "PERSONAS_PUBLIC_ULR": "", "PERSONAS_COFFEE": "1", "PERSONAS_PORT": "1", "PERSONAS_CONFIG": "x",
            "PATH": "y",
            "personas_port": "1", "MY_PERSONAS_PORT": "1",
        ])
        #expect(
            found.map(\.line) == [
                "PERSONAS_COFFEE is no setting, and changes nothing",
                "PERSONAS_PROT is no setting, and changes nothing; did you mean PERSONAS_PORT?",
                "PERSONAS_PUBLIC_ULR is no setting, and changes nothing; did you mean PERSONAS_PUBLIC_URL?",
            ])
    }

    @Test("A setting that a command cannot do without is asked for by name")
    func required() throws {
        let settings = try settings(environment: ["PERSONAS_KEY": "pkz_x"])
        #expect(try settings.required(\.key) == "pkz_x")
        #expect(throws: Failure.configuration(setting: "server", reason: "is missing: give --server or set PERSONAS_SERVER")) {
            try settings.required(\.server)
        }
    }

    /// The flag of a setting with its default, or with a text that any setting without one takes for a value.
    private func flag(_ setting: SettingDefinition) -> [String] {
        if setting.type == .bool { return ["--no-\(setting.name)"] }
        return ["--\(setting.name)", setting.shownDefault.text.isEmpty ? "x" : setting.shownDefault.text]
    }

    @Test("Every setting has its flag, and every flag its setting")
    func flags() throws {
        let command = try #require(try PersonasCommand.parseAsRoot(["config"] + SettingsList.all.flatMap(flag)) as? ConfigCommand)
        let groups: [any SettingFlags] = [command.data.common, command.process, command.service, command.worker]
        let given = groups.reduce([:]) { $0.merging($1.given) { first, _ in first } }
        #expect(given.keys.sorted() == SettingsList.all.map(\.name).sorted())
        for setting in SettingsList.all {
            #expect(given[setting.name] == (setting.type == .bool ? "false" : flag(setting).last), "\(setting.name)")
        }
        #expect(command.data.common.given["data"] == "./data")
    }

    /// A command with the settings that it has.
    private struct Taker: Sendable, CustomTestStringConvertible {
        let command: any ParsableCommand.Type
        let groups: [SettingGroup]

        var testDescription: String { command.configuration.commandName ?? "" }
    }

    @Test(
        "A command takes the flags of its settings, and no others",
        arguments: [
            Taker(command: ServeCommand.self, groups: [.everyCommand, .processes, .server]),
            Taker(command: WorkerCommand.self, groups: [.everyCommand, .processes, .worker]),
            Taker(command: ListCommand.self, groups: [.everyCommand]),
            Taker(command: ConfigCommand.self, groups: [.everyCommand, .processes, .server, .worker]),
        ])
    private func groups(_ taker: Taker) {
        let help = PersonasCommand.helpMessage(for: taker.command)
        for setting in SettingsList.all {
            let isTaken = taker.groups.contains(setting.group)
            #expect(help.contains("  --\(setting.name)") == isTaken, "\(setting.name)")
            do {
                _ = try PersonasCommand.parseAsRoot([taker.testDescription] + flag(setting))
                #expect(isTaken, "\(setting.name)")
            } catch {
                #expect(!isTaken, "\(setting.name)")
                #expect(PersonasCommand.exitCode(for: error) == .validationFailure)
            }
        }
    }

    @Test("Each setting has one name, a line of help, and a default that it would accept itself")
    func definitions() throws {
        #expect(SettingsList.all.count == Mirror(reflecting: SettingsList.declared).children.count)
        #expect(Set(SettingsList.all.map(\.name)).count == SettingsList.all.count)
        #expect(Set(SettingsList.all.map(\.environmentName)).count == SettingsList.all.count)
        for setting in SettingsList.all {
            #expect(setting.name.wholeMatch(of: /[a-z]+(-[a-z]+)*/) != nil, "\(setting.name)")
            #expect(!setting.help.isEmpty && !setting.help.contains("\n"), "\(setting.name)")
            guard !setting.shownDefault.text.isEmpty else { continue }
            let settings = try settings(flags: [setting.name: setting.shownDefault.text])
            #expect(settings.entries.first { $0.definition.name == setting.name }?.shown == setting.shownDefault, "\(setting.name)")
        }
    }

    @Test("Where nothing is set, every part of the service is given its own defaults")
    func partsOfTheService() throws {
        func members(_ value: Any) -> String {
            var text = ""
            dump(value, to: &text)
            return text
        }
        let settings = try settings()
        let http = HTTPConfiguration()
        #expect(members(HTTPConfiguration(settings, connectionsMax: http.connections.connectionsMax)) == members(http))
        let metrics = NOOPMetricsHandler.instance
        var storage = Storage.Configuration(settings, metrics: metrics, clock: .system)
        #expect(storage.version != nil)
        storage.version = nil
        #expect(members(storage) == members(Storage.Configuration(directory: FileManager.default.currentDirectoryPath + "/data")))
        #expect(members(GuardedImageFetcher.Configuration(settings)) == members(GuardedImageFetcher.Configuration()))
        #expect(LeasePolicy(settings) == LeasePolicy())
    }

    @Test("What depends on the terminal is told in words, and as it is in force")
    func terminal() throws {
        let settings = try settings()
        let isTerminal = isatty(STDERR_FILENO) == 1
        #expect(settings.logFormat == (isTerminal ? .text : .json))
        #expect(settings.drainSeconds == (isTerminal ? 0 : 5))
        let help = ServeCommand.helpMessage(columns: 1_000)
        #expect(help.contains("(PERSONAS_LOG_FORMAT, default text where standard error is a terminal, else json)"))
        #expect(help.contains("(PERSONAS_DRAIN_SECONDS, default 0 where standard error is a terminal, else 5)"))
        let rows = ConfigCommand.rows(settings)
        let row = try #require(rows.first { $0.name == "log-format" })
        #expect(row.value == .text(isTerminal ? "text" : "json") && row.source == .default)
        for seconds in ["-1", "601", "soon"] { #expect(throws: Failure.self) { try self.settings(flags: ["drain-seconds": seconds]) } }
        #expect(try self.settings(flags: ["drain-seconds": "600"]).drainSeconds == 600)
    }

    @Test("A training of the demo takes from no time to an hour")
    func demoTraining() throws {
        #expect(try settings().demoTrainingDuration == .seconds(20))
        #expect(try settings(environment: ["PERSONAS_DEMO_TRAINING_SECONDS": "0"]).demoTrainingDuration == .zero)
        #expect(try settings(file: #"{"demo-training-seconds": 3600}"#).demoTrainingDuration == .seconds(3_600))
        for seconds in ["-1", "3601", "1.5"] {
            #expect(throws: Failure.self) { try settings(flags: ["demo-training-seconds": seconds]) }
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
        #expect(port["variable"] as? String == "PERSONAS_PORT")
        #expect(list.first { $0["name"] as? String == "migrate" }?["value"] as? Bool == true)
        #expect(list.first { $0["name"] as? String == "public-url" }?["value"] is NSNull)
    }

    @Test(
        "A payment service takes an address, a secret, and credits that are on; what is missing is named",
        arguments: [
            (["payment-url": "https://pay.example/"], "payment-url", "means nothing without --credits on"),
            (["payment-secret": secret], "payment-secret", "means nothing without --credits on"),
            (["payment-url": "https://pay.example/", "payment-secret": secret], "payment-url", "means nothing without --credits on"),
            (
                ["credits": "on", "payment-url": "https://pay.example/"], "payment-secret",
                "is missing: payment-url takes the secret that requests are signed with"
            ),
            (["credits": "on", "payment-secret": secret], "payment-url", "is missing: payment-secret is of no use without it"),
        ])
    func payments(flags: [String: String], setting: String, reason: String) throws {
        let settings = try settings(flags: flags)
        #expect(throws: Failure.configuration(setting: setting, reason: reason)) { try HTTPPaymentService.Configuration(settings) }
    }

    private static let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

    @Test("A payment service is there where all of it is given, and the secret is shown nowhere")
    func paymentService() throws {
        #expect(try HTTPPaymentService.Configuration(settings()) == nil)
        #expect(try HTTPPaymentService.Configuration(settings(flags: ["credits": "on"])) == nil)
        let all = try settings(
            flags: ["credits": "on", "payment-url": "http://localhost:8090/top-ups"], environment: ["PERSONAS_PAYMENT_SECRET": Self.secret])
        let configuration = try #require(try HTTPPaymentService.Configuration(all))
        #expect(configuration.secret.text == Self.secret && configuration.url == PaymentURL("http://localhost:8090/top-ups"))
        #expect(SettingsList.declared.paymentSecret.definition.isSecret)
        for short in ["whsec_", "whsec_AAAA", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!", "whsec_\(String(repeating: "A", count: 88))"] {
            #expect(throws: Failure.self) { try settings(flags: ["payment-secret": short]) }
        }
        #expect(throws: Failure.self) { try settings(flags: ["payment-url": "http://pay.example/"]) }
    }
}
