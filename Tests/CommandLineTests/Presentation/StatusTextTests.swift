import Foundation
import Personas
import Testing

@testable import PersonasCLI

@Suite("What status and check print")
struct StatusTextTests {
    private static let stored = StatusReport.Stored(
        contents: StoreContents(
            accounts: 12, counts: [.persona: [.completed: 1_234_567, .failed: 3], .style: [.processing: 1]], trash: [.style: 1_200]),
        images: {
            var volume = ImageVolume()
            (volume.images, volume.bytes) = (3_702, 1_234_567_890)
            return volume
        }(), maintenance: MaintenanceReport(Maintenance(isOn: true, retryAfterSeconds: 90)),
        queue: StatusReport.Queue(QueueDepths(queuedJobs: 1, leasedJobs: 2, imageRemovals: 0), waitingWrites: 5),
        lastBackup: BackupRecord(createdAt: "2026-11-22T06:30:00.000Z", directory: "/backups/2026-11-22T063000Z", isPresent: false))

    private static func document(
        version: String = "1.0.0", server: Bool = true, stored: StatusReport.Stored? = stored, pending: [String] = []
    ) throws -> StatusDocument {
        let identity = ServerReport.Identity(version: version, pid: 42, address: "http://127.0.0.1:8080", publicURL: "https://a.example")
        let migrations =
            pending.map { MigrationReport(name: $0, state: .pending, appliedAt: nil, hash: "") }
            + [MigrationReport(name: "v0001_initial", state: .applied, appliedAt: .now, hash: "")]
        return StatusDocument(
            report: StatusReport(
                server: server ? ServerReport(identity: identity, startedAt: "2026-11-20T00:00:00.000Z", uptimeSeconds: 187_201) : nil,
                schema: StatusReport.Schema(migrations), disk: DiskUse(databaseBytes: 999, freeBytes: nil), stored: stored),
            place: .folder("/data"), version: "1.0.0", now: try #require(Timestamp(text: "2026-11-23T07:30:59Z")))
    }

    @Test("Two columns, every line with something to say, none wider than a terminal")
    func block() throws {
        #expect(
            try Self.document().lines == [
                "server       running for 2 days 4 hours, process 42",
                "version      1.0.0",
                "address      http://127.0.0.1:8080",
                "public URL   https://a.example",
                "data folder  /data",
                "maintenance  on; clients are told to come back after 90 s",
                "migrations   1 applied",
                "accounts     12",
                "personas     1,234,570: 0 processing, 1,234,567 completed, 3 failed",
                "styles       1: 1 processing, 0 completed, 0 failed; 1,200 in the trash",
                "queue        1 training job waiting, 2 in work; 0 images to remove; 5 writes waiting",
                "disk         database 999 bytes, 3,702 images 1.2 GB",
                "last backup  2026-11-22T06:30:00.000Z, 1 day 1 hour ago, /backups/2026-11-22T063000Z (not there any",
                "             more)",
            ])
    }

