import Foundation
import TestSupport
import Testing

/// Replicas of two releases on one database, as during every upgrade.
@Suite("An upgrade of replicas", .timeLimit(.minutes(10)))
struct UpgradeTests {
    @Test(
        "What a newer release adds, an older replica serves on with and starts with; what it takes away, an older one refuses in one line")
    func migrations() async throws {
        try await RunningCluster.run("--replicas", "1") { cluster in
            let client = cluster.client
            try await cluster.sql(
                """
                ALTER TABLE pikzonality ADD COLUMN newer text; ALTER TABLE account ADD COLUMN newer bigint NOT NULL DEFAULT 0;
                INSERT INTO migration (name, hash, kind, applied_at) VALUES ('v9998_expand_newer', 'abc', 'expand', 1)
                """)
            let id = try await client.create(name: "Before").id
            #expect(try await client.trained(id)["status"] == "completed")
            #expect(try await client.get("/readyz").status == 200)
            try await cluster.tell("end", "replica-1")
            try await cluster.tell("start", "replica-1")
            #expect(try await client.get("/readyz").status == 200)
            let other = try await client.create(name: "After").id
            #expect(try await client.trained(other)["status"] == "completed")
            #expect(try await client.all("/v2/personas").count == 2)
            #expect(try await cluster.command("check").exit == .status(0))

            try await cluster.sql(
                "INSERT INTO migration (name, hash, kind, applied_at) VALUES ('v9999_contract_newer', 'abc', 'contract', 1)")
            try await eventually("a replica that is not ready") { try await client.get("/readyz").status == 503 }
            let refused = try cluster.stage.start(["serve", "--port", "0"], data: nil, environment: cluster.environment)
            #expect(try await refused.exit() != .status(0))
            #expect(refused.standardError.contains("v9999_contract_newer"), "\(refused.standardError)")
        }
    }
}
