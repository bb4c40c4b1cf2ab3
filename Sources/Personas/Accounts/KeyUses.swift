import Synchronization

/// The last minute in which a key was used, where a store remembers the key: what makes all uses of one minute but the first cost next to nothing.
package final class KeyUseMark: Sendable {
    private let minute = Atomic<Int64>(.min)

    /// A mark of no use.
    package init() {}

    /// Notes a use.
    /// - Returns: whether it is the first in its minute.
    fileprivate func advance(to minute: Timestamp) -> Bool {
        guard self.minute.load(ordering: .relaxed) != minute.milliseconds else { return false }
        return self.minute.exchange(minute.milliseconds, ordering: .relaxed) != minute.milliseconds
    }
}

/// The minute in which a key was used last.
package struct KeyUse: Sendable, Equatable {
    /// A use of the secret before the present one.
    package struct OfPreviousSecret: Sendable, Equatable {
        /// The minute.
        package fileprivate(set) var lastUsedAt: Timestamp
        /// Until when the secret is good, which tells it apart from one that a later rotation has made the previous one.
        package let expiresAt: Timestamp

        package init(lastUsedAt: Timestamp, expiresAt: Timestamp) {
            self.lastUsedAt = lastUsedAt
            self.expiresAt = expiresAt
        }
    }

    /// The key.
    package let keyID: Identifier
    /// The minute, whichever secret was presented.
    package private(set) var lastUsedAt: Timestamp
    /// The same of the secret before the present one, if that was presented.
    package private(set) var previousSecret: OfPreviousSecret?

    package init(keyID: Identifier, lastUsedAt: Timestamp, previousSecret: OfPreviousSecret? = nil) {
        self.keyID = keyID
        self.lastUsedAt = lastUsedAt
        self.previousSecret = previousSecret
    }

    /// This and another use of the same key as one, whichever came first.
    fileprivate mutating func merge(_ other: KeyUse) {
        lastUsedAt = max(lastUsedAt, other.lastUsedAt)
        guard let theirs = other.previousSecret else { return }
        guard let own = previousSecret, own.expiresAt == theirs.expiresAt else {
            // Of two rotations the one whose secret was in use later counts.
            if (previousSecret?.lastUsedAt ?? theirs.lastUsedAt) <= theirs.lastUsedAt { previousSecret = theirs }
            return
        }
        previousSecret?.lastUsedAt = max(own.lastUsedAt, theirs.lastUsedAt)
    }
}

/// When keys were used last, on its way into the store: kept in memory, because a write for each call would cost more than the call, and saved from
/// time to time. What was not saved when the process ends is lost.
package final class KeyUses: Sendable {
    /// Keys of one transaction, so that no other write waits for long behind it.
    package static let keysPerWriteMax = 256

    private let keys: any APIKeyStore
    /// What is to be saved: no more entries than there are keys, each of which was found in the store.
    private let unsaved = Mutex<[Identifier: KeyUse]>([:])

    init(keys: any APIKeyStore) {
        self.keys = keys
    }

    /// Notes that a call was let in.
    func note(_ found: PresentedKey, at now: Timestamp) {
        let minute = now.startOfMinute
        guard found.mark.advance(to: minute) else { return }
        var use = KeyUse(keyID: found.key.id, lastUsedAt: minute)
        if found.secret == .previous, let end = found.key.previousSecretExpiresAt {
            use = KeyUse(keyID: found.key.id, lastUsedAt: minute, previousSecret: .init(lastUsedAt: minute, expiresAt: end))
        }
        add([use])
    }

    /// Saves what was noted since the last time, if anything was. What cannot be saved is kept for the next time.
    package func save() async throws(Failure) {
        let uses = unsaved.withLock { unsaved in
            defer { unsaved = [:] }
            return unsaved
        }
        var rest = ArraySlice(uses.values)
        while !rest.isEmpty {
            do throws(Failure) {
                try await keys.record(Array(rest.prefix(Self.keysPerWriteMax)))
            } catch {
                add(rest)
                throw error
            }
            rest = rest.dropFirst(Self.keysPerWriteMax)
        }
    }

    private func add(_ uses: some Sequence<KeyUse>) {
        unsaved.withLock { unsaved in
            for use in uses { unsaved[use.keyID, default: use].merge(use) }
        }
    }
}