    @Test("Without a server, with another version's, and before the migrations")
    func variants() throws {
        #expect(try Self.document(version: "0.9.0").lines.contains("version      0.9.0; this command is 1.0.0"))
        let alone = try Self.document(server: false).lines
        #expect(alone[0] == "server       not running" && alone[1] == "version      1.0.0" && alone[2] == "data folder  /data")
        let old = try Self.document(server: false, stored: nil, pending: ["v0002_more", "v0003_yet_more"]).lines
        #expect(
            old == [
                "server       not running", "version      1.0.0", "data folder  /data",
                "migrations   1 applied; 2 pending (v0002_more, v0003_yet_more); personas migrate up applies them",
                "disk         database 999 bytes",
            ])
    }

    @Test("As JSON every member is there, null where nothing is known")
    func json() throws {
        let text = try Output.jsonText(try Self.document())
        #expect(
            text
                == #"{"accounts":12,"data_folder":"/data","database":null,"disk":{"database_bytes":999,"free_bytes":null,"images":3702,"media_bytes":1234567890},"#
                + #""items":{"persona":{"completed":1234567,"failed":3,"processing":0,"trash":0},"#
                + #""style":{"completed":0,"failed":0,"processing":1,"trash":1200}},"#
                + #""last_backup":{"created_at":"2026-11-22T06:30:00.000Z","directory":"/backups/2026-11-22T063000Z","present":false},"#
                + #""maintenance":{"on":true,"retry_after":90},"migrations":{"applied":1,"changed":[],"pending":[],"unknown":[]},"#
                + #""queue":{"deliveries":0,"image_removals":0,"jobs_leased":2,"jobs_queued":1,"waiting_writes":5,"webhooks_disabled":0},"replicas":null,"#
                + #""server":{"address":"http://127.0.0.1:8080","pid":42,"public_url":"https://a.example","#
                + #""started_at":"2026-11-20T00:00:00.000Z","uptime_seconds":187201,"version":"1.0.0"},"version":"1.0.0"}"#)
        let bare = try Output.jsonText(try Self.document(server: false, stored: nil, pending: ["v0002_more"]))
        #expect(
            bare
                == #"{"accounts":null,"data_folder":"/data","database":null,"disk":{"database_bytes":999,"free_bytes":null,"images":null,"media_bytes":null},"#
                + #""items":null,"last_backup":null,"maintenance":null,"#
                + #""migrations":{"applied":1,"changed":[],"pending":["v0002_more"],"unknown":[]},"queue":null,"replicas":null,"server":null,"#
                + #""version":"1.0.0"}"#)
    }

    @Test("A check ends with its verdict, names some of each kind and counts the rest, in lines of at most 100 columns")
    func check() throws {
        var report = IntegrityReport()
        (report.counts.items, report.counts.images) = (1_234, 3_702)
        #expect(report.lines.last == "sound: 1,234 items, 3,702 images checked")
        report.add(Finding(.fileOrphaned, "media/00/" + String(repeating: "0", count: 62), "No row names the file", repaired: true))
        #expect(report.lines.last == "sound: 1,234 items, 3,702 images checked, 1 repaired")
        let detail = "The file is missing; needed by " + (0..<3).map { _ in Identifier.random().text }.joined(separator: ", ")
        for number in 0..<1_200 {
            report.add(Finding(.fileMissing, "media/ff/" + String(format: "%062d", number), detail))
        }
        for number in 0..<30 { report.add(Finding(.strange, "media/\(number)", "It is no folder of images")) }
        let lines = report.lines
        #expect(lines.last == "not sound: 1,230 findings, 1 repaired")
        #expect(lines.allSatisfy { $0.count <= 100 })
        let text = lines.joined(separator: "\n")
        #expect(text.contains("\n\nfile_missing: 1,200 findings\n  media/ff/\(String(repeating: "0", count: 62))\n    The file is missing"))
        #expect(text.contains("\n  and 1,180 more\n\nfile_orphaned: 1 finding\n"))
        #expect(text.contains("No row names the file (repaired)"))
        #expect(text.contains("\n\nstrange_file: 30 findings\n  media/0\n"), "a kind that came when the list was full")
        #expect(text.contains("\n  media/19\n    It is no folder of images\n  and 10 more\n\nnot sound"))
        #expect(report.findings.count == Limits.findingsMax + Limits.findingsOfKindMin)
        #expect(report.counts.findingsByKind == ["file_orphaned": 1, "file_missing": 1_200, "strange_file": 30])
        // What is copied from there has to be whole.
        var long = IntegrityReport()
        long.add(Finding(.strange, "media/" + String(repeating: "x", count: 200), "It is no folder of images"))
        #expect(long.lines.contains("  media/" + String(repeating: "x", count: 200)))
    }

    @Test("A failed check says what can be done about it")
    func advice() {
        func failure(_ findings: [Finding]) -> String {
            var report = IntegrityReport()
            for finding in findings { report.add(finding) }
            return report.failure.message
        }
        let (orphan, damage) = (Finding(.fileOrphaned, "a", "b"), Finding(.fileDamaged, "a", "b"))
        #expect(failure([orphan]) == "the data are not sound: 1 finding; personas check --repair makes it good")
        #expect(failure([orphan, orphan]).hasSuffix("2 findings; personas check --repair makes them good"))
        #expect(
            failure([orphan, damage])
                == "the data are not sound: 2 findings; personas check --repair makes 1 of them good; what is damaged or missing comes back from a "
                + "backup alone, see personas restore --help")
        let repaired = Finding(.fileOrphaned, "a", "b", repaired: true)
        #expect(failure([repaired, damage]).hasPrefix("the data are not sound: 1 finding; what is damaged"))
    }

    @Test("Numbers, bytes and durations are told as people read them")
    func quantities() {
        let numbers = [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567"), (-1_234, "-1,234")]
        for (number, text) in numbers { #expect(Quantities.number(number) == text) }
        let bytes = [
            (0, "0 bytes"), (1, "1 byte"), (999, "999 bytes"), (1_000, "1.0 kB"), (12_345, "12.3 kB"), (999_999, "999.9 kB"),
            (1_000_000, "1.0 MB"), (1_234_567_890, "1.2 GB"), (5_000_000_000_000, "5.0 TB"), (.max, "9,223.3 PB"),
        ]
        for (count, text) in bytes { #expect(Quantities.bytes(count) == text) }
        let durations = [
            (0, "0 seconds"), (1, "1 second"), (61, "1 minute 1 second"), (3_600, "1 hour"), (3_601, "1 hour"), (90_061, "1 day 1 hour"),
            (86_400 * 400, "400 days"),
        ]
        for (seconds, text) in durations { #expect(Quantities.duration(seconds: seconds) == text) }
    }

    @Test("What became of backups is told of each: removed, kept, new, left alone and why")
    func retention() throws {
        var report = BackupReport(directory: "/b/3", createdAt: "t", items: 1, images: 2, imageBytes: 3, databaseBytes: 4)
        var retention = RetentionReport(keep: 2, kept: ["2", "3"], removed: ["1"])
        retention.leave(RetentionReport.Left(name: "notes", reason: .foreign))
        retention.leave(RetentionReport.Left(name: "0", reason: .notRemoved, detail: "rmdir 0: Directory not empty"))
        report.retention = retention
        #expect(
            report.tables[1].rows == [
                ["1", "removed"], ["2", "kept"], ["3", "new"], ["notes", "left alone: it is no backup"],
                ["0", "left alone: it could not be removed (rmdir 0: Directory not empty)"],
            ])
        for _ in 0..<RetentionReport.leftMax + 5 { retention.leave(RetentionReport.Left(name: "x", reason: .mixed)) }
        report.retention = retention
        #expect(report.tables[1].rows.last == ["and 7 more", "left alone"])
        #expect(report.tables[1].rows.count == 3 + RetentionReport.leftMax + 1)
    }
}
