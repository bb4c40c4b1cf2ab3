import Personas
import TestSupport
import Testing

/// What a script of `Tests/Browser` saw.
struct BrowserReport: Sendable {
    /// Seconds in which a script ends by itself, whatever it meets, and says where it was.
    private static let scriptSecondsMax = 150 * timeoutFactor
    /// Browsers at once: each is a dozen processes.
    fileprivate static let places = AsyncSemaphore(count: 1)

    /// One thing that was looked at.
    struct Check: Sendable {
        let name: String
        let isMet: Bool
        /// What was seen instead.
        let detail: String
    }

    let checks: [Check]

    /// Takes apart what a script wrote.
    fileprivate init(_ result: CommandResult) throws {
        try #require(result.exit == .status(0), "\(result)")
        checks = try #require(result.json["checks"]?.array, "\(result)").map { check in
            Check(
                name: try #require(check["name"]?.string), isMet: check["met"] == true, detail: try #require(check["detail"]?.string))
        }
    }

    /// Expects that everything was found as it has to be, and that something was looked at.
    func expectAll(sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(!checks.isEmpty, sourceLocation: sourceLocation)
        for check in checks { #expect(check.isMet, "\(check.name): \(check.detail)", sourceLocation: sourceLocation) }
    }

    /// Runs a script in a process of a stage.
    fileprivate init(of script: String, on stage: Stage, _ input: [String: JSONValue]) async throws {
        var input = input
        input["browser"] = .string(TestTools.browser)
        // A key is nothing for a command line.
        let name = "\(script).json"
        try stage.write(JSONValue.object(input).bytes, to: name)
        let arguments = ["\(TestTools.tests)/Browser/\(script).py", "\(stage.folder)/\(name)", "\(Self.scriptSecondsMax)"]
        // What Python compiles and what the browser stores goes where it is taken away.
        let environment = ["TMPDIR": stage.folder, "PYTHONDONTWRITEBYTECODE": "1"]
        let process = try stage.start(program: try TestTools.path(of: "python"), arguments, environment: environment)
        try self.init(
            try await CommandResult(of: process, arguments, within: .seconds(Self.scriptSecondsMax + 20)))
    }
}

extension Stage {
    /// Runs a script of `Tests/Browser` to its end, when it is its turn.
    /// - Parameters:
    ///   - script: the name of its file.
    ///   - input: what it has to know, beside where the browser is.
    func browse(_ script: String, _ input: [String: JSONValue]) async throws -> BrowserReport {
        guard await BrowserReport.places.enter() == .admitted else { throw CancellationError() }
        defer { BrowserReport.places.leave() }
        return try await BrowserReport(of: script, on: self, input)
    }
}
