import CPostgreSQL
import Foundation
import Personas

/// How connections are made, and how long they wait.
struct PostgresSettings: Sendable, CustomStringConvertible {
    /// What libpq is told, by its keywords.
    private(set) var keywords: [String: String] = [:]
    /// Milliseconds that the answer to a statement may take before the connection counts as lost.
    var statementMillisecondsMax = 15_000
    /// The same for what may change or read any number of rows.
    var unboundedStatementMillisecondsMax = 60_000
    /// Milliseconds that a statement waits for a row or an account that another transaction has.
    var lockMillisecondsMax = 5_000
    /// Whether transactions may only read.
    var isReadOnly = false
    /// Whether what comes is searches, which are planned otherwise.
    var isScanning = false
    /// Whether statements are prepared by names that last as long as the connection. Without them a proxy can lend each transaction another one.
    var namesStatements = true

    /// Seconds that a connection may take to each host, where the text says nothing.
    private static let connectionSecondsMax = 5

    /// Takes the text that names the database: `postgres://user@a,b,c/name?…`, or words such as `host=a dbname=name`. What it is silent on is taken
    /// from libpq's environment variables, as everywhere with PostgreSQL.
    /// - Throws: `configuration` where libpq cannot read the text. What it says of it is told without what it quotes, of which a password may be a
    ///   part.
    init(_ text: String, environment: [String: String] = ProcessInfo.processInfo.environment) throws(Failure) {
        let library = try PostgresLibrary.open()
        var message: UnsafeMutablePointer<CChar>?
        guard let options = library.call.PQconninfoParse(text, &message) else {
            let reason = message.map { String(cString: $0) } ?? "it cannot be read"
            library.call.PQfreemem(message)
            throw .configuration(setting: "database", reason: Self.withoutQuotes(reason))
        }
        defer { library.call.PQconninfoFree(options) }
        var effective: [String: String] = [:]
        var option = UnsafePointer<PostgresOption>(options)
        while let keyword = option.pointee.keyword {
            let name = String(cString: keyword)
            if let value = option.pointee.value {
                keywords[name] = String(cString: value)
                effective[name] = keywords[name]
            } else if let variable = option.pointee.variable, let value = environment[String(cString: variable)] {
                effective[name] = value
            }
            option += 1
        }
        func add(_ name: String, _ value: String) {
            if effective[name] == nil { keywords[name] = value }
        }
        add("application_name", "personas")
        add("connect_timeout", "\(Self.connectionSecondsMax)")
        add("target_session_attrs", "read-write")
        if !Self.isLocal(effective) { add("sslmode", "verify-full") }
        keywords["client_encoding"] = "UTF8"
    }

    /// Where the database is, for the log: never the password.
    var description: String {
        ["host", "hostaddr", "port", "dbname", "user", "sslmode"].compactMap { name in keywords[name].map { "\(name)=\($0)" } }
            .joined(separator: " ")
    }

    /// Settings of connections that only read.
    var readOnly: PostgresSettings {
        var settings = self
        settings.isReadOnly = true
        return settings
    }

    /// Settings of the connection of the pulse, which nobody waits for: it is given up sooner than others, and made again.
    /// - Parameter answerMillisecondsMax: milliseconds that an answer may take.
    func ofPulse(answerMillisecondsMax: Int) -> PostgresSettings {
        var settings = self
        settings.statementMillisecondsMax = answerMillisecondsMax
        settings.lockMillisecondsMax = answerMillisecondsMax
        // The shortest that libpq knows.
        settings.keywords["connect_timeout"] = "2"
        return settings
    }

    /// What the server is told to give up after: a little earlier than this side does, so that the connection outlives a slow statement.
    static func serverMilliseconds(of milliseconds: Int) -> Int { max(1, milliseconds - milliseconds / 10) }

    /// Whether every way to the database stays on this machine.
    private static func isLocal(_ settings: [String: String]) -> Bool {
        // What a service file names is not known here.
        guard settings["service"] == nil else { return false }
        let named = settings["hostaddr"].flatMap { $0.isEmpty ? nil : $0 } ?? settings["host"] ?? ""
        return named.split(separator: ",", omittingEmptySubsequences: false).allSatisfy { host in
            host.isEmpty || host.hasPrefix("/") || host.hasPrefix("@") || host == "localhost" || host == "::1"
                || host.wholeMatch(of: /127\.\d+\.\d+\.\d+/) != nil
        }
    }

    /// libpq's words without what stands between the first quotation mark and the last.
    private static func withoutQuotes(_ message: String) -> String {
        let line = message.replacing("\n", with: " ").trimmingCharacters(in: .whitespaces)
        guard let first = line.firstIndex(of: "\""), let last = line.lastIndex(of: "\"") else { return line }
        return line[..<first] + "\"…\"" + line[last...].dropFirst()
    }
}
