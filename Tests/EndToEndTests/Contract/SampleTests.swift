import Foundation
import TestSupport
import Testing

/// The requests of `http/samples`, against the service and against the document.
@Suite("Samples")
struct SampleTests {
    @Test("Every request is answered as it says", arguments: try RequestFile.names())
    func run(name: String) async throws {
        let file = try RequestFile(name)
        try await Stage.run { stage in
            // A payment service that is not there: none of the samples waits for it.
            let secret = "whsec_\(String(repeating: "A", count: 32))"
            let credits = ["--credits", "on", "--payment-url", "http://127.0.0.1:1/", "--payment-secret", secret]
            let service = try await stage.serve(
                ["--trainer", name == "training.http" ? "worker" : "embedded"] + (name == "credits.http" ? credits : []))
            let full = try await stage.key(account: "full").secret
            #expect(try await stage.command("accounts", "quota", "full", "--items", "0").exit == .status(0))
            let key = try await stage.key().secret
            #expect(try await stage.command("credits", "grant", "acme", "100").exit == .status(0))
            var run = RequestFileRun(
                file,
                variables: [
                    "host": service.address, "key": key,
                    "readKey": try await stage.key(scopes: "read").secret, "trainerKey": try await stage.key(scopes: "trainer").secret,
                    "fullKey": full, "poorKey": try await stage.key(account: "poor").secret,
                    "billingKey": try await stage.key(scopes: "read,billing").secret,
                ])
            for request in file.requests {
                let answer = try await run.send(request)
                #expect(answer.status == request.expectedStatus, "\(name), \(request.title): \(answer.text.prefix(500))")
                guard answer.status >= 400, request.method != "HEAD" else { continue }
                #expect(answer.code == request.expectedCode, "\(name), \(request.title)")
            }
        }
    }

    @Test("Every call of the document is among them, and each expects what the document has")
    func coverage() throws {
        let data = try Data(contentsOf: URL(fileURLWithPath: TestTools.tests + "/../http/openapi.json"))
        let document = try JSONValue(parsing: data)
        guard case .object(let paths)? = document["paths"] else { throw RequestFile.Malformed(description: "there are no paths") }
        var operations: [String: (method: String, path: String, statuses: Set<String>)] = [:]
        for (path, item) in paths {
            for method in item.names ?? [] where method != "parameters" {
                let operation = try #require(item[method])
                operations[try #require(operation["operationId"]?.string)] = (
                    method.uppercased(), path, operation["responses"]?.names ?? []
                )
            }
        }
        var asked: Set<String> = []
        for name in try RequestFile.names() {
            for request in try RequestFile(name).requests {
                let status = try #require(request.expectedStatus, "\(name), \(request.title): nothing is expected of it")
                guard let id = request.operation else { continue }
                let operation = try #require(operations[id], "\(name): there is no operation \(id)")
                #expect(operation.statuses.contains("\(status)"), "\(name), \(request.title)")
                #expect(operation.method == (request.method == "HEAD" ? "GET" : request.method), "\(name), \(request.title)")
                #expect(Self.isFor(operation.path, request.target), "\(name), \(request.title)")
                if status < 300 { asked.insert(id) }
            }
        }
        // The addresses of files of the pages stand in the pages alone, and nobody but fal can sign what fal reports.
        #expect(
            Set(operations.keys).subtracting(asked).sorted() == ["getAsset", "getConsoleAsset", "getConsoleView", "receiveFalWebhook"],
            "calls without a sample that succeeds")
    }

    /// Whether a target asks for a path of the document; that of an address which an earlier answer gave is not known.
    private static func isFor(_ path: String, _ target: String) -> Bool {
        let host = "{{host}}"
        guard target.hasPrefix(host) else { return true }
        let asked = target.dropFirst(host.count).prefix { $0 != "?" }.split(separator: "/")
        let known = path.split(separator: "/")
        return asked.count == known.count && zip(asked, known).allSatisfy { $0 == $1 || $1.hasPrefix("{") }
    }
}
