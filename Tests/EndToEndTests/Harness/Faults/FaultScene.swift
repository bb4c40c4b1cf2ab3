import Crypto
import Foundation
import NIOHTTP1
import Synchronization
import TestImages
import TestSupport
import Testing

/// What clients are to be told of a write.
enum Expectation: Sendable {
    case done
    /// An image could not be stored: nothing was done.
    case uploadFailed
    /// Come back later: nothing was done.
    case busy
    /// Come back in a second, when files may be opened again: nothing was done.
    case usedUp
    /// Whether it was done is not known.
    case unknown
}

/// A service with faults in its way, some items, and a ledger of what it has acknowledged.
final class FaultScene: Sendable {
    /// Items that are there from the start, to be read and changed while things fail.
    private static let keptCount = 4
    /// Items beyond which some are deleted after every fault, so that a long run does not slow down.
    private static let itemsMax = 20
    /// Creates at a time, so that they share commits.
    private static let createsAtOnce = 6

    let stage: Stage
    let faults: FaultInjector
    let service: RunningService
    private let client: Client
    private let key: Key
    private let ledger = Ledger()
    private let kept: [String]
    private let seeds = Atomic(1)

    private init(_ stage: Stage, flags: [String], launcher: [String]) async throws {
        self.stage = stage
        faults = try FaultInjector(stage)
        service = try await stage.serve(flags, environment: faults.environment, launcher: launcher)
        key = try await stage.key()
        client = service.client(key)
        var kept: [String] = []
        for number in 0..<Self.keptCount {
            let id = try await client.create(name: "Kept \(number)", seed: 5_000 + number).id
            ledger.note(created: id, mode: "persona", name: "Kept \(number)", seed: 5_000 + number)
            kept.append(id)
        }
        self.kept = kept
    }

    /// Runs a test with a service.
    /// - Parameters:
    ///   - diskBytes: the size of a file system of its own for the data, which takes root to mount; nil for none.
    ///   - launcher: see `ChildProcess`.
    static func run(
        _ flags: String..., diskBytes: Int? = nil, launcher: [String] = [], body: (FaultScene) async throws -> Void
    ) async throws {
        try await Stage.run { stage in
            if let diskBytes {
                try FileManager.default.createDirectory(atPath: stage.data, withIntermediateDirectories: true)
                _ = try Program.output("mount", ["-t", "tmpfs", "-o", "size=\(diskBytes)", "tmpfs", stage.data])
            }
            defer { if diskBytes != nil { _ = try? Program.output("umount", ["-l", stage.data]) } }
            let scene = try await FaultScene(stage, flags: flags, launcher: launcher)
            if !flags.contains("worker") { for id in scene.kept { _ = try await scene.client.trained(id) } }
            try await body(scene)
            #expect(scene.ledger.problems == [])
        }
    }

    /// Where the service keeps an image.
    func path(of image: [UInt8]) -> String {
        let name = SHA256.hash(data: image).map { String(format: "%02x", $0) }.joined()
        return "\(stage.data)/media/\(name.prefix(2))/\(name.dropFirst(2))"
    }

    /// Creates an item, and notes it when it was acknowledged, or may be there all the same.
    func create(_ name: String, seed: Int) async throws -> ClientAnswer {
        let answer = try await client.post("/v2/personas", ["name": .string(name), "image_base64s": Picture.threeBase64(seed: seed)])
        if answer.status == 201 { ledger.note(created: try answer.id, mode: "persona", name: name, seed: seed) }
        if answer.code == "INTERNAL_ERROR" { ledger.note(attempt: Ledger.Attempt(mode: "persona", name: name, seed: seed)) }
        return answer
    }

    private func change(_ id: String, to text: String) async throws -> ClientAnswer {
        let answer = try await client.patch("/v2/personas/\(id)", ["special_instructions": .string(text)])
        ledger.update(id) { item in
            if answer.status == 200 { item.instructions = [.string(text)] }
            if answer.code == "INTERNAL_ERROR" { item.instructions.insert(.string(text)) }
        }
        return answer
    }

