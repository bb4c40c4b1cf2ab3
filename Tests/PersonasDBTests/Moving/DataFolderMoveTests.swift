import Foundation
import Personas
import TestPostgres
import TestSupport
import Testing

@testable import PersonasDB

extension PostgresTests {
    @Suite("Moving a data folder in", .timeLimit(.minutes(5)))
    struct DataFolderMoveTests {
        /// What a folder that holds everything had before it was moved.
        private func fill(_ stage: MoveStage) async throws -> RowDump {
            try await stage.inFolder { open in
                try await fillWithEverything(open)
                let dump = try RowDump(open)
                for table in MovedTable.all { #expect(dump.tables[table.name]?.isEmpty == false, "nothing is in \(table.name)") }
                return dump
            }
        }

        /// Whether the database has all rows, and the bucket all images, once each.
        private func expectMoved(_ stage: MoveStage, _ before: RowDump) throws {
            let after = try RowDump(stage, auditUpTo: before.tables["audit"]?.count ?? 0)
            for table in MovedTable.all {
                #expect(after.tables[table.name] == before.tables[table.name], "\(table.name)")
            }
            let known = Set(
                try stage.run("SELECT encode(digest, 'hex') || ' ' || object FROM media WHERE is_stored = 1").split(separator: "\n").map(
                    String.init))
            #expect(known == Set(stage.bucket.objects.keys.map { "\(hexadecimal($0.digest)) \($0.object?.text ?? "")" }))
            #expect(known.count == before.tables["media"]?.count)
        }

        @Test("A folder with something of everything is in the database as it was, to the byte, and the database goes on from there")
        func everything() async throws {
            try await MoveStage.run { stage in
                // A database that tells of itself already, and that a server has given its reserved names.
                try stage.run("INSERT INTO audit (at, action, target, uid) VALUES (1, 'migrate.up', 'before', 1)")
                try stage.run("INSERT INTO reserved_name VALUES ('zz', 'ZZ', 1)")
                let generation = try stage.run("SELECT number FROM generation")
                let before = try await fill(stage)
                let report = try await stage.move()
                try expectMoved(stage, before)
                #expect(report.rows == before.tables.values.reduce(0) { $0 + $1.count } && !report.wasMovedBefore)
                #expect(report.imagesStored == stage.bucket.objects.count && report.images == stage.bucket.putCount)
                #expect(report.accounts == 3 && report.dataFolder == PosixFile.realPath(stage.folder))
                #expect(try stage.run("SELECT number FROM generation") != generation)
                let last = before.tables["audit"]?.count ?? 0
                let told = try stage.run("SELECT number || ' ' || action || ' ' || uid FROM audit WHERE number > \(last) ORDER BY number")
                #expect(told == "\(last + 1) migrate.up 1\n\(last + 2) copy 4321")
                try await goOn(stage)
            }
        }

        /// New rows come behind those that were moved, triggers count them, and nothing is found wrong.
        private func goOn(_ stage: MoveStage) async throws {
            try await stage.inDatabase { storage in
                let account = try await storage.accounts.account(named: "first")
                let usage = try await storage.pikzonalities.usage(accountID: account.id)
                let sequence = try await storage.events.lastSequence(accountID: account.id)
                let numbers = try stage.run("SELECT max(number) FROM event")
                let library = ImageLibrary(index: storage.images, blobs: storage.blobs, signals: WorkSignals())
                let item = try await library.withStored([try .fixture(99, side: 4)]) { images throws(Failure) in
                    try await storage.pikzonalities.insert(
                        NewPikzonality(
                            id: .random(), accountID: account.id, mode: .persona,
                            details: PikzonalityDetails(name: Name(stored: "New here")), references: images, outcome: .completed), at: .now)
                }
                let image = try await library.image(item.referenceTokens[0])
                let now = try await storage.pikzonalities.usage(accountID: account.id)
                #expect(now.items == usage.items + 1 && now.storedBytes == usage.storedBytes + image.byteCount)
                #expect(try await storage.events.lastSequence(accountID: account.id) == sequence + 1)
                #expect(try #require(Int(try stage.run("SELECT max(number) FROM event"))) > #require(Int(numbers)))
                #expect(try await storage.blobs.isIntact(image.key))
                let moved = try await storage.pikzonalities.page(
                    PikzonalityFilter(search: "zo"), sort: .newestFirst, after: nil, limit: 9, accountID: account.id)
                let tokens = try #require(moved.first).referenceTokens
                for token in tokens { #expect(try await storage.blobs.isIntact(try await library.image(token).key)) }
                let findings = try await storage.integrity.check(repairingWith: nil, at: .now) { _ in }.findings
                // What was queued in the folder waits since its moments, which lie far back.
                #expect(findings.filter { $0.kind != .removalOverdue } == [])
            }
        }

        @Test("Whenever it ends, the folder is what it was and the database is empty, or everything is there, and it is gone on with")
        func resumed() async throws {
            for point in MoveFaults.Point.allCases {
                try await MoveStage.run { stage in
                    let before = try await fill(stage)
                    await #expect(throws: MoveFaults.end) { try await stage.move(endingAt: point) }
                    let stored = stage.bucket.putCount
                    if point == .committed {
                        try expectMoved(stage, before)
                    } else {
                        #expect(try stage.movedRows() == 0, "\(point)")
                    }
                    if point == .committed || point == .deciding {
                        let failure = await result { () throws(Failure) in try self.open(stage) }
                        #expect(failure.configurationText?.contains("run personas copy again") == true, "\(point) \(failure)")
                    } else {
                        let after = try await stage.inFolder { open in try RowDump(open) }
                        #expect(after == before, "\(point)")
                    }
                    let report = try await stage.move()
                    #expect(report.wasMovedBefore == (point == .committed) && report.items > 0)
                    try expectMoved(stage, before)
                    #expect(stage.bucket.putCount == stage.bucket.objects.count, "an image was stored twice")
                    #expect(report.imagesStored == stage.bucket.putCount - stored, "\(point)")
                }
            }
        }

        /// Opens the folder and closes it again.
        private func open(_ stage: MoveStage) throws(Failure) {
            try Storage.open(Storage.Configuration(directory: stage.folder, readers: 1)).close()
        }

        /// The folder is in use, and nothing is amiss there.
        private func expectSound(_ stage: MoveStage) async throws {
            let isSound = try await stage.inFolder { open in try await sound(open) }
            #expect(isSound)
        }

        @Test("A folder that was moved is used no more, in one clear line, until its mark is taken away")
        func marked() async throws {
            try await MoveStage.run { stage in
                try await stage.inFolder { _ = try await $0.create("acme", images: 1...3) }
                let backup = stage.folder + "-backup"
                defer { try? FileManager.default.removeItem(atPath: backup) }
                try await stage.inFolder { open in
                    _ = try await open.backups.backup(to: backup) { _ in }
                }
                try await stage.move()
                let opened = await result { () throws(Failure) in try self.open(stage) }
                let text = try #require(opened.configurationText)
                #expect(text.contains("was moved to") && text.contains("s3://bucket") && text.contains(stage.database))
                #expect(text.contains("personas copy --help") && !text.contains("\n"))
                let again = await result { () throws(Failure) in try await stage.move() }
                #expect(again.configurationText == text)
                await #expect(throws: Failure.self) { try await restore(backup, into: stage.folder, isForced: true) }
                try FileManager.default.removeItem(atPath: stage.folder + "/move.json")
                try await expectSound(stage)
            }
        }

        @Test("A database that anything was ever put into is refused, with the name of a table, and no image is stored")
        func notEmpty() async throws {
            try await MoveStage.run { stage in
                try await stage.inFolder { _ = try await $0.create("acme", images: 1...3) }
                try stage.run("INSERT INTO abandoned_top_up VALUES (gen_random_uuid(), gen_random_uuid())")
                let refused = await result { () throws(Failure) in try await stage.move() }
                #expect(refused.configurationText?.contains("has rows in abandoned_top_up") == true, "\(refused)")
                #expect(stage.bucket.putCount == 0)
                try await expectSound(stage)
            }
        }

        @Test("A difference between both sides is found before anything is committed, and the table is named")
        func difference() async throws {
            try await MoveStage.run { stage in
                try await stage.inFolder { _ = try await $0.create("acme", images: 1...3) }
                // Once it stands in line behind what is moved, this is one entry more than there were.
                try stage.run("INSERT INTO audit (number, at, action, target, uid) VALUES (-999999, 1, 'x', '', 1)")
                let failed = await result { () throws(Failure) in try await stage.move() }
                #expect(failed.unexpectedText?.contains("the table audit came out wrong, it has") == true, "\(failed)")
                #expect(try stage.movedRows() == 0)
                try await expectSound(stage)
                try stage.run("DELETE FROM audit")
                let report = try await stage.move()
                #expect(report.imagesStored == 0)
            }
        }

        @Test("Rows that differ in any one column are told apart")
        func digests() async throws {
            try await MoveStage.run { stage in
                let before = try await fill(stage)
                try await stage.move()
                let target = try PostgresConnection(try PostgresSettings(stage.server.address(of: stage.database), environment: [:]))
                let source = try ReadPool(path: stage.folder + "/personas.sqlite", count: 1)
                defer { source.close() }
                let shapes = try source.lend { source in try MovedTable.all.map { try MovedShape($0, from: source, to: target) } }
                func digest(_ shape: MovedShape, _ select: String) throws -> [UInt8] {
                    var rows = MovedRows(shape, objects: MovedObjects(of: ""))
                    try target.query(select, []) { try rows.add(fromTarget: $0) }
                    _ = rows.take()
                    return rows.digest
                }
                for shape in shapes where before.tables[shape.table.name]?.isEmpty == false {
                    let columns = shape.columns.map(\.quoted)
                    let all =
                        "SELECT \(columns.joined(separator: ", ")) FROM \"\(shape.table.name)\" ORDER BY \(shape.key.joined(separator: ", ")) LIMIT 1"
                    let right = try digest(shape, all)
                    for (place, column) in shape.columns.enumerated() {
                        var changed = columns
                        let name = column.quoted
                        changed[place] =
                            switch column.type {
                            case PostgresType.text: "coalesce(\(name), '') || 'x'"
                            case PostgresType.bytea: "coalesce(\(name), '') || '\\x00'"
                            case PostgresType.uuid: "gen_random_uuid()"
                            default:
                                "CAST(CASE WHEN \(name) = 1 THEN 2 ELSE 1 END AS \(column.type == PostgresType.int8 ? "int8" : column.type == PostgresType.int4 ? "int4" : "int2"))"
                            }
                        let other = all.replacing(
                            "SELECT \(columns.joined(separator: ", ")) FROM", with: "SELECT \(changed.joined(separator: ", ")) FROM")
                        #expect(try digest(shape, other) != right, "\(shape.table.name).\(column.name)")
                    }
                }
            }
        }

        @Test("What stands in the folder against it is named before anything is stored")
        func refusedFolders() async throws {
            try await MoveStage.run { stage in
                let item = try await stage.inFolder { open in
                    let item = try await open.create("acme", images: 1...3)
                    try await open.execute("UPDATE pikzonality SET special_instructions = 'a' || char(0) || 'b'")
                    _ = try await open.webhook(of: item.accountID)
                    return item
                }
                let nought = await result { () throws(Failure) in try await stage.move() }
                #expect(
                    nought.configurationText?.contains("special_instructions of the row \(item.id.text) of pikzonality holds U+0000")
                        == true,
                    "\(nought)")
                try await stage.inFolder { try await $0.execute("UPDATE pikzonality SET special_instructions = NULL") }

                let key = await result { () throws(Failure) in try await stage.move(secretsKeyFile: stage.folder + "/other.key") }
                #expect(key.configurationText?.contains("does not open the secrets") == true, "\(key)")
                #expect(stage.bucket.putCount == 0)

                let file = try #require(try mediaFiles(in: stage.folder + "/media").first)
                try flipByte(of: file)
                let damaged = await result { () throws(Failure) in try await stage.move() }
                #expect(damaged.configurationText?.contains("is damaged") == true, "\(damaged)")
                try FileManager.default.removeItem(atPath: file)
                let missing = await result { () throws(Failure) in try await stage.move() }
                #expect(missing.configurationText?.contains("is missing") == true, "\(missing)")
                #expect(try stage.movedRows() == 0)
            }
        }

        @Test("Where no answer to COMMIT came, nobody uses the folder before the database was asked, and the next call goes on")
        func unknownOutcome() async throws {
            try await MoveStage.run { stage in
                let before = try await fill(stage)
                try stage.run(
                    """
                    CREATE SEQUENCE deaths;
                    CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                        IF nextval('deaths') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(30); END IF;
                        RETURN NULL;
                    END $$;
                    CREATE CONSTRAINT TRIGGER death AFTER UPDATE ON generation DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION die();
                    """)
                let failed = await result { () throws(Failure) in try await stage.move() }
                #expect(failed.unexpectedText?.contains("run personas copy again") == true, "\(failed)")
                #expect(try stage.movedRows() == 0)
                let opened = await result { () throws(Failure) in try self.open(stage) }
                #expect(opened.configurationText?.contains("run personas copy again") == true, "\(opened)")
                let report = try await stage.move()
                #expect(!report.wasMovedBefore)
                try expectMoved(stage, before)
            }
        }

        @Test("A transaction that was undone for certain leaves the folder in use")
        func refusedCommit() async throws {
            try await MoveStage.run { stage in
                try await stage.inFolder { _ = try await $0.create("acme", images: 1...3) }
                try stage.run(
                    """
                    CREATE FUNCTION refuse_once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not now'; END $$;
                    CREATE CONSTRAINT TRIGGER refusal AFTER UPDATE ON generation DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
                    EXECUTE FUNCTION refuse_once();
                    """)
                let failed = await result { () throws(Failure) in try await stage.move() }
                #expect(failed.unexpectedText?.contains("not now") == true, "\(failed)")
                try await expectSound(stage)
                #expect(try stage.movedRows() == 0)
            }
        }

        @Test("A folder whose fate was being decided goes nowhere else before the database was asked")
        func otherTarget() async throws {
            try await MoveStage.run { stage in
                try await stage.inFolder { _ = try await $0.create("acme", images: 1...3) }
                await #expect(throws: MoveFaults.end) { try await stage.move(endingAt: .committed) }
                try await stage.server.withDatabase { name in
                    let other = MoveStage(folder: stage.folder, server: stage.server, database: name)
                    let refused = await result { () throws(Failure) in try await other.move() }
                    #expect(refused.configurationText?.contains("give these again") == true, "\(refused)")
                }
                let report = try await stage.move()
                #expect(report.wasMovedBefore)
            }
        }

        @Test("One who may write to the tables and does not own them is told so, and nothing is moved")
        func notOwner() async throws {
            try await MoveStage.run { stage in
                try await stage.inFolder { _ = try await $0.create("acme", images: 1...3) }
                let role = "role_\(stage.database)"
                try stage.run(
                    "CREATE ROLE \(role) LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO \(role); GRANT ALL ON SCHEMA public TO \(role)")
                let lock = try #require(try DataFolderLock.acquire(directory: stage.folder))
                let address = stage.server.address(of: stage.database).replacing("user=\(PostgresServer.user)", with: "user=\(role)")
                let move = try DataFolderMove(
                    of: stage.folder, toDatabase: address, media: "s3://bucket", stage.bucket, secretsKeyFile: stage.folder + "/secrets.key"
                )
                let refused = await result { () throws(Failure) in
                    try await move.move(under: lock, mayMigrate: true, for: Operator(uid: 1)) { _ in }
                }
                #expect(refused.configurationText?.contains("must be owner of table") == true, "\(refused)")
                #expect(try stage.movedRows() == 0)
                try stage.run("DROP OWNED BY \(role); DROP ROLE \(role)")
            }
        }
    }
}

extension Result where Failure == Personas.Failure {
    /// The reason of a setting that is wrong.
    var configurationText: String? {
        if case .failure(.configuration(_, let reason)) = self { reason } else { nil }
    }
}
