import Foundation
import GRDB
import NIOHTTP1
import Synchronization
import TestImages
import TestSupport
import Testing

/// Smart Balance with the built program and the payment service of `http/samples`, either of which dies now and then. `PERSONAS_KILLS` sets how often,
/// `PERSONAS_SEED` when.
@Suite("Smart Balance with a payment service", .timeLimit(.minutes(30)))
struct TopUpEndToEndTests {
    private static let kills = max(3, (ProcessInfo.processInfo.environment["PERSONAS_KILLS"].flatMap(Int.init) ?? 15) / 3)
    private static let seed = ProcessInfo.processInfo.environment["PERSONAS_SEED"].flatMap(UInt64.init) ?? 20_261_122

    /// An account that has credits bought, from a service that runs.
    fileprivate struct Scene {
        let stage: Stage
        let payments: SamplePayments
        let key: Key
        let billing: Key

        /// - Parameters:
        ///   - balance: what the account has to begin with.
        ///   - isSilent: whether the payment service never says what it has done.
        init(_ stage: Stage, balance: Int = 0, isSilent: Bool = false) async throws {
            self.stage = stage
            payments = try await SamplePayments(stage, isSilent: isSilent)
            key = try await stage.key()
            billing = try await stage.key(scopes: "billing")
            guard balance > 0 else { return }
            let granted = try await stage.command("credits", "grant", "acme", "\(balance)")
            try #require(granted.exit == .status(0), "\(granted)")
        }

        func serve(price: Int = 7) async throws -> RunningService {
            try await stage.serve(
                ["--credits", "on", "--persona-price", "\(price)", "--payment-url", payments.url],
                environment: ["PERSONAS_PAYMENT_SECRET": SamplePayments.secret])
        }

        func set(_ service: RunningService, threshold: Int, amount: Int) async throws {
            let answer = try await service.client(billing).send(
                .PUT, "/v2/credits/smart-balance", json: ["threshold": .integer(threshold), "amount": .integer(amount)])
            try #require(answer.status == 200, "\(answer.text)")
        }

        func balance(_ service: RunningService) async throws -> Int? {
            try await service.client(key).get("/v2/credits").json["balance"]?.integer
        }

        /// Waits until the service has asked the payment service, which stands still: while a connection is still being made, the client would
        /// by itself ask one that begins anew.
        func asking(_ service: RunningService) async throws {
            try await eventually("a question to the payment service", detail: { service.process.standardError }) {
                let metrics = try await service.client().get("/metrics").text
                return try metrics.contains("\npersonas_top_up_requests_in_flight 1")
                    && ConnectionList.unreadCount(port: payments.port) == 1
            }
        }

        /// The entries of the ledger that were bought.
        func bought(_ service: RunningService) async throws -> [JSONValue] {
            try await service.client(key).all("/v2/credits/entries").filter { $0["kind"] == "top_up" }
        }
    }

