import ErrorEnvelope
import Foundation
import Personas
import Testing

@testable import PersonasCLI

@Suite("The command line's words for failures")
struct FailureWordsTests {
    private static let id = Identifier.random()

    private static let rows: [(failure: Failure, status: PersonasCLI.ExitStatus, line: String)] = [
        (
            .invalid([Violation(.name, "is required"), Violation(.label, "is odd")]), .usage,
            "VALIDATION_ERROR: NAME is required; --label is odd"
        ),
        (
            .invalidImage(ImagePosition(field: .imageBase64s, index: 1), reason: "is truncated"), .failed,
            "INVALID_IMAGE: images[1] is truncated"
        ),
        (
            .imageTooLarge(ImagePosition(field: .imageBase64s, index: 0)), .failed,
            "IMAGE_TOO_LARGE: images[0] is larger than 10485760 bytes"
        ),
        (
            .badImages(
                BadImage(ImagePosition(field: .imageBase64s, index: 0), .unusable(reason: "is truncated")),
                others: [BadImage(ImagePosition(field: .imageBase64s, index: 2), .tooLarge)]),
            .failed, "INVALID_IMAGE: images[0] is truncated; images[2] is larger than 10485760 bytes"
        ),
        (.stillProcessing(.style), .failed, "CANNOT_DELETE_PROCESSING: This style is still processing"),
        (.notFound, .failed, "NOT_FOUND: there is no such account, key, persona or style"),
        (.accountMissing, .failed, "API_USER_NOT_FOUND: the account was deleted meanwhile"),
        (.blockedContent(field: .name), .failed, "CONTENT_POLICY: NAME holds a blocked term"),
        (.nameReserved, .failed, "NAME_RESERVED: the name is reserved"),
        (.externalIDTaken(.style, id), .failed, "CONFLICT: a style with this --external-id already exists: \(id.text)"),
        (.nameTaken(.persona, id), .failed, "NAME_ALREADY_EXISTS: a persona with this name already exists: \(id.text)"),
        (
            .quotaExceeded([QuotaExcess(.items, limit: 3, used: 4), QuotaExcess(.storedBytes, limit: 9, used: 9)]), .failed,
            "QUOTA_EXCEEDED: the quota of the account is used up: 4 of 3 items are used; 9 of 9 bytes are used"
        ),
        (.invalidAmount(.own("AMOUNT")), .usage, "INVALID_AMOUNT: AMOUNT must be a whole number from 1 to 1000000000000"),
        (
            .insufficientCredits(CreditShortage(price: 3, balance: 2)), .failed,
            "INSUFFICIENT_CREDITS: the training costs 3 credits, and the account has 2"
        ),
        (
            .insufficientCredits(CreditShortage(price: 3, balance: 2, isTopUpAsked: true)), .failed,
            "INSUFFICIENT_CREDITS: the training costs 3 credits, and the account has 2; more are asked for, so try again in a while"
        ),
        (
            .topUpFailed, .failed,
            "SMART_BALANCE_PAYMENT_FAILED: the account's credits do not cover the training, and none are bought, because the last time nobody paid"
        ),
        (
            .balanceTooHigh(balance: 7), .failed,
            "CONFLICT: the account has 7 credits; grants bring it to 1000000000000000 at most"
        ),
        (.balanceTooLow(balance: 7), .failed, "CONFLICT: the account has 7 credits, and no balance is below 0"),
        (.accountNameTaken("acme"), .failed, "CONFLICT: an account named acme already exists"),
        (.keyStaysDeleted(id), .failed, "CONFLICT: the key \(id.text) was deleted, and stays so"),
        (.keyDisabled(id), .failed, "CONFLICT: the key \(id.text) is disabled; enable it first"),
        (.keyExpired(id), .failed, "CONFLICT: the key \(id.text) has expired; issue another"),
        (.configuration(setting: "port", reason: "is odd"), .configuration, "CONFIGURATION_ERROR: port: is odd"),
        (
            .tooManyRequests(.searches, retryAfterSeconds: 3), .failed,
            "TOO_MANY_REQUESTS: too many requests of this kind are waiting; try again in 3 s"
        ),
        (
            .usedUp(.fileDescriptors, retryAfterSeconds: 1), .unavailable,
            "SERVICE_UNAVAILABLE: too many files and connections are open; try again later"
        ),
        (
            .storeBusy("SQLite 5"), .unavailable,
            "SERVICE_UNAVAILABLE: nothing can be stored at the moment, and nothing was changed (SQLite 5)"
        ),
        (.mediaNotStored("write: No space"), .failed, "UPLOAD_FAILED: an image could not be stored (write: No space)"),
        (.mediaNotRemoved("unlink: Read-only"), .failed, "DELETE_FAILED: an image could not be removed (unlink: Read-only)"),
        (.unexpected("disk I/O error"), .failed, "INTERNAL_ERROR: disk I/O error"),
        (.schemaMismatch(.changed(migration: "v1")), .failed, "migration v1 was changed after it was applied"),
        (
            .schemaMismatch(.unknown(migration: "v9")), .failed,
            "migration v9 is unknown to this version: the database belongs to a newer one"
        ),
        (.schemaMismatch(.pending(migrations: ["v1", "v2"])), .failed, "pending migrations (v1, v2); run personas migrate up"),
        (
            .backupsElsewhere, .failed,
            "a shared database and its bucket are backed up by their own tools, such as pgBackRest and versions of the bucket"
        ),
        (.folderUnusable(path: "/b", .missing), .failed, "there is no folder /b"),
        (.folderUnusable(path: "/b", .unreadable), .failed, "/b is not a folder that can be read"),
        (.folderUnusable(path: "/b", .notEmpty), .failed, "the folder /b is not empty"),
        (.folderUnusable(path: "/b", .insideDataFolder), .failed, "/b: a backup must lie outside of the data folder"),
        (.folderUnusable(path: "/b", .noBackup), .failed, "/b holds no whole backup: it has no manifest.json"),
        (
            .unknownBackup("format 2"), .failed,
            "the backup belongs to a newer or changed version: format 2 is unknown to this one"
        ),
        (.damaged(.backup, Finding(.fileMissing, "a/b", "It is gone")), .failed, "the backup is damaged: a/b: It is gone"),
        (
            .damaged(.dataFolder, Finding(.fileMissing, "a/b", "It is gone")), .failed,
            "the data folder is damaged, see personas check: a/b: It is gone"
        ),
        (
            .restoreUnfinished("rename: no"), .failed,
            "the restore is not at its end, which the next opening of the data folder brings about (rename: no)"
        ),
        (.outOfDisk(path: "/b/c"), .failed, "the disk of /b/c is full"),
        (
            .file(FileFailure(operation: "open", path: "/b", reason: "Permission denied")), .failed, "open /b: Permission denied"
        ),
        (.cancelled, .failed, "interrupted; what was begun is taken back"),
    ]

