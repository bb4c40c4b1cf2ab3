import Foundation
import TestImages
import TestSupport
import Testing

/// `personas credits`, with the built program.
@Suite("Credits on the command line", .timeLimit(.minutes(5)))
struct CreditsEndToEndTests {
    private static let names: Set = ["id", "amount", "kind", "item_id", "note", "balance_after", "at"]

    @Test("Are given, taken and listed, beside a server and without one, and the audit says so")
    func ledger() async throws {
        try await Stage.run { stage in
            let key = try await stage.key(account: "studio")
            // Without a server, and whatever it will be set to.
            let granted = try await stage.command("credits", "grant", "studio", "100", "--note", "Welcome", "--json")
            #expect(granted.exit == .status(0) && granted.error == "", "\(granted)")
            #expect(granted.json.names == Self.names, "\(granted)")
            #expect(granted.json["amount"]?.integer == 100 && granted.json["kind"] == "grant" && granted.json["note"] == "Welcome")
            #expect(granted.json["balance_after"]?.integer == 100 && granted.json["item_id"] == .null)

            let service = try await stage.serve("--credits", "on", "--persona-price", "7", "--trainer", "worker", "--log-format", "json")
            let answer = try await service.client(key).create(name: "Nova")
            #expect(answer.header("X-Credits-Remaining") == "93")
            let revoked = try await stage.command("credits", "revoke", "studio", "3")
            #expect(revoked.exit == .status(0) && revoked.error == "", "\(revoked)")
            #expect(revoked.output.hasPrefix("AT ") && revoked.output.contains("  revoke  -3      90"), "\(revoked)")
            #expect(try await service.client(key).get("/v2/credits").json["balance"]?.integer == 90)
            // The log is written beside the answers.
            #expect(
                await comesTrue {
                    service.log("audit").map { [$0["action"]?.string, $0["target"]?.string] } == [["credits.revoke", "studio 3"]]
                })
            let beside = [
                try await stage.command("credits", "balance", "studio"), try await stage.command("credits", "balance", "studio", "--json"),
                try await stage.command("credits", "entries", "studio"), try await stage.command("credits", "entries", "studio", "--json"),
            ]
            #expect(beside[0].output == "ACCOUNT  BALANCE  THRESHOLD  AMOUNT  STATUS  REASON\nstudio   90\n", "\(beside[0])")
            #expect(
                beside[1].json == [
                    "account": "studio", "balance": 90, "threshold": .null, "amount": .null, "status": .null, "paused_reason": .null,
                ], "\(beside[1])")
            #expect(beside[3].json.array?.map { $0["kind"]?.string } == ["revoke", "charge", "grant"], "\(beside[3])")
            let id = try answer.id
            #expect(beside[3].json[1]?["item_id"]?.string == id && beside[3].json[0]?.names == Self.names)
            #expect(try await service.stop() == .status(0))
            for result in beside {
                let alone = try await stage.command(result.arguments)
                #expect(alone.output == result.output && alone.exit == .status(0), "\(alone)")
            }
            let audit = try await stage.command("audit", "--json").json.array ?? []
            let said = audit.filter { $0["action"]?.string?.hasPrefix("credits.") == true }.map { $0["target"]?.string }
            #expect(said == ["studio 3", "studio 100"])
        }
    }

    @Test("Are listed in parts")
    func parts() async throws {
        try await Stage.run { stage in
            _ = try await stage.key(account: "studio")
            for amount in ["1", "2", "3"] { _ = try await stage.command("credits", "grant", "studio", amount) }
            let part = try await stage.command("credits", "entries", "studio", "--limit", "2")
            let more = try #require(part.error.firstMatch(of: /There is more: (--cursor) (\d+)\n/), "\(part)")
            #expect(part.output.contains(" 3       6") && !part.output.contains(" 1       1"), "\(part)")
            let rest = try await stage.command("credits", "entries", "studio", String(more.output.1), String(more.output.2), "--json")
            #expect(rest.json.array?.map { $0["amount"]?.integer } == [1] && rest.error == "", "\(rest)")
            #expect(try await stage.command("credits", "entries", "studio", "--cursor", "1", "--json").json == [])
        }
    }

    @Test("Fail in the same words beside a server and without one, and change nothing then")
    func failures() async throws {
        try await Stage.run { stage in
            _ = try await stage.key(account: "studio")
            _ = try await stage.command("credits", "grant", "studio", "5")
            let most = "\(1_000_000_000_000)"
            let failures: [(arguments: [String], status: Int32, words: String)] = [
                (["credits", "revoke", "studio", "6"], 1, "CONFLICT: the account has 5 credits, and no balance is below 0"),
                (["credits", "grant", "nobody", "1"], 1, "NOT_FOUND: there is no account \"nobody\""),
                (["credits", "balance", "nobody"], 1, "NOT_FOUND: there is no account \"nobody\""),
                (["credits", "entries", "nobody"], 1, "NOT_FOUND: there is no account \"nobody\""),
                (["credits", "grant", "studio", "-5"], 64, "<AMOUNT>"), (["credits", "grant", "studio"], 64, "<AMOUNT>"),
                (["credits", "grant", "studio", "1\(most)"], 64, "INVALID_AMOUNT: AMOUNT must be a whole number from 1 to \(most)"),
                (["credits", "grant", "studio", "٣"], 64, "INVALID_AMOUNT"),
                (["credits", "grant", "studio", "1", "--note", String(repeating: "a", count: 201)], 64, "--note must have 1 to 200"),
            ]
            for isServed in [false, true] {
                let service = isServed ? try await stage.serve() : nil
                for (arguments, status, words) in failures {
                    let result = try await stage.command(arguments)
                    #expect(result.exit == .status(status) && result.output == "" && result.error.contains(words), "\(result)")
                }
                #expect(try await stage.command("credits", "balance", "studio", "--json").json["balance"]?.integer == 5)
                if let service { #expect(try await service.stop() == .status(0)) }
            }
        }
    }

    @Test("Are given without a server also where a part of its settings for payments is at hand, with which no server starts")
    func partOfSettings() async throws {
        try await Stage.run { stage in
            let environment = ["PERSONAS_PAYMENT_SECRET": "whsec_\(String(repeating: "A", count: 32))"]
            _ = try await stage.key(account: "studio")
            let granted = try await stage.command("credits", "grant", "studio", "5", environment: environment)
            #expect(granted.exit == .status(0) && granted.error == "", "\(granted)")
            let served = try await stage.command("serve", "--port", "0", environment: environment)
            #expect(served.exit == .status(78) && served.error.contains("payment-secret"), "\(served)")
        }
    }

    @Test("The demo has some where they are needed, once, and its lines work; a setting that is none is told")
    func demo() async throws {
        try await Stage.run { stage in
            for _ in 1...2 {
                let service = try await stage.serve("--demo", "--credits", "on", "--demo-training-seconds", "0")
                let key = try #require(service.process.standardOutput.firstMatch(of: /export KEY=(pkz_[0-9A-Za-z]{38})/)).output.1
                let client = Client(base: service.address, key: String(key))
                #expect(try await client.get("/v2/credits").json["balance"]?.integer == 100)
                #expect(try await client.get("/v2/credits/entries").json["data"]?.array?.count == 1)
                #expect(try await service.stop() == .status(0))
            }
            for (name, value) in [("credits", "yes"), ("persona-price", "-1"), ("style-price", "1000000000001")] {
                let result = try await stage.command("serve", "--\(name)=\(value)")
                #expect(result.exit == .status(78) && result.error.contains(name), "\(result)")
            }
        }
    }

    @Test("The demo has enough of them, whatever a training costs")
    func demoPrices() async throws {
        try await Stage.run { stage in
            let service = try await stage.serve("--demo", "--credits", "on", "--style-price", "500", "--demo-training-seconds", "0")
            let key = try #require(service.process.standardOutput.firstMatch(of: /export KEY=(pkz_[0-9A-Za-z]{38})/)).output.1
            #expect(try await Client(base: service.address, key: String(key)).get("/v2/credits").json["balance"]?.integer == 50_000)
            #expect(try await service.stop() == .status(0))
        }
    }
}
