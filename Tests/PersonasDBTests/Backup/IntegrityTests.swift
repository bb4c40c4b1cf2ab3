import Foundation
import GRDB
import Personas
import TestSupport
import Testing

@testable import PersonasDB

@Suite("Integrity", .timeLimit(.minutes(2)))
struct IntegrityTests {
    @Test("What is as it should be has no findings, and is counted")
    func nothing() async throws {
        try await withStorage { open async throws in
            let account = try await open.account()
            _ = try await open.create("Nova", of: account, images: 1...3)
            _ = try await open.insert("Busy", of: account, images: try await stored(4...6, open))
            let report = try await open.storage.integrity.check(repairingWith: nil, at: .now) { _ in }
            #expect(report.sound && report.findings == [])
            #expect((report.counts.items, report.counts.images, report.counts.files) == (2, 6, 6))
            let bytes = try mediaFiles(open).reduce(0) { try $0 + Data(contentsOf: URL(fileURLWithPath: $1)).count }
            #expect(report.counts.imageBytes == bytes)
            #expect((report.counts.pendingRemovals, report.counts.oldestRemovalSeconds) == (0, 0))
        }
    }

    @Test("A missing or changed image file is a finding that names the file and its item, and that no repair hides")
    func damagedFiles() async throws {
        try await withStorage { open async throws in
            let item = try await open.create("Nova", images: 1...3)
            let files = try mediaFiles(open)
            unlink(files[0])
            try flipByte(of: files[1])
            try Data(contentsOf: URL(fileURLWithPath: files[2])).dropLast().write(to: URL(fileURLWithPath: files[2]))
            for isRepairing in [false, true, false] {
                let findings = try await open.findings(isRepairing: isRepairing).sorted { $0.subject < $1.subject }
                #expect(findings.map(\.kind) == [.fileMissing, .fileDamaged, .fileDamaged])
                #expect(findings.map(\.subject) == files.prefix(3).map { String($0.dropFirst(open.directory.count + 1)) })
                #expect(findings.allSatisfy { !$0.repaired && $0.detail.contains(item.id.text) }, "\(findings)")
            }
        }
    }

    @Test("A file without a row is a finding, which repair removes; what is not named as images are stays and is only reported")
    func orphanedFiles() async throws {
        try await withStorage { open async throws in
            _ = try await open.create("Nova", images: 1...3)
            let kept = try mediaFiles(open)
            _ = try await stored(10...12, open)
            let strange = ["media/00/notes.txt", "media/strange"]
            for path in strange { try Data().write(to: URL(fileURLWithPath: "\(open.directory)/\(path)")) }
            let before = try await open.findings()
            #expect(before.count { $0.kind == .fileOrphaned && !$0.repaired } == 3)
            #expect(before.filter { $0.kind == .strange }.map(\.subject).sorted() == strange)
            #expect(try mediaFiles(open).count == 8, "looking changes nothing")
            let repaired = try await open.findings(isRepairing: true)
            #expect(repaired.count { $0.kind == .fileOrphaned && $0.repaired } == 3)
            #expect(try mediaFiles(open) == (kept + strange.map { "\(open.directory)/\($0)" }).sorted())
            for path in strange { unlink("\(open.directory)/\(path)") }
            #expect(try await sound(open))
        }
    }

    @Test("A row that nothing links to and nothing will remove is a finding; repair removes it with its file")
    func orphanedRows() async throws {
        try await withStorage { open async throws in
            let item = try await open.create("Nova", images: 1...3)
            try await open.execute("DELETE FROM pikzonality")
            #expect(try await open.findings().map(\.kind) == [.rowOrphaned, .rowOrphaned, .rowOrphaned])
            #expect(try await open.findings(isRepairing: true).allSatisfy { $0.kind == .rowOrphaned && $0.repaired })
            #expect(try open.count("media") == 0)
            #expect(try mediaFiles(open) == [], "\(item.id)")
            #expect(try await sound(open))
        }
    }

