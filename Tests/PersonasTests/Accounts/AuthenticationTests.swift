import Personas
import Testing

@Suite("Authentication")
struct AuthenticationTests {
    static let secret = "pkz_0123456789"
    static let keyID = Identifier.random()
    static let accountID = Identifier.random()

    static func key(_ state: APIKey.State = .active, scopes: Set<Scope> = [.read, .write], expiresAt: Timestamp? = nil) -> APIKey {
        APIKey(
            id: keyID, accountID: accountID, prefix: "pkz_0123", label: nil, scopes: scopes, state: state, createdAt: .now,
            expiresAt: expiresAt)
    }

    static func account(isSuspended: Bool = false, hasAPIAccess: Bool = true) -> Account {
        Account(id: accountID, name: "demo", isSuspended: isSuspended, hasAPIAccess: hasAPIAccess, createdAt: .now)
    }

    /// Everything that can be wrong with a call, from the first refusal to the last.
    enum Fault: Int, CaseIterable {
        case missing, malformed, unknown, deleted, disabled, expired, accountGone, suspended, withoutAccess

        var failure: Failure {
            switch self {
            case .missing: .missingAPIKey
            case .malformed: .malformedAPIKey
            case .unknown: .unknownAPIKey
            case .deleted: .deletedAPIKey
            case .disabled: .inactiveAPIKey
            case .expired: .expiredAPIKey
            case .accountGone: .accountMissing
            case .suspended: .accountSuspended
            case .withoutAccess: .apiAccessDisabled
            }
        }
    }

    @Test("Of several things that are wrong the first in the documented order is told", arguments: Fault.allCases, Fault.allCases)
    func order(one: Fault, other: Fault) async {
        let faults: Set<Fault> = [one, other]
        let presented: String? = faults.contains(.missing) ? nil : faults.contains(.malformed) ? "sk_0123456789" : Self.secret
        let state: APIKey.State = faults.contains(.deleted) ? .deleted : faults.contains(.disabled) ? .disabled : .active
        let account = Self.account(isSuspended: faults.contains(.suspended), hasAPIAccess: !faults.contains(.withoutAccess))
        let key = Self.key(state, expiresAt: faults.contains(.expired) ? .now : nil)
        let found = faults.contains(.unknown) ? nil : PresentedKey(key: key, account: faults.contains(.accountGone) ? nil : account)
        let store = AnsweringKeyStore(.success(found))
        let first = one.rawValue <= other.rawValue ? one : other
        await #expect(throws: first.failure) { try await Authentication(keys: store).caller(presenting: presented) }
        #expect(throws: first.failure) { try Authentication(keys: store).callerNow(presenting: presented) }
        let isAsked = !faults.contains(.missing) && !faults.contains(.malformed)
        #expect(store.askedFor == (isAsked ? [Self.secret, Self.secret] : []), "What cannot be a key costs no look into the store")
    }

    @Test(
        "Every state of key and account",
        arguments: [
            (.active, account(), nil),
            (.active, account(hasAPIAccess: false), .apiAccessDisabled),
            (.active, account(isSuspended: true), .accountSuspended),
            (.active, account(isSuspended: true, hasAPIAccess: false), .accountSuspended),
            (.active, nil, .accountMissing),
            (.disabled, account(), .inactiveAPIKey),
            (.disabled, account(isSuspended: true), .inactiveAPIKey),
            (.disabled, nil, .inactiveAPIKey),
            (.deleted, account(), .deletedAPIKey),
            (.deleted, account(hasAPIAccess: false), .deletedAPIKey),
            (.deleted, nil, .deletedAPIKey),
        ] as [(APIKey.State, Account?, Failure?)])
    func states(state: APIKey.State, account: Account?, failure: Failure?) async throws {
        let authentication = Authentication(keys: AnsweringKeyStore(.success(PresentedKey(key: Self.key(state), account: account))))
        if let failure {
            await #expect(throws: failure) { try await authentication.caller(presenting: Self.secret) }
            #expect(throws: failure) { try authentication.callerNow(presenting: Self.secret) }
        } else {
            let caller = try await authentication.caller(presenting: Self.secret)
            #expect(caller == Caller(accountID: Self.accountID, keyID: Self.keyID, scopes: [.read, .write]))
            #expect(try authentication.callerNow(presenting: Self.secret) == caller)
        }
        #expect(authentication.knownKeyIDNow(presenting: Self.secret) == .known(Self.keyID), "whatever state it is in")
    }

