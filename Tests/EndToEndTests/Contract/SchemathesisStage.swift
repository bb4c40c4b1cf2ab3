import Foundation
import TestImages
import TestSupport
import Testing

/// A service with all that Schemathesis needs to call it: keys of two accounts, images to fetch, an image to look at.
struct SchemathesisStage: Sendable {
    let stage: Stage
    let service: RunningService
    private let keys: String
    private let imageURL: String
    private let mediaToken: String

    /// Starts a service of its own.
    static func run(trainer: String, _ body: @escaping @Sendable (SchemathesisStage) async throws -> Void) async throws {
        try await LocalImageServer.run { _ in
            .content(Picture.png())
        } _: { images in
            try await Stage.run { stage in
                let (keys, reader) = try await accounts(stage)
                let service = try await stage.serve(
                    // A payment service that is not there, so that Smart Balance can be asked for.
                    "--trainer", trainer, "--development-downloads", "--credits", "on", "--payment-url", "http://127.0.0.1:1/",
                    "--payment-secret", "whsec_\(String(repeating: "A", count: 32))")
                let list = try await service.client(reader).get("/v2/personas")
                let portrait = try #require(list.json["data"]?[0]?["portrait_url"]?.string, "\(list.text)")
                try await body(
                    SchemathesisStage(
                        stage: stage, service: service, keys: keys, imageURL: images.url("/image.png"),
                        mediaToken: String(try #require(portrait.split(separator: "/").last))))
                #expect(try await service.stop() == .status(0))
            }
        }
    }

    /// Runs Schemathesis to its end.
    /// - Parameters:
    ///   - address: what it calls; by default the service itself.
    ///   - limit: until it has come to an end, which it does some time after it has begun its last round.
    func schemathesis(_ arguments: [String], at address: String? = nil, within limit: Duration) async throws -> CommandResult {
        let process = try stage.start(
            program: try TestTools.path(of: "st"),
            [
                "--config-file", "\(TestTools.tests)/Contract/schemathesis.toml", "run", "\(TestTools.tests)/../http/openapi.json",
                "--url", address ?? service.address, "--checks", "all",
            ] + arguments,
            environment: [
                "PYTHONPATH": "\(TestTools.tests)/Contract", "PYTHONDONTWRITEBYTECODE": "1", "PERSONAS_KEYS": keys,
                "PERSONAS_IMAGE_URL": imageURL, "PERSONAS_MEDIA_TOKEN": mediaToken,
            ])
        return try await CommandResult(of: process, ["st"] + arguments, within: limit)
    }

    /// Starts a program that passes every request on to the service, and does one thing wrong.
    /// - Returns: where it listens.
    func plant(_ fault: String) async throws -> String {
        let process = try stage.start(
            program: try TestTools.path(of: "python"), ["\(TestTools.tests)/Contract/planted.py", fault, service.address],
            environment: ["PYTHONDONTWRITEBYTECODE": "1"])
        return try await eventually("the address of the planted fault", detail: { process.standardError }) {
            process.standardOutput.split(separator: "\n").first.map(String.init)
        }
    }

    /// Makes the accounts: two whose keys Schemathesis has, and one whose item it can see the images of, and never delete.
    private static func accounts(_ stage: Stage) async throws -> (keys: String, reader: Key) {
        let own = try await stage.key(account: "one", scopes: "read,write,trainer,billing")
        let peer = try await stage.key(account: "two")
        let users: [JSONValue] = [("one", own), ("two", peer)].map { name, key in
            ["name": .string(name), "fixedHeaders": [["name": "X-Api-Key", "value": .string(key.secret)]]]
        }
        try stage.write(JSONValue.object(["auth": .array(users)]).bytes, to: "keys.json")
        for account in ["one", "two"] {
            // More than any run can use up, so that nothing is refused for want of them.
            #expect(try await stage.command("credits", "grant", account, "1000000000").exit == .status(0))
        }
        let seeded = try await stage.seed(
            [
                "accounts": [["name": "three"]],
                "personas": [["account": "three", "name": "Seen", "images": ["a.png", "a.png", "a.png"], "outcome": "completed"]],
            ], images: ["a.png": Picture.png()])
        try #require(seeded.exit == .status(0), "\(seeded)")
        return ("\(stage.folder)/keys.json", try await stage.key(account: "three"))
    }
}
