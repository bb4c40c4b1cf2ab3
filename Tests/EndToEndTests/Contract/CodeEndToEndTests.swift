import Foundation
import TestSupport
import Testing

/// The codes that no client of the API meets, because the service does not start with them, or only its operators cause them.
@Suite("Error codes that operators meet", .timeLimit(.minutes(2)))
struct CodeEndToEndTests {
    @Test(
        "A server that is not configured says which setting it is, and ends with 78",
        arguments: [
            (code: "CONFIGURATION_ERROR", arguments: ["--credits", "perhaps"], setting: "credits"),
            (code: "CONFIGURATION_ERROR", arguments: ["--persona-price=-1"], setting: "persona-price"),
            (code: "CONFIG_ERROR", arguments: ["--trainer", "fal"], setting: "fal-key"),
        ])
    func start(code: String, arguments: [String], setting: String) async throws {
        try await Stage.run { stage in
            let result = try await stage.command(["serve", "--port", "0"] + arguments)
            #expect(result.exit == .status(78) && result.output.isEmpty, "\(result)")
            #expect(result.error.hasPrefix("personas: \(code): \(setting)"), "\(result)")
        }
    }

    @Test("A repair that cannot remove a file says so, and it is removed as soon as it can be")
    func deleteFailed() async throws {
        try await Stage.run { stage in
            let service = try await stage.serve()
            // A folder in the place of a file is not removed as files are.
            let path = "\(stage.data)/media/00/\(String(repeating: "a", count: 62))"
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            let result = try await stage.command("check", "--repair")
            #expect(result.exit == .status(1), "\(result)")
            #expect(result.error.hasPrefix("personas: DELETE_FAILED: an image could not be removed ("), "\(result)")
            #expect(try await service.stop() == .status(0))
            try FileManager.default.removeItem(atPath: path)
            #expect(FileManager.default.createFile(atPath: path, contents: nil))
            // What could not be removed waits for another try, which a start is.
            let next = try await stage.serve()
            #expect(await comesTrue { !FileManager.default.fileExists(atPath: path) })
            #expect(try await next.stop() == .status(0))
        }
    }

    @Test("What is no amount of credits is none", arguments: ["0", "1e3", "1000000000001", "ten"])
    func invalidAmount(amount: String) async throws {
        try await Stage.run { stage in
            _ = try await stage.key()
            let result = try await stage.command("credits", "grant", "acme", amount)
            #expect(result.exit == .status(64), "\(result)")
            #expect(result.error.hasPrefix("personas: INVALID_AMOUNT: AMOUNT must be a whole number from 1 to"), "\(result)")
            #expect(try await stage.command("credits", "balance", "acme", "--json").json["balance"] == 0)
        }
    }
}
