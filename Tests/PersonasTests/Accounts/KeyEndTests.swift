import TestSupport
import Testing

@testable import Personas

@Suite("The end of a key and of its secrets")
struct KeyEndTests {
    private static let start = Timestamp(milliseconds: 1_795_000_020_000)
    private static let account = Account(id: .random(), name: "demo", isSuspended: false, hasAPIAccess: true, createdAt: start)
    private static let text = "pkz_0123456789"

    private static func key(
        _ state: APIKey.State = .active, expiresAt: Timestamp? = nil, previousSecretExpiresAt: Timestamp? = nil
    ) -> APIKey {
        APIKey(
            id: .random(), accountID: account.id, prefix: "pkz_0123", label: nil, scopes: [.read], state: state, createdAt: start,
            expiresAt: expiresAt, previousSecretExpiresAt: previousSecretExpiresAt)
    }

    @Test(
        "A key that was found long ago is let in until its end, and not from then on, by both ways; one without an end for ever",
        arguments: [PresentedKey.Secret.present, .previous, .older], [nil, 60] as [Int?])
    func ends(secret: PresentedKey.Secret, seconds: Int?) async throws {
        let clock = Shared(Self.start)
        let end = seconds.map { Self.start.adding(seconds: $0) }
        let key =
            secret == .present ? Self.key(expiresAt: end) : Self.key(previousSecretExpiresAt: end ?? Self.start.adding(seconds: 1_000))
        let store = AnsweringKeyStore(.success(PresentedKey(key: key, account: Self.account, secret: secret)))
        let authentication = Authentication(keys: store, clock: WallClock { clock.value })
        func isLetIn() async throws -> Bool {
            let isLetIn: Bool
            do {
                isLetIn = try await authentication.caller(presenting: Self.text).keyID == key.id
            } catch {
                #expect(error == .expiredAPIKey)
                isLetIn = false
            }
            #expect((try? authentication.callerNow(presenting: Self.text)?.keyID) == (isLetIn ? key.id : nil))
            if !isLetIn { #expect(throws: Failure.expiredAPIKey) { try authentication.callerNow(presenting: Self.text) } }
            #expect(authentication.knownKeyIDNow(presenting: Self.text) == .known(key.id), "whatever has ended")
            return isLetIn
        }
        #expect(try await isLetIn() == (secret != .older))
        clock.withLock { $0 = Timestamp(milliseconds: (end ?? Self.start.adding(seconds: 1_000)).milliseconds - 1) }
        #expect(try await isLetIn() == (secret != .older))
        clock.withLock { $0 = Self.start.adding(seconds: seconds ?? 1_000) }
        #expect(try await isLetIn() == (secret == .present && seconds == nil))
        clock.withLock { $0 = Self.start.adding(seconds: 100_000_000) }
        #expect(try await isLetIn() == (secret == .present && seconds == nil))
    }

    @Test("A previous secret does not outlast its key, and one of a key that has none is good for nothing")
    func previousOfEndedKey() {
        let later = Self.start.adding(seconds: 10)
        for (key, isCurrent) in [
            (Self.key(expiresAt: Self.start, previousSecretExpiresAt: later), false), (Self.key(), false),
            (Self.key(expiresAt: later, previousSecretExpiresAt: later), true),
        ] {
            #expect(PresentedKey(key: key, account: nil, secret: .previous).isCurrent(at: Self.start) == isCurrent)
        }
    }

    @Test(
        "The overlap is from 0 to 720 hours, and ends with the key at the latest",
        arguments: [(0, nil, 0), (1, nil, 3_600), (24, nil, 86_400), (720, nil, 2_592_000), (24, 3_600, 3_600), (1, 86_400, 3_600)]
            as [(Int, Int?, Int)])
    func overlap(hours: Int, keySeconds: Int?, seconds: Int) throws {
        let key = Self.key(expiresAt: keySeconds.map { Self.start.adding(seconds: $0) })
        let end = try key.endOfPresentSecret(after: try KeyOverlap(hours: hours), at: Self.start)
        #expect(end == Self.start.adding(seconds: seconds))
    }

    @Test("An overlap out of bounds is refused", arguments: [-1, 721, Int.min, .max])
    func overlapBounds(hours: Int) {
        #expect(throws: Failure.invalid([Violation(.overlap, "must be from 0 to 720 hours")])) { try KeyOverlap(hours: hours) }
    }

    @Test("A key that is good for nothing is given no other secret")
    func unusable() {
        let (deleted, disabled) = (Self.key(.deleted), Self.key(.disabled, expiresAt: Self.start))
        let expired = Self.key(expiresAt: Self.start)
        for (key, failure) in [
            (deleted, Failure.keyStaysDeleted(deleted.id)), (disabled, .keyDisabled(disabled.id)), (expired, .keyExpired(expired.id)),
        ] {
            #expect(throws: failure) { try key.endOfPresentSecret(after: .default, at: Self.start) }
        }
    }
}

@Suite("The last use of keys")
struct KeyUsesTests {
    /// The beginning of a minute.
    private static let minute = Timestamp(milliseconds: 1_795_000_020_000)
    private static let text = "pkz_0123456789"