    @Test("Copies of tokens that differ from the links are findings")
    func tokens() async throws {
        try await withStorage { open async throws in
            let account = try await open.account()
            var items: [Pikzonality] = []
            for number in 0..<5 { items.append(try await open.create("Item \(number)", of: account, images: 1...3)) }
            func id(_ index: Int) -> String { "X'\(items[index].id.bytes.map { String(format: "%02x", $0) }.joined())'" }
            try await open.execute("UPDATE pikzonality SET portrait_token = randomblob(16) WHERE id = \(id(0))")
            try await open.execute("UPDATE pikzonality SET reference_tokens = substr(reference_tokens, 1, 32) WHERE id = \(id(1))")
            try await open.execute("DELETE FROM image_link WHERE position = 1 AND pikzonality_id = \(id(2))")
            try await open.execute(
                "UPDATE pikzonality SET reference_tokens = CAST(substr(reference_tokens, 17, 32) || substr(reference_tokens, 1, 16) AS BLOB) WHERE id = \(id(3))"
            )
            let findings = try await open.findings(isRepairing: true)
            #expect(findings.allSatisfy { $0.kind == .tokensDisagree && !$0.repaired })
            #expect(findings.map(\.subject).sorted() == items.prefix(4).map(\.id.text).sorted())
        }
    }

    @Test("An item in training without its one job, any other with a job to do, and a job of no item are findings")
    func jobs() async throws {
        try await withStorage { open async throws in
            let account = try await open.account()
            let images = try await stored(1...3, open)
            var busy: [Pikzonality] = []
            for number in 0..<4 { busy.append(try await open.insert("Busy \(number)", of: account, images: images)) }
            let done = try await open.create("Done", of: account, images: 1...3)
            func blob(_ id: Identifier) -> String { "X'\(id.bytes.map { String(format: "%02x", $0) }.joined())'" }
            let columns = "(id, pikzonality_id, state, attempts, progress, created_at)"
            try await open.execute("DELETE FROM training_job WHERE pikzonality_id = \(blob(busy[0].id))")
            try await open.execute("INSERT INTO training_job \(columns) VALUES (randomblob(16), \(blob(busy[1].id)), 'queued', 0, 0, 0)")
            try await open.execute("INSERT INTO training_job \(columns) VALUES (randomblob(16), \(blob(done.id)), 'queued', 0, 0, 0)")
            let lost = Identifier.random()
            try await open.execute("INSERT INTO training_job \(columns) VALUES (\(blob(lost)), NULL, 'queued', 0, 0, 0)")
            let findings = try await open.findings()
            #expect(findings.allSatisfy { $0.kind == .jobsDisagree })
            #expect(findings.map(\.subject).sorted() == [busy[0].id, busy[1].id, done.id, lost].map(\.text).sorted())
        }
    }

    @Test("An index of names that leads elsewhere than to the names is a finding")
    func namesIndexed() async throws {
        try await withStorage { open async throws in
            let account = try await open.account()
            var items: [Pikzonality] = []
            for number in 0..<4 { items.append(try await open.create("Item \(number)", of: account, images: 1...3)) }
            #expect(try await open.findings() == [])
            func id(_ index: Int) -> String { "X'\(items[index].id.bytes.map { String(format: "%02x", $0) }.joined())'" }
            func number(_ index: Int) -> String { "(SELECT number FROM name_document WHERE pikzonality_id = \(id(index)))" }
            // Two documents change places in a word that they do not share: as many have it as before.
            try await open.execute("INSERT INTO name_index (name_index, rowid, words) VALUES ('delete', \(number(0)), 'm.0')")
            try await open.execute("INSERT INTO name_index (rowid, words) VALUES (\(number(1)), 'm.0')")
            var findings = try await open.findings(isRepairing: true)
            #expect(findings.map(\.kind) == [.searchDisagrees] && findings.map(\.subject) == ["name_index"])
            #expect(findings.allSatisfy { $0.detail.contains("'m.0'") && !$0.repaired })
            try await open.execute("INSERT INTO name_index (name_index, rowid, words) VALUES ('delete', \(number(1)), 'm.0')")
            try await open.execute("INSERT INTO name_index (rowid, words) VALUES (\(number(0)), 'm.0')")
            #expect(try await open.findings() == [])
            try await open.execute("DELETE FROM name_document WHERE pikzonality_id = \(id(2))")
            try await open.execute("UPDATE name_document SET number = number + (1 << 40) WHERE pikzonality_id = \(id(3))")
            findings = try await open.findings()
            #expect(findings.allSatisfy { $0.kind == .searchDisagrees })
            #expect(Set(findings.map(\.subject)) == [items[2].id.text, items[3].id.text, "name_index"])
        }
    }