    /// Creates and changes at once, and looks at the answers.
    func expectWrites(_ name: String, create: Expectation, change: Expectation, during fault: String) async throws {
        try await withThrowingTaskGroup(of: (ClientAnswer, Expectation).self) { group in
            for number in 0..<Self.createsAtOnce {
                let seed = seeds.wrappingAdd(1, ordering: .relaxed).oldValue
                group.addTask { (try await self.create("\(name) \(number)", seed: seed), create) }
            }
            for id in kept { group.addTask { (try await self.change(id, to: "\(name) \(fault)"), change) } }
            for try await (answer, expectation) in group { expect(answer, expectation, fault) }
        }
        let incoming = try FileManager.default.contentsOfDirectory(atPath: "\(stage.data)/media/incoming")
        #expect(incoming == [], "\(fault) leaves half-stored files")
        if create != .done { #expect(!service.log("Request failed").isEmpty, "\(fault) is not in the log") }
    }

    private func expect(_ answer: ClientAnswer, _ expectation: Expectation, _ fault: String) {
        let told = Comment(rawValue: "\(fault): \(answer.status) \(answer.text)")
        switch expectation {
        case .done: #expect([200, 201].contains(answer.status), told)
        case .uploadFailed:
            #expect(answer.status == 500 && answer.code == "UPLOAD_FAILED", told)
            #expect(answer.message == "An image could not be stored")
        case .busy:
            #expect(answer.status == 503 && answer.code == "SERVICE_UNAVAILABLE", told)
            #expect(answer.message == "The service cannot store anything at the moment; nothing was changed")
            #expect(answer.header("Retry-After") == "5")
        case .usedUp:
            #expect(answer.status == 503 && answer.code == "SERVICE_UNAVAILABLE", told)
            #expect(answer.header("Retry-After") == "1")
        case .unknown:
            #expect(answer.status == 500 && answer.code == "INTERNAL_ERROR", told)
            #expect(answer.message == "An unexpected error occurred")
        }
    }

    /// Makes sure that whatever only reads goes on.
    func expectReads(during fault: String) async throws {
        for path in ["/healthz", "/readyz"] { #expect(try await service.client().get(path).status == 200, "\(fault)") }
        #expect(try await client.get("/v2/personas").status == 200, "\(fault)")
        for (number, id) in kept.enumerated() {
            let item = try await client.get("/v2/personas/\(id)")
            #expect(item.status == 200 && item.json["name"] == .string("Kept \(number)"), "\(fault): \(item.text)")
            guard let portrait = item.json["portrait_url"]?.string else { continue }
            #expect(try await service.client().get(portrait).body == Picture.three(seed: 5_000 + number)[0], "\(fault)")
        }
    }

    /// Deletes one of the items that are not kept.
    func deleteOne() async throws {
        let item = try #require(ledger.living.first { !kept.contains($0.id) })
        let urls = Ledger.urls(of: try await client.trained(item.id))
        #expect(try await client.delete("/v2/personas/\(item.id)").status == 200)
        ledger.note(answered: item.id) { $0.isDeleted = true }
        for url in urls { #expect(try await client.get(url).status == 404) }
    }

    /// Makes sure that the same process does what it should again, that nothing was lost, and that no image stays which nothing names.
    func expectRecovery(_ name: String, after fault: String) async throws {
        try await expectWrites("Again \(name)", create: .done, change: .done, during: "after \(fault)")
        try await ledger.check(client, everyImage: true)
        #expect(ledger.problems == [], "after \(fault)")
        // A deletion has the service look for images that are needless. Some items stay, so that a restart finds them.
        repeat { try await deleteOne() } while ledger.living.count > Self.itemsMax
        let needed = Set(ledger.living.flatMap(\.seeds).flatMap { Picture.three(seed: $0).map(path(of:)) })
        try await eventually("no needless image", detail: { "after \(fault)\n" + self.service.process.standardError }) {
            Set(try self.mediaFiles()) == needed
        }
    }

    private func mediaFiles() throws -> [String] {
        let media = "\(stage.data)/media"
        return try FileManager.default.subpathsOfDirectory(atPath: media).filter { $0.count > 40 }.map { "\(media)/\($0)" }
    }

    /// Kills the service, starts it anew without faults, and compares it with the ledger. Returns what is wrong.
    func acknowledgedSurvives() async throws -> [String] {
        try await service.process.kill()
        let after = try await stage.serve("--lease-seconds", "1")
        try await ledger.check(after.client(key), everyImage: true)
        #expect(try await after.stop() == .status(0))
        return ledger.problems
    }
}
