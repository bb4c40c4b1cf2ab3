import Foundation
import NIOHTTP1
import TestFal
import TestImages
import TestSupport
import Testing

/// Training at fal, as clients see it, with a fal of the tests.
@Suite("Training at fal", .timeLimit(.minutes(10)))
struct FalEndToEndTests {
    @Test("fal is given the item once, and its webhook completes it with the portrait that fal has made")
    func webhook() async throws {
        try await FalStage.run { test in
            let service = try await test.serve()
            let client = test.client(service)
            let created = try await client.create(
                name: "Nova", seed: 3, members: ["special_instructions": "A \"quoted\" word\nand {{name}}."])
            let request = try await test.request()
            #expect(request.path == "/acme/portrait")
            #expect(request.authorization == "Key \(FalStage.key)")
            let input = try JSONValue(parsing: request.input.utf8)
            #expect(input["prompt"] == "Nova: A \"quoted\" word\nand {{name}}.")
            #expect(request.input.contains("\"steps\": 1.0"))
            let sent = Picture.three(seed: 3)
            for (index, url) in (input["images"]?.array ?? []).enumerated() {
                #expect(try await service.client().get(try #require(url.string)).body == sent[index])
            }
            #expect(input["images"]?.array?.count == 3)
            #expect(try await client.get("/v2/personas/\(created.id)").json["status"] == "processing")
            test.fal.finish(request.id, test.result())
            try await test.fal.deliver(request.id)
            let item = try await client.trained(created.id)
            #expect(item["status"] == "completed")
            #expect(try await service.client().get(try #require(item["portrait_url"]?.string)).body == Picture.png(seed: 77))
            // Once more, and late.
            #expect(try await test.fal.sendWebhook(of: request.id) == 200)
            test.fal.finish(request.id, .failed(status: 500, body: "{}", error: "late"))
            #expect(try await test.fal.sendWebhook(of: request.id) == 200)
            #expect(try await client.get("/v2/pikzonality/\(created.id)").json == item)
            #expect(test.fal.arrivals == 1)
            #expect(try await service.stop() == .status(0))
            let log = service.process.standardError
            for secret in ["fal-secret", "token=", "portrait.png"] { #expect(!log.contains(secret)) }
        }
    }

    @Test("Without a webhook fal is asked, and an answer in time is enough")
    func polling() async throws {
        try await FalStage.run { test in
            let service = try await test.serve(pollSeconds: 1)
            let client = test.client(service)
            let id = try await client.create("style", name: "Paper").id
            let request = try await test.request()
            try await eventually("questions") { (test.fal.requests.first?.questions ?? 0) >= 2 }
            test.fal.finish(request.id, .running)
            test.fal.finish(request.id, test.result())
            #expect(try await client.trained(id)["status"] == "completed")
            #expect(test.fal.arrivals == 1)
        }
    }

    /// What fal reports, and what clients see of it.
    private static let reports: [(standing: FakeFal.Standing, code: String, words: String)] = [
        (
            .failed(
                status: 422,
                body: #"{"detail":[{"loc":["body","image"],"msg":"No face was found\u0007 in the image","type":"value_error"}]}"#,
                error: "Invalid status code: 422"),
            "GENERATION_REJECTED", "The generation provider refused the input: No face was found\u{fffd} in the image"
        ),
        (
            .failed(status: 422, body: #"{"detail":"The picture is too dark"}"#, error: "Invalid status code: 422"), "GENERATION_REJECTED",
            "The generation provider refused the input: The picture is too dark"
        ),
        (
            .failed(status: 504, body: #"{"detail":"Gateway Timeout"}"#, error: "Invalid status code: 504"), "FAL_TIMEOUT",
            "The generation provider did not finish in time"
        ),
        (
            .failed(status: 500, body: #"{"detail":"Internal Server Error"}"#, error: "Invalid status code: 500"), "FAL_ERROR",
            "The generation provider reported an error: Invalid status code: 500"
        ),
        (
            .failed(status: 403, body: #"{"detail":"Exhausted balance"}"#, error: "Your credit balance is exhausted"), "FAL_ERROR",
            "The generation provider reported an error"
        ),
        (.completed(#"{"images":[]}"#), "FAL_ERROR", "The generation provider reported an error: the result has no portrait"),
    ]

    @Test("What fal reports is told in its code and in words that are safe", arguments: 0..<reports.count, [true, false])
    func failures(index: Int, byWebhook: Bool) async throws {
        let failure = Self.reports[index]
        try await FalStage.run { test in
            let service = try await test.serve(pollSeconds: byWebhook ? 3_600 : 1)
            let client = test.client(service)
            let id = try await client.create(name: "Unlucky").id
            let request = try await test.request()
            test.fal.finish(request.id, failure.standing)
            if byWebhook { try await test.fal.deliver(request.id) }
            let item = try await client.trained(id)
            #expect(item["error"]?["code"]?.string == failure.code)
            #expect(item["message"]?.string == failure.words)
            #expect(test.fal.requests.first?.cancellations == 0)
        }
    }

    @Test("A portrait that cannot be had is DOWNLOAD_FAILED, after some attempts")
    func downloads() async throws {
        try await FalStage.run(portrait: { $0 == "/page" ? .content(Array("<html>".utf8), type: "text/html") : .content([], status: 404) })
        {
            test in
            let service = try await test.serve()
            let client = test.client(service)
            for (index, path) in ["/page", "/missing"].enumerated() {
                let id = try await client.create(name: "Item \(index)").id
                let request = try await test.request(index + 1)
                test.fal.finish(request.id, test.result(path))
                try await test.fal.deliver(request.id)
                let item = try await client.trained(id)
                #expect(item["error"]?["code"] == "DOWNLOAD_FAILED")
                #expect(item["message"]?.string?.hasPrefix("The portrait from the generation provider ") == true)
                #expect(test.portraits.paths.count { $0 == path } == 3)
            }
        }
    }

    @Test(
        "Where fal did not take the item it is sent again; where that is not certain, never",
        arguments: [
            (FakeFal.Reply.refuse(status: 429), 2), (.refuse(status: 409), 2), (.refuse(status: 503, retryAfter: 1), 2),
            (.acceptAs(status: 504), 1), (.acceptAs(status: 503), 1), (.acceptAs(status: 200, body: "no JSON"), 1),
            (.acceptAs(status: 500), 1),
        ])
    func submits(first: FakeFal.Reply, arrivals: Int) async throws {
        try await FalStage.run(reply: { $0 == 0 ? first : .accept }) { test in
            let service = try await test.serve()
            let client = test.client(service)
            let id = try await client.create(name: "Once").id
            let request = try await test.request()
            if arrivals == 1 {
                let doubt = "fal did not say whether it has a request, which is not sent again; a webhook or FAL_TIMEOUT ends it"
                try await eventually("the doubt") { !service.log(doubt).isEmpty }
            }
            test.fal.finish(request.id, test.result())
            try await test.fal.deliver(request.id)
            #expect(try await client.trained(id)["status"] == "completed")
            #expect(test.fal.arrivals == arrivals)
        }
    }

    @Test("What fal refuses at once fails at once", arguments: [(422, "GENERATION_REJECTED"), (401, "FAL_ERROR"), (404, "FAL_ERROR")])
    func refusals(status: Int, code: String) async throws {
        let body = #"{"detail":[{"loc":["body"],"msg":"field required"}]}"#
        try await FalStage.run(reply: { _ in .refuse(status: status, body: body) }) { test in
            let client = test.client(try await test.serve())
            let item = try await client.trained(try await client.create(name: "Refused").id)
            #expect(item["error"]?["code"]?.string == code)
            #expect(item["message"]?.string?.hasSuffix(": field required") == (status == 422))
            #expect(test.fal.arrivals == 1)
        }
    }

    @Test("What fal does not finish in time is FAL_TIMEOUT and called off; a retry is another request")
    func timeouts() async throws {
        try await FalStage.run { test in
            let service = try await test.serve(pollSeconds: 1, timeoutSeconds: 3)
            let client = test.client(service)
            let id = try await client.create(name: "Late").id
            let item = try await client.trained(id)
            #expect(item["error"]?["code"] == "FAL_TIMEOUT")
            try await eventually("the cancellation") { test.fal.requests.first?.cancellations == 1 }
            #expect(try await client.send(.POST, "/v2/personas/\(id)/retry").status == 200)
            let second = try await test.request(2)
            #expect(second.webhookURL != test.fal.requests.first?.webhookURL)
            // What comes late of the first is nobody's any more.
            let first = try #require(test.fal.requests.first)
            test.fal.finish(first.id, test.result())
            try await test.fal.deliver(first.id)
            #expect(try await client.get("/v2/personas/\(id)").json["status"] == "processing")
            test.fal.finish(second.id, test.result())
            try await test.fal.deliver(second.id)
            #expect(try await client.trained(id)["status"] == "completed")
        }
    }

    @Test("Whoever cancels or deletes an item has fal stop, too")
    func cancellations() async throws {
        try await FalStage.run { test in
            let service = try await test.serve()
            let client = test.client(service)
            let cancelled = try await client.create(name: "Cancelled").id
            _ = try await test.request()
            try await test.accepted(service)
            #expect(try await client.send(.POST, "/v2/personas/\(cancelled)/cancel").status == 200)
            try await eventually("the cancellation") { test.fal.requests.first?.cancellations == 1 }
            let deleted = try await client.create(name: "Deleted").id
            _ = try await test.request(2)
            try await test.accepted(service, 2)
            #expect(try await test.stage.command("delete", deleted, "--force").exit == .status(0))
            try await eventually("the cancellation") { test.fal.requests.last?.cancellations == 1 }
            #expect(try await client.get("/v2/personas/\(cancelled)").json["error"]?["code"] == "CANCELLED")
            #expect(try await client.get("/v2/personas/\(deleted)").status == 404)
        }
    }

    @Test("Webhooks that are not fal's, or not of now, change nothing; new keys of fal are learnt")
    func signatures() async throws {
        try await FalStage.run { test in
            let service = try await test.serve()
            let client = test.client(service)
            let id = try await client.create(name: "Signed").id
            let request = try await test.request()
            test.fal.finish(request.id, test.result())
            let now = Int(Date().timeIntervalSince1970)
            let names = ["Request-Id", "User-Id", "Timestamp", "Signature"].map { "X-Fal-Webhook-\($0)" }
            for name in names { #expect(try await test.fal.sendWebhook(of: request.id, changes: [name: nil]) == 400) }
            #expect(try await test.fal.sendWebhook(of: request.id, at: now - 400) == 400)
            #expect(try await test.fal.sendWebhook(of: request.id, at: now + 400) == 400)
            let unknown = "\(service.address)/v2/training/fal/webhook?token=\(String(repeating: "0", count: 32))"
            for target in [unknown, "\(service.address)/v2/training/fal/webhook", unknown + "x"] {
                #expect(try await client.post(target, [:]).code == "NOT_FOUND")
            }
            #expect(try await client.get("/v2/personas/\(id)").json["status"] == "processing")
            #expect(try await test.stage.command("maintenance", "on").exit == .status(0))
            test.fal.rotateKeys()
            try await test.fal.deliver(request.id)
            #expect(try await test.stage.command("maintenance", "off").exit == .status(0))
            #expect(try await client.trained(id)["status"] == "completed")
            let other = try #require(try test.fal.headers(of: request.id, body: "{}").last)
            #expect(try await test.fal.sendWebhook(of: request.id, changes: [other.0: other.1]) == 400)
        }
    }

    @Test("Settings that are missing or cannot be are named before anything is opened, with exit code 78")
    func settings() async throws {
        try await FalStage.run { test in
            try test.stage.write(Array(#"{"prompt": "no place"}"#.utf8), to: "plain.json")
            let whole = test.flags()
            let faults: [(String, String?)] =
                ["fal-model", "fal-input", "fal-portrait-pointer", "public-url"].map { ($0, nil) } + [
                    ("fal-input", "\(test.stage.folder)/plain.json"), ("fal-input", "/no/such/file"), ("fal-model", "acme"),
                    ("fal-portrait-pointer", "images"), ("fal-queue-url", "ftp://a"), ("fal-key", "two words"),
                ]
            for (name, value) in faults {
                var flags = whole
                flags[name] = value
                let arguments = ["serve", "--port", "0", "--development-downloads"] + flags.flatMap { ["--\($0.key)", $0.value] }
                let result = try await test.stage.command(arguments, environment: ["PERSONAS_FAL_KEY": FalStage.key])
                #expect(result.exit == .status(78), "\(name)")
                #expect(result.error.contains("CONFIG_ERROR: \(name): "), "\(result.error)")
            }
            let arguments = ["serve", "--port", "0", "--development-downloads"] + whole.flatMap { ["--\($0.key)", $0.value] }
            let keyless = try await test.stage.command(arguments)
            #expect(keyless.exit == .status(78) && keyless.error.contains("CONFIG_ERROR: fal-key: is missing"))
            let plain = try await test.stage.command(
                arguments.filter { $0 != "--development-downloads" }, environment: ["PERSONAS_FAL_KEY": FalStage.key])
            #expect(plain.exit == .status(78) && plain.error.contains("https://"))
            #expect(!plain.error.contains("fal-secret") && !keyless.error.contains("fal-secret"))
        }
    }

    @Test("A server that is stopped waits a moment for an answer of fal, and not for a silent one")
    func stopping() async throws {
        try await FalStage.run(reply: { _ in .acceptInSilence }) { test in
            let service = try await test.serve()
            let client = test.client(service)
            let id = try await client.create(name: "Silent").id
            let request = try await test.request()
            #expect(try await service.stop(within: .seconds(25)) == .status(0))
            let again = try await test.serve()
            test.fal.finish(request.id, test.result())
            try await test.fal.deliver(request.id)
            #expect(try await test.client(again).trained(id)["status"] == "completed")
            #expect(test.fal.arrivals == 1)
        }
    }
}