    @Test("Counts that are not what there is are findings, which repair counts anew")
    func counts() async throws {
        try await withStorage { open async throws in
            let account = try await open.account()
            for number in 0..<3 { _ = try await open.create("Item \(number)", of: account, images: 1...3) }
            #expect(try await open.findings() == [])
            for damage in [
                "UPDATE item_count SET count = 7", "DELETE FROM item_count",
                "INSERT INTO item_count SELECT account_id, 'style', 'failed', 1 FROM item_count",
            ] {
                try await open.execute(damage)
                for isRepairing in [false, true] {
                    let findings = try await open.findings(isRepairing: isRepairing)
                    #expect(findings.map(\.kind) == [.countsDisagree] && findings.map(\.subject) == [account.text], "\(damage)")
                    #expect(findings.allSatisfy { $0.repaired == isRepairing })
                }
                #expect(try await open.findings() == [], "\(damage)")
                #expect(try await open.items.counts(accountID: account)[.persona, .completed] == 3)
                #expect(try await open.items.counts(accountID: account)[.style, .failed] == 0)
            }
        }
    }

    @Test("An index of labels that leads elsewhere than to the labels is a finding for each item")
    func labelsIndexed() async throws {
        try await withStorage { open async throws in
            let account = try await open.account()
            let images = try await stored(1...3, open)
            var items: [Pikzonality] = []
            for number in 0..<5 {
                let labels = number == 4 ? [:] : ["k": "v", "n": "\(number)"]
                items.append(try await open.insert("Item \(number)", of: account, images: images, metadata: labels, outcome: .completed))
            }
            #expect(try await open.findings() == [])
            func id(_ index: Int) -> String { "X'\(items[index].id.bytes.map { String(format: "%02x", $0) }.joined())'" }
            let entry = "DELETE FROM metadata_entry WHERE tag = (SELECT tag FROM metadata_entry WHERE pikzonality_id"
            try await open.execute("\(entry) = \(id(0)) LIMIT 1) AND pikzonality_id = \(id(0))")
            try await open.execute("UPDATE metadata_entry SET name_key = 'x' WHERE pikzonality_id = \(id(1))")
            try await open.execute("UPDATE metadata_entry SET created_at = 1 WHERE pikzonality_id = \(id(2))")
            try await open.execute("INSERT INTO metadata_entry VALUES (\(id(4)), randomblob(16), 1, 'x')")
            let findings = try await open.findings(isRepairing: true)
            #expect(findings.allSatisfy { $0.kind == .metadataDisagrees && !$0.repaired })
            #expect(findings.map(\.subject).sorted() == [0, 1, 2, 4].map { items[$0].id.text }.sorted())
        }
    }