    @Test("What the sample has paid is credited, what it declines pauses, and a command resumes")
    func outcomes() async throws {
        try await Stage.run { stage in
            let scene = try await Scene(stage)
            let service = try await scene.serve()
            try await scene.set(service, threshold: 1, amount: 50)
            let first = try await service.client(scene.key).create(name: "Nova")
            #expect(first.header("X-Credits-Remaining") == "43")
            let entry = try #require(try await scene.bought(service).first)
            let id = try #require(try scene.payments.answers().keys.first)
            #expect(entry["amount"]?.integer == 50 && entry["note"]?.string == "bill \(id)")

            try await scene.set(service, threshold: 1, amount: 5_000)
            _ = try await stage.command("credits", "revoke", "acme", "43")
            let body: JSONValue = ["name": "Iris", "image_base64s": Picture.threeBase64(seed: 0)]
            let refused = try await service.client(scene.key).post("/v2/personas", body)
            #expect(refused.status == 402 && refused.code == "SMART_BALANCE_PAYMENT_FAILED", "\(refused.text)")
            let paused = try await stage.command("credits", "balance", "acme", "--json")
            #expect(paused.json["status"] == "paused", "\(paused)")
            #expect(paused.json["paused_reason"]?.string?.hasPrefix("declined: bill ") == true, "\(paused)")
            for _ in 0..<2 {
                let resumed = try await stage.command("credits", "resume", "acme", "--json")
                #expect(resumed.exit == .status(0) && resumed.json["status"] == "active" && resumed.error == "", "\(resumed)")
            }
            try await scene.set(service, threshold: 1, amount: 60)
            #expect(try await service.client(scene.key).create(name: "Iris").header("X-Credits-Remaining") == "53")
            #expect(try scene.payments.answers().values.sorted() == ["declined", "paid", "paid"])
            let audit = try await stage.command("audit", "--json").json.array ?? []
            #expect(audit.filter { $0["action"] == "credits.resume" }.map { $0["target"]?.string } == ["acme"], "only what was changed")
            let unknown = try await stage.command("credits", "resume", "nobody")
            #expect(unknown.exit == .status(1) && unknown.error.contains("NOT_FOUND"), "\(unknown)")

            // Who does not know the secret is not listened to.
            let stranger = Client(base: String(scene.payments.url.dropLast()))
            #expect(try await stranger.post("/", ["data": ["amount": .integer(1)]]).status == 401)
            let now = Int(Date.now.timeIntervalSince1970)
            let forged = [("webhook-id", "a"), ("webhook-timestamp", "\(now)"), ("webhook-signature", "v1,AAAA")]
            #expect(try await stranger.send(.POST, "/", json: ["data": ["amount": .integer(1)]], headers: forged).status == 401)
            #expect(try await service.stop() == .status(0))
            for text in [service.process.standardError, service.process.standardOutput] { #expect(!text.contains(SamplePayments.secret)) }
        }
    }

    @Test("Killed between the question and its outcome, the service asks again under the same id, and credits what was paid once")
    func killedService() async throws {
        try await Stage.run { stage in
            let silent = try await Scene(stage, balance: 10, isSilent: true)
            let first = try await silent.serve()
            try await silent.set(first, threshold: 5, amount: 50)
            #expect(try await first.client(silent.key).create(name: "Nova").header("X-Credits-Remaining") == "3")
            // Somebody has paid, and whoever asked does not know it.
            let id = try await eventually("the payment", detail: { first.process.standardError }) {
                try silent.payments.answers().keys.first
            }
            try await first.process.kill()
            try await silent.payments.process.kill()
            let scene = try await silent.restarted()
            for _ in 0..<2 {
                let next = try await scene.serve()
                try await eventually("the credits", detail: { next.process.standardError }) { try await scene.balance(next) == 53 }
                #expect(try await scene.bought(next).map { $0["note"]?.string } == ["bill \(id)"])
                try await next.process.kill()
            }
            #expect(try scene.payments.answers() == [id: "paid"])
            #expect(scene.payments.process.standardError.contains("\"POST / HTTP/1.1\" 200"), "nobody has asked again")
        }
    }

    @Test("A payment service that dies over a question is asked again once it is back, and a create that waits gets its credits")
    func killedPayments() async throws {
        try await Stage.run { stage in
            var scene = try await Scene(stage)
            let service = try await scene.serve()
            try await scene.set(service, threshold: 1, amount: 50)
            scene.payments.process.signal(SIGSTOP)
            let client = service.client(scene.key)
            async let created = client.create(name: "Nova")
            try await scene.asking(service)
            try await scene.payments.process.kill()
            scene = try await scene.restarted()
            #expect(try await created.header("X-Credits-Remaining") == "43")
            #expect(try scene.payments.answers().count == 1)
            #expect(try await scene.bought(service).count == 1)
            // Once for each reason: it was broken off, and found nobody for as long as the payment service was away.
            #expect(!service.log("the outcome of a top-up is not known; it is asked for again").isEmpty)
            #expect(try await service.stop() == .status(0))
        }
    }

    @Test("A server without the payment service says that questions are left open; the next one that has it asks them again")
    func withoutPayments() async throws {
        let words = "top-ups are open of which nobody knows whether somebody has paid; they are asked for again once payment-url is set"
        try await Stage.run { stage in
            let scene = try await Scene(stage, balance: 10)
            let first = try await scene.serve()
            try await scene.set(first, threshold: 5, amount: 50)
            scene.payments.process.signal(SIGSTOP)
            #expect(try await first.client(scene.key).create(name: "Nova").header("X-Credits-Remaining") == "3")
            try await scene.asking(first)
            try await first.process.kill()
            let second = try await stage.serve()
            #expect(second.log(words).count == 1, "\(second.process.standardError)")
            #expect(try await second.stop() == .status(0))
            scene.payments.process.signal(SIGCONT)
            let third = try await scene.serve()
            try await eventually("what was paid for") { try await scene.bought(third).count == 1 }
            #expect(third.log(words).isEmpty)
            #expect(try await third.stop() == .status(0))
        }
    }

    @Test("Killed at any moment, the service credits every top-up that was paid, each once")
    func kills() async throws {
        try await Stage.run { stage in
            let scene = try await Scene(stage)
            var random = SplitMix64(seed: Self.seed)
            let first = try await scene.serve(price: 1)
            try await scene.set(first, threshold: 2, amount: 3)
            try await first.process.kill()
            for round in 0..<Self.kills {
                let service = try await scene.serve(price: 1)
                let pause = Duration.milliseconds(.random(in: 100..<900, using: &random))
                await withTaskGroup(of: Void.self) { group in
                    for index in 0..<3 {
                        group.addTask {
                            // Until a call breaks, because the service is gone.
                            var number = 0
                            let client = service.client(scene.key)
                            while (try? await client.create(name: "I \(round) \(index) \(number)", seed: index)) != nil { number += 1 }
                        }
                    }
                    group.addTask {
                        try? await Task.sleep(for: pause)
                        service.process.signal(SIGKILL)
                    }
                }
                _ = try await service.process.exit()
            }
            let last = try await scene.serve(price: 1)
            let paid = try await eventually("the end of all top-ups", detail: { last.process.standardError }) { () -> Int? in
                let (paid, bought) = (try scene.payments.answers().count, try await scene.bought(last).count)
                return paid == bought ? paid : nil
            }
            let notes = try await scene.bought(last).compactMap { $0["note"]?.string }
            #expect(Set(notes) == Set(try scene.payments.answers().keys.map { "bill \($0)" }) && Set(notes).count == notes.count)
            try #require(paid > Self.kills, "too little happened for this to prove anything")
            #expect(try await last.stop() == .status(0))
            let check = try await stage.command("check")
            #expect(check.exit == .status(0), "\(check)")
            print("Top-ups under kill -9: \(Self.kills) kills, \(paid) paid, each credited once; seed \(Self.seed)")
        }
    }
}

extension TopUpEndToEndTests.Scene {
    private init(_ scene: Self, payments: SamplePayments) {
        stage = scene.stage
        self.payments = payments
        key = scene.key
        billing = scene.billing
    }