    @Test(
        "What does not begin with pkz_ is malformed, nothing at all is missing",
        arguments: [
            (nil, .missingAPIKey), ("", .missingAPIKey), (" ", .malformedAPIKey), ("pkz", .malformedAPIKey),
            ("PKZ_0123456789", .malformedAPIKey),
            (" pkz_0123456789", .malformedAPIKey), ("Bearer pkz_0123456789", .malformedAPIKey), ("pkz-0123456789", .malformedAPIKey),
            ("pkz_\u{301}", .unknownAPIKey), ("pk\u{301}z_", .malformedAPIKey), ("pkz_", .unknownAPIKey),
            ("pkz_0123456789", .unknownAPIKey), ("pkz_ü", .unknownAPIKey),
        ] as [(String?, Failure)])
    func form(presented: String?, failure: Failure) async {
        let authentication = Authentication(keys: AnsweringKeyStore(.success(nil)))
        await #expect(throws: failure) { try await authentication.caller(presenting: presented) }
        #expect(throws: failure) { try authentication.callerNow(presenting: presented) }
        #expect(authentication.knownKeyIDNow(presenting: presented) == .unknown)
    }

    @Test("A look-up that would take waiting lets nobody in and refuses nobody; what cannot be a key is refused all the same")
    func waits() throws {
        let store = AnsweringKeyStore(.success(PresentedKey(key: Self.key(), account: Self.account())), waits: true)
        let authentication = Authentication(keys: store)
        #expect(try authentication.callerNow(presenting: Self.secret) == nil)
        #expect(authentication.knownKeyIDNow(presenting: Self.secret) == .waits)
        #expect(throws: Failure.missingAPIKey) { try authentication.callerNow(presenting: nil) }
        #expect(throws: Failure.malformedAPIKey) { try authentication.callerNow(presenting: "sk_0123456789") }
        #expect(throws: Failure.unknownAPIKey) { try authentication.callerNow(presenting: "pkz_" + String(repeating: "x", count: 39)) }
    }

    @Test("A text longer than every key is unknown without a look into the store")
    func longerThanAnyKey() async {
        let store = AnsweringKeyStore(.success(PresentedKey(key: Self.key(), account: Self.account())))
        let longest = "pkz_" + String(repeating: "x", count: 38)
        for text in [longest + "x", "pkz_" + String(repeating: "\u{301}\u{323}", count: 100_000)] {
            await #expect(throws: Failure.unknownAPIKey) { try await Authentication(keys: store).caller(presenting: text) }
            #expect(throws: Failure.unknownAPIKey) { try Authentication(keys: store).callerNow(presenting: text) }
        }
        #expect(store.askedFor == [])
        await #expect(throws: Never.self) { try await Authentication(keys: store).caller(presenting: longest) }
        #expect(store.askedFor == [longest])
    }

    @Test("A failure of the store is passed on and lets no caller in")
    func storeFails() async {
        let store = AnsweringKeyStore(.failure(.unexpected("disk")))
        await #expect(throws: Failure.unexpected("disk")) { try await Authentication(keys: store).caller(presenting: Self.secret) }
        #expect(throws: Failure.unexpected("disk")) { try Authentication(keys: store).callerNow(presenting: Self.secret) }
        #expect(Authentication(keys: store).knownKeyIDNow(presenting: Self.secret) == .unknown)
    }

    @Test("A caller may do what the key's scopes say and nothing else")
    func scopes() async throws {
        let subsets: [Set<Scope>] = [
            [], [.read], [.write], [.trainer], [.read, .write], [.read, .trainer], [.write, .trainer], [.read, .write, .trainer],
        ]
        for granted in subsets {
            let store = AnsweringKeyStore(.success(PresentedKey(key: Self.key(scopes: granted), account: Self.account())))
            let caller = try await Authentication(keys: store).caller(presenting: Self.secret)
            for scope in Scope.allCases {
                if granted.contains(scope) {
                    #expect(throws: Never.self) { try caller.require(scope) }
                } else {
                    #expect(throws: Failure.scopeMissing(scope)) { try caller.require(scope) }
                }
            }
        }
        #expect(APIKey.defaultScopes == [.read, .write])
    }
}