    @Test("Broken references and damage within the file are findings, and the check goes on")
    func database() async throws {
        try await withDataFolder { directory in
            try await withStorage(in: directory) { open async throws in _ = try await open.create("Nova", images: 1...3) }
            // Another program with its own idea of foreign keys.
            var configuration = Configuration()
            configuration.foreignKeysEnabled = false
            let other = try DatabaseQueue(path: directory + "/personas.sqlite", configuration: configuration)
            try await other.write { db in
                try db.execute(sql: "CREATE TABLE child (id INTEGER PRIMARY KEY, digest BLOB REFERENCES media (digest))")
                try db.execute(sql: "INSERT INTO child VALUES (1, X'00'), (2, X'01')")
                try db.execute(sql: "PRAGMA writable_schema = ON")
                try db.execute(
                    sql:
                        "UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'image_link_by_digest') WHERE name = 'api_key_by_account'"
                )
            }
            try other.close()
            try await withStorage(in: directory) { open async throws in
                let findings = try await open.findings(isRepairing: true)
                #expect(
                    findings.contains { $0.kind == .foreignKeyBroken && $0.subject == "child" && $0.detail.hasPrefix("2 rows") },
                    "\(findings)")
                #expect(findings.contains { $0.kind == .databaseDamaged }, "\(findings)")
                #expect(findings.allSatisfy { !$0.repaired })
                #expect(try await open.storage.integrity.check(repairingWith: nil, at: .now) { _ in }.counts.files == 3)
            }
        }
    }

    @Test(
        "What deletions queued is counted with its age; beyond the bound it is a finding, which repair makes good unless something pins it")
    func overdueRemovals() async throws {
        try await withStorage { open async throws in
            let item = try await open.create("Nova", images: 1...3)
            let opened = Timestamp.now
            let pinned = try await open.store(try .fixture(1, side: 4))
            // Long before the folder was opened: the time in which nothing could be removed does not count.
            _ = try await open.items.delete(item.id, mode: nil, accountID: item.accountID, at: opened.adding(seconds: -100_000))
            let soon = try await open.storage.integrity.check(repairingWith: nil, at: opened.adding(seconds: 60)) { _ in }
            #expect(soon.sound)
            #expect(soon.counts.pendingRemovals == 3)
            #expect((55...61).contains(soon.counts.oldestRemovalSeconds))
            let late = opened.adding(seconds: Limits.removalSecondsMax + 60)
            #expect(try await open.findings(at: late).map(\.kind) == [.removalOverdue, .removalOverdue, .removalOverdue])
            let repaired = try await open.findings(isRepairing: true, at: late)
            #expect(repaired.count { $0.repaired } == 2, "\(repaired)")
            open.unpin([pinned])
            #expect(try await open.findings(isRepairing: true, at: late).map(\.repaired) == [true])
            #expect(try mediaFiles(open) == [])
            #expect(try await open.findings(at: late) == [])
        }
    }

    @Test("A file that was never stored to its end is a finding once it is old, and repair removes it")
    func incoming() async throws {
        try await withStorage { open async throws in
            let path = open.files.folder.path + "/incoming/half"
            try Data([1]).write(to: URL(fileURLWithPath: path))
            #expect(try await sound(open))
            // The age of a file is by the clock that dates files, whatever the clock says that was handed in.
            let late = Timestamp.now.adding(seconds: Limits.removalSecondsMax + 10)
            #expect(try await open.findings(at: late) == [])
            let old = Date(timeIntervalSinceNow: -Double(Limits.removalSecondsMax + 10))
            try FileManager.default.setAttributes([.modificationDate: old], ofItemAtPath: path)
            #expect(try await open.findings(at: .second(0)).map(\.kind) == [.incomingLeft])
            #expect(try await open.findings(isRepairing: true).map(\.repaired) == [true])
            #expect(!PosixFile.exists(path))
        }
    }

    @Test("What is being stored or deleted at the moment is no finding, and no repair touches it")
    func underLoad() async throws {
        try await withStorage(readers: 4) { open async throws in
            let account = try await open.account()
            let isDone = Shared(false)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for worker in 0..<4 {
                    group.addTask {
                        var round = 0
                        while !isDone.withLock({ $0 }) {
                            round += 1
                            let seed = UInt64(worker * 100 + round % 30)
                            let item = try await open.create("\(worker) \(round)", of: account, images: seed...seed + 1)
                            if round % 5 > 0 { _ = try await open.items.delete(item.id, mode: nil, accountID: account, at: .now) }
                        }
                    }
                }
                group.addTask {
                    while !isDone.withLock({ $0 }) { _ = try await open.collector.collect() }
                }
                for round in 0..<25 { #expect(try await open.findings(isRepairing: round % 2 == 1) == []) }
                isDone.withLock { $0 = true }
                try await group.waitForAll()
            }
            #expect(try open.count("pikzonality") > 0)
            #expect(try await sound(open))
        }
    }

    @Test("A file that is pinned without a row yet is no orphan, and one whose row went before it is not missing")
    func betweenFileAndRow() async throws {
        try await withStorage { open async throws in
            let image = try await open.store(try .fixture(1))
            #expect(try await open.findings(isRepairing: true) == [])
            #expect(try mediaFiles(open).count == 1)
            open.unpin([image])
            #expect(try await open.findings().map(\.kind) == [.fileOrphaned])
            // Given up, it is on its way out rather than forgotten.
            await open.index.pins.pin(image.key)
            await open.index.abandon([image])
            #expect(try await open.findings() == [])
            #expect(try await open.collector.collect() == 1)
            #expect(try mediaFiles(open) == [])
        }
    }

    /// Stores images that no row names.
    private func stored(_ seeds: ClosedRange<UInt64>, _ open: OpenStorage) async throws -> [StoredImage] {
        var images: [StoredImage] = []
        for seed in seeds { images.append(try await open.store(try .fixture(seed, side: 4))) }
        open.unpin(images)
        return images
    }
}