    /// The same with a payment service that has begun anew, at the same address.
    fileprivate func restarted() async throws -> Self { Self(self, payments: try await SamplePayments(stage, port: payments.port)) }
}

/// The sample of a payment service.
private struct SamplePayments {
    static let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    private static let program = TestTools.tests + "/../http/samples/payments.py"
    /// Runs a program such as the sample, which does all that it does but answer.
    private static let silence = """
        import http.server, runpy, signal, sys
        http.server.BaseHTTPRequestHandler.send_response = lambda *_: signal.pause()
        sys.argv = sys.argv[1:]
        runpy.run_path(sys.argv[0], run_name="__main__")
        """

    let process: ChildProcess
    /// Where it listens.
    let url: String
    private let database: String

    /// Starts it, and waits until it listens.
    /// - Parameter isSilent: whether it writes down what it has done, and never says so. It takes one question then.
    init(_ stage: Stage, port: Int = 0, isSilent: Bool = false) async throws {
        database = stage.folder + "/payments.sqlite"
        let process = try stage.start(
            program: "/usr/bin/python3", (isSilent ? ["-c", Self.silence] : []) + [Self.program, "\(port)", database],
            environment: ["PERSONAS_PAYMENT_SECRET": Self.secret])
        self.process = process
        url = try await eventually("the payment service", detail: { process.standardError }) {
            process.standardOutput.firstMatch(of: /listening at (\S+)\n/).map { String($0.output.1) }
        }
    }

    var port: Int { URLComponents(string: url)?.port ?? 0 }

    /// What it has said, by the ids of top-ups.
    func answers() throws -> [String: String] {
        var configuration = Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(5)
        return try DatabaseQueue(path: database, configuration: configuration).read { db in
            try Row.fetchAll(db, sql: "SELECT id, json_extract(answer, '$.status') AS status FROM top_up").reduce(into: [:]) {
                $0[$1["id"]] = $1["status"]
            }
        }
    }
}
