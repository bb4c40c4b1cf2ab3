/// One thing that can happen in the lives of a few items: what owners, workers and the service itself do. Items and leases are numbered as they come.
package enum LifeStep: Sendable, Equatable {
    /// An owner creates an item.
    case create
    /// A worker asks for a job.
    case lease
    /// A worker gives a sign of life.
    case heartbeat(lease: Int, progress: Int?)
    /// A worker ends a job well.
    case complete(lease: Int)
    /// A worker ends a job badly.
    case fail(lease: Int, isPassing: Bool)
    /// A worker gives a job back.
    case handBack(lease: Int)
    /// The service ends what has run out.
    case expire
    /// The service starts anew after it was killed.
    case restart
    /// An owner cancels.
    case cancel(item: Int)
    /// An owner tries again, on other images or the same.
    case retry(item: Int, withImages: Bool)
    /// An owner deletes.
    case delete(item: Int)
    /// An owner wants the item gone when its training ends.
    case settle(item: Int)
    /// An owner says whether that is to be.
    case wish(item: Int, isGone: Bool)

    /// What it is called where cases are counted.
    package var name: String { String("\(self)".prefix { $0 != "(" }) }
}

/// What is said to whoever takes a step.
package enum LifeAnswer: Sendable, Hashable {
    /// It is done; a worker goes on.
    case done
    /// The worker is to stop.
    case stop
    /// A worker gets a job: that of an item.
    case leased(item: Int)
    /// There is no job.
    case nothing
    /// It is done later.
    case later
    /// A report on a lease that is none any more.
    case staleLease
    /// Nobody knows of such a thing.
    case notFound
    /// Nothing to cancel.
    case notProcessing
    /// Nothing to try again.
    case notFailed
    /// Not to be deleted now.
    case stillProcessing
    /// Against a rule.
    case invalid

    /// What it is called where cases are counted.
    package var name: String { String("\(self)".prefix { $0 != "(" }) }
}

/// How an item looks to its owner, and which of its sets of images it has.
package struct LifeView: Sendable, Equatable {
    package var status = "processing"
    package var progress = 0
    package var error: String?
    package var isGoneWhenSettled = false
    package var version = 1
    package var images = 0

    package init() {}
}

/// What is told of a step; progress aside, of which not every step is told.
package struct LifeEvent: Sendable, Equatable {
    package let item: Int
    package let kind: String
    package let changed: [String]

    package init(item: Int, kind: String, changed: [String] = []) {
        self.item = item
        self.kind = kind
        self.changed = changed
    }
}

/// Something in which items live: the rules alone, or a store.
package protocol LivingItems {
    /// Takes a step at a moment, in milliseconds.
    mutating func take(_ step: LifeStep, at now: Int64) async throws -> LifeAnswer
    /// How an item looks; nil where there is none.
    mutating func look(at item: Int) async throws -> LifeView?
    /// What was told so far.
    mutating func told() async throws -> [LifeEvent]
    /// What is otherwise than it has to be at every moment; nil where nothing is.
    mutating func fault(liveItems: [Int]) async throws -> String?
}