    @Test(
        "say what happened, with the reason and the exit code; a failure that came through a server reads no other", arguments: rows.indices
    )
    func words(index: Int) throws {
        let row = Self.rows[index]
        let failure = CommandFailure(row.failure)
        #expect(failure.line == "personas: " + row.line)
        #expect(failure.status == row.status)
        let message = AdministrationMessage<MaintenanceReport>(failure: row.failure)
        let sent = try JSONDecoder().decode(AdministrationMessage<MaintenanceReport>.self, from: JSONEncoder().encode(message))
        #expect(sent.failure == row.failure)
        #expect(sent.reply == nil && sent.progress == nil)
    }

    @Test("name the file of an image that was read from one, and only of such")
    func imageFiles() {
        let files = ["a.jpg", "b.png", "c.webp"]
        for (index, line) in [
            (1, "INVALID_IMAGE: b.png is truncated"), (3, "INVALID_IMAGE: images[3] is truncated"),
            (nil, "INVALID_IMAGE: images is truncated"),
        ] {
            let failure = Failure.invalidImage(ImagePosition(field: .imageBase64s, index: index), reason: "is truncated")
            #expect(CommandFailure(failure, imageFiles: files).line == "personas: " + line)
        }
        let large = Failure.imageTooLarge(ImagePosition(field: .imageBase64s, index: 2))
        #expect(CommandFailure(large, imageFiles: files).line == "personas: IMAGE_TOO_LARGE: c.webp is larger than 10485760 bytes")
    }

    @Test("name the members of a seed where the input is one, which is no wrong use of the command")
    func seeds() {
        let invalid = Failure.invalid([Violation(.externalID, "is odd"), Violation(.imageBase64s, "are odd")])
        let failure = CommandFailure(invalid).ofSeed
        #expect(failure.status == .failed && failure.line == "personas: VALIDATION_ERROR: external_id is odd; images are odd")
        #expect(CommandFailure(.invalid([Violation(.specialInstructions, "is odd")])).ofSeed.message == "special_instructions is odd")
        #expect(CommandFailure(Failure.storeBusy("full")).ofSeed == CommandFailure(Failure.storeBusy("full")))
        let own = CommandFailure(.unavailable, "gone")
        #expect(own.ofSeed == own)
    }

    @Test("are for programs one line of JSON, always with a code of the catalogue")
    func json() throws {
        for (failure, code) in [
            (CommandFailure(Failure.notFound), "NOT_FOUND"), (CommandFailure(.usage, "a"), "VALIDATION_ERROR"),
            (CommandFailure(.unavailable, "a"), "SERVICE_UNAVAILABLE"), (CommandFailure(.configuration, "a"), "CONFIGURATION_ERROR"),
            (CommandFailure(Failure.backupsElsewhere), "CONFLICT"),
            (CommandFailure(.failed, "a \"quoted\"\nline, 👩‍👩‍👧 and \u{1B}[31m \u{202E}"), "CONFLICT"),
        ] {
            let object = try JSONSerialization.jsonObject(with: Data(failure.json)) as? [String: [String: String]]
            #expect(object == ["error": ["code": code, "message": failure.message]])
            #expect(!failure.json.contains { $0 < 0x20 })
            #expect(ErrorCode(rawValue: code) != nil)
        }
    }

    @Test("name the failure that no command should meet, so that it is found")
    func unforeseen() {
        let failure = CommandFailure(Failure.staleLease)
        #expect(failure.status == .failed && failure.line.contains("INTERNAL_ERROR") && failure.line.contains("staleLease"))
    }
}
