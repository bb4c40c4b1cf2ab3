import Foundation
import TestSupport
import Testing

/// The workflow for a public CI, which nothing here runs.
@Suite("The workflow")
struct WorkflowTests {
    private static let root = "\(TestTools.tests)/.."

    /// The workflow, read as YAML.
    private static func workflow() throws -> JSONValue {
        let script = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1])), default=str))"
        let text = try Program.output(try TestTools.path(of: "python"), ["-c", script, "\(root)/.github/workflows/ci.yml"])
        return try JSONValue(parsing: text.utf8)
    }

    private static func steps(of job: String) throws -> [JSONValue] {
        try #require(try workflow()["jobs"]?[job]?["steps"]?.array, "there is no job \(job)")
    }

    @Test("It runs .ci/run for every change, and the package waits for it")
    func test() throws {
        let runs = try Self.steps(of: "test").compactMap { $0["run"]?.string }
        #expect(runs.last == ".ci/run")
        #expect(try Self.workflow()["jobs"]?["package"]?["needs"] == "test")
        // YAML 1.1 reads the word `on` as true.
        guard case .object(let events)? = try Self.workflow()["true"] else {
            Issue.record("it says not when it runs")
            return
        }
        #expect(events.keys.contains("pull_request") && events.keys.contains("push"))
    }

    @Test("Its scripts can be run, its actions have versions, and it may only read", arguments: ["test", "package"])
    func steps(of job: String) throws {
        for step in try Self.steps(of: job) {
            if let script = step["run"]?.string, script.hasPrefix(".ci/") {
                let path = "\(Self.root)/\(script.prefix { $0 != " " })"
                #expect(FileManager.default.isExecutableFile(atPath: path), "\(script) cannot be run")
            }
            if let action = step["uses"]?.string { #expect(action.contains(/@v\d+$/), "\(action) has no version") }
        }
        #expect(try Self.workflow()["permissions"] == ["contents": "read"])
    }
}
