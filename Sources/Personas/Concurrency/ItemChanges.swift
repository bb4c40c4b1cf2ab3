import Synchronization

/// What became of an item that somebody may wait for.
package struct ItemChange: Sendable, Equatable {
    /// The item.
    package let id: Identifier
    /// Whether it is no longer in processing, or no longer there, rather than only shown in another way.
    package let isSettled: Bool

    package init(_ id: Identifier, isSettled: Bool) {
        self.id = id
        self.isSettled = isSettled
    }
}

/// Tells whoever waits for an item that it has changed.
///
/// The store tells it of every change that a client can see, once that is committed; so a client that waits holds nothing of the store. Whoever watches
/// an item and reads it afterwards misses nothing. What one change costs depends on those who watch this one item alone.
package final class ItemChanges: Sendable {
    /// What is waited for.
    package enum Interest: Sendable {
        /// Whatever a client can see.
        case anyChange
        /// That the item is no longer in processing, or no longer there.
        case settlement
    }

    /// One that watches an item.
    package final class Watch: Sendable, Hashable {
        /// The item.
        fileprivate let id: Identifier
        fileprivate let accountID: Identifier
        fileprivate let interest: Interest
        fileprivate let wake: @Sendable (Int) -> Void

        fileprivate init(
            _ id: Identifier, of accountID: Identifier, for interest: Interest, _ wake: @escaping @Sendable (Int) -> Void
        ) {
            self.id = id
            self.accountID = accountID
            self.interest = interest
            self.wake = wake
        }

        /// Whether it is the same one.
        package static func == (left: Watch, right: Watch) -> Bool { left === right }

        /// Tells it from others.
        package func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
    }

    /// What others are told of.
    package enum News: Sendable, Equatable {
        /// An item has changed.
        case item(ItemChange)
        /// An account is gone with all that it had.
        case accountGone(Identifier)
    }

    private let watches = Mutex<[Identifier: Set<Watch>]>([:])
    private let forward = Mutex<(@Sendable (News) -> Void)?>(nil)

    /// Changes that nobody watches yet.
    package init() {}

    /// How many watch an item.
    package var watchCount: Int { watches.withLock { $0.values.reduce(0) { $0 + $1.count } } }

    /// Begins to watch an item, whether or not there is one.
    /// - Parameter wake: called from any thread for each change that is of interest, and to return at once. It is told how many others the same
    ///   change has woken before, so that very many need not all do something in the same moment.
    package func watch(
        _ id: Identifier, of accountID: Identifier, for interest: Interest, _ wake: @escaping @Sendable (_ before: Int) -> Void
    ) -> Watch {
        let watch = Watch(id, of: accountID, for: interest, wake)
        _ = watches.withLock { $0[id, default: []].insert(watch) }
        return watch
    }

    /// Ends a watch. A call of its `wake` may still be under way.
    package func end(_ watch: Watch) {
        watches.withLock { watches in
            watches[watch.id]?.remove(watch)
            if watches[watch.id]?.isEmpty == true { watches[watch.id] = nil }
        }
    }

    /// Has something done with all that becomes known in this process: what tells other processes of it. Called from any thread, and to return at
    /// once.
    package func forward(_ forward: @escaping @Sendable (News) -> Void) { self.forward.withLock { $0 = forward } }

    /// Wakes those who watch an item that has changed, here and wherever it is forwarded to.
    package func notify(_ change: ItemChange?) {
        guard let change else { return }
        tell(.item(change))
    }

    /// Wakes those who watch an item of an account that is gone with all that it had, here and wherever it is forwarded to.
    package func notify(accountGone accountID: Identifier) { tell(.accountGone(accountID)) }

    /// Wakes those of this process whom news concern that another one has told of. An account that is gone alone has all watches looked at.
    package func receive(_ news: News) {
        switch news {
        case .item(let change):
            guard let watching = watches.withLock({ $0[change.id] }) else { return }
            Self.wake(watching.lazy.filter { change.isSettled || $0.interest == .anyChange })
        case .accountGone(let accountID):
            Self.wake(watches.withLock { watches in watches.values.flatMap { $0.filter { $0.accountID == accountID } } })
        }
    }

    /// Wakes all of this process, because news may have been missed.
    package func receiveAll() { Self.wake(watches.withLock { watches in watches.values.flatMap { Array($0) } }) }

    private func tell(_ news: News) {
        receive(news)
        forward.withLock { $0 }?(news)
    }

    private static func wake(_ watching: some Sequence<Watch>) {
        for (before, watch) in watching.enumerated() { watch.wake(before) }
    }
}