    /// What lets callers in, at a time of the test's.
    private struct Scene {
        let clock = Shared(KeyUsesTests.minute)
        let store: AnsweringKeyStore
        let authentication: Authentication
        let key: APIKey

        init(secret: PresentedKey.Secret = .present, isSuspended: Bool = false) {
            let account = Account(
                id: .random(), name: "demo", isSuspended: isSuspended, hasAPIAccess: true, createdAt: KeyUsesTests.minute)
            key = APIKey(
                id: .random(), accountID: account.id, prefix: "pkz_0123", label: nil, scopes: [.read], state: .active,
                createdAt: KeyUsesTests.minute, previousSecretExpiresAt: KeyUsesTests.minute.adding(seconds: 600))
            store = AnsweringKeyStore(.success(PresentedKey(key: key, account: account, secret: secret)))
            authentication = Authentication(keys: store, clock: WallClock { [clock] in clock.value })
        }

        func use(after seconds: Int) async throws {
            clock.withLock { $0 = KeyUsesTests.minute.adding(seconds: seconds) }
            _ = try await authentication.caller(presenting: KeyUsesTests.text)
            _ = try authentication.callerNow(presenting: KeyUsesTests.text)
        }
    }

    @Test("What is used is saved once, as the minute of the last use; what is not used is not written")
    func saving() async throws {
        let scene = Scene()
        try await scene.authentication.uses.save()
        #expect(scene.store.recorded.isEmpty)
        for second in [0, 1, 59, 60, 61] { try await scene.use(after: second) }
        try await scene.authentication.uses.save()
        try await scene.authentication.uses.save()
        #expect(scene.store.recorded == [[KeyUse(keyID: scene.key.id, lastUsedAt: Self.minute.adding(seconds: 60))]])
        // The same minute is known already.
        try await scene.use(after: 119)
        try await scene.authentication.uses.save()
        #expect(scene.store.recorded.count == 1)
        try await scene.use(after: 120)
        try await scene.authentication.uses.save()
        #expect(scene.store.recorded.last == [KeyUse(keyID: scene.key.id, lastUsedAt: Self.minute.adding(seconds: 120))])
    }

    @Test("The previous secret's use is the key's, and told apart by its end")
    func previousSecret() async throws {
        let scene = Scene(secret: .previous)
        try await scene.use(after: 30)
        try await scene.authentication.uses.save()
        let previous = KeyUse.OfPreviousSecret(lastUsedAt: Self.minute, expiresAt: Self.minute.adding(seconds: 600))
        #expect(scene.store.recorded == [[KeyUse(keyID: scene.key.id, lastUsedAt: Self.minute, previousSecret: previous)]])
    }

    @Test("A call that is refused, and a look that lets nobody in, are no use")
    func refused() async throws {
        let scene = Scene(isSuspended: true)
        await #expect(throws: Failure.accountSuspended) { try await scene.authentication.caller(presenting: Self.text) }
        _ = await scene.authentication.knownKeyID(presenting: Self.text)
        _ = scene.authentication.knownKeyIDNow(presenting: Self.text)
        let older = Scene(secret: .older)
        #expect(throws: Failure.expiredAPIKey) { try older.authentication.callerNow(presenting: Self.text) }
        for scene in [scene, older] {
            try await scene.authentication.uses.save()
            #expect(scene.store.recorded.isEmpty)
        }
    }

    @Test("What cannot be saved is saved the next time, with what came meanwhile")
    func failing() async throws {
        let scene = Scene()
        try await scene.use(after: 0)
        scene.store.failWrites(with: .storeBusy("locked"))
        await #expect(throws: Failure.storeBusy("locked")) { try await scene.authentication.uses.save() }
        await #expect(throws: Failure.storeBusy("locked")) { try await scene.authentication.uses.save() }
        try await scene.use(after: 60)
        scene.store.failWrites(with: nil)
        try await scene.authentication.uses.save()
        #expect(scene.store.recorded == [[KeyUse(keyID: scene.key.id, lastUsedAt: Self.minute.adding(seconds: 60))]])
    }

    @Test("Many keys are saved in several writes, each a bounded one")
    func bounded() async throws {
        let count = 2 * KeyUses.keysPerWriteMax + 1
        let store = AnsweringKeyStore(.success(nil))
        let uses = KeyUses(keys: store)
        for _ in 0..<count {
            let key = APIKey(
                id: .random(), accountID: .random(), prefix: "pkz_0123", label: nil, scopes: [], state: .active, createdAt: Self.minute)
            uses.note(PresentedKey(key: key, account: nil), at: Self.minute)
        }
        try await uses.save()
        #expect(store.recorded.map(\.count) == [KeyUses.keysPerWriteMax, KeyUses.keysPerWriteMax, 1])
        #expect(Set(store.recorded.joined().map(\.keyID)).count == count)
    }
}
