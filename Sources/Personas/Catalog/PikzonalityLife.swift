/// What one step of its life makes of an item, and as what it is told.
package struct ItemStep: Sendable, Equatable {
    /// The item after the step. One that the step takes away is as it was at that moment, the wish for that included.
    package let item: Pikzonality
    /// What is told of the step, which says what becomes of the item, too: whether it stays, goes into the trash or is gone.
    package let kind: EventKind

    package init(_ item: Pikzonality, _ kind: EventKind) {
        self.item = item
        self.kind = kind
    }
}

/// What has come of the wish that an item go when its training ends.
package enum Settling: Sendable, Equatable {
    /// It is in training, and goes later.
    case later(Mode)
    /// It was in training no more, and is gone for good.
    case deleted(Mode)
    /// It was in training no more, and is in the trash.
    case trashed(TrashedItem)
}

/// The life of an item. It is `processing` exactly as long as a job works for it, which is another one after each retry:
///
/// `processing → completed | failed` as its job ends, `failed` with `CANCELLED` where that was cancelled; `failed → processing` by a retry. Where its
/// owner wished it gone by the end of its training, it is gone with the end, and nobody ever sees how that was.
extension Pikzonality {
    /// What becomes of the item by what has become of its job; nil where that is nothing to see. Every end of a training leads through here.
    /// - Parameter portrait: the token of the portrait, for an item that is completed.
    package func following(_ job: TrainingJob, portrait: @autoclosure () -> RandomToken = .random(), at now: Timestamp) -> ItemStep? {
        guard status == .processing else { return nil }
        switch job.state {
        case .queued, .leased: return progressed(to: job.progress, at: now).map { ItemStep($0, .progress) }
        case .completed: return ending(.completed, completed(portrait: portrait(), at: now))
        case .failed(let error): return ending(.failed, failed(error, at: now))
        case .cancelled: return ending(.failed, failed(.cancelled(mode), at: now))
        }
    }

    private func ending(_ kind: EventKind, _ ended: Pikzonality) -> ItemStep {
        switch settlement {
        case nil: ItemStep(ended, kind)
        case .deleted: ItemStep(ended, .deleted)
        case .trash: ItemStep(ended, .trashed)
        }
    }

    /// Makes sure that there is something to cancel.
    /// - Throws: `notProcessing`.
    package func requireProcessing() throws(Failure) {
        guard status == .processing else { throw .notProcessing(mode) }
    }

    /// Makes sure that there is something to try again.
    /// - Throws: `notFailed`.
    package func requireFailed() throws(Failure) {
        guard status == .failed else { throw .notFailed(mode) }
    }

    /// The item once its training begins anew.
    /// - Parameter references: the tokens of the images that take the place of the old ones, if any do.
    /// - Throws: `notFailed`.
    package func retried(with references: ReferenceTokens?, at now: Timestamp) throws(Failure) -> ItemStep {
        try requireFailed()
        let retried = trained(at: now) { item in
            item.status = .processing
            item.progress = 0
            item.error = nil
            item.referenceTokens = references ?? item.referenceTokens
        }
        return ItemStep(retried, .retried)
    }

    /// The item in training once it is to go with the end of that. Where it was to go already, at most to another place, a client sees no change.
    package func settling(to settlement: Settlement, at now: Timestamp) -> Pikzonality {
        guard self.settlement == nil else {
            var changed = self
            changed.settlement = settlement
            return changed
        }
        return trained(at: now) { $0.settlement = settlement }
    }

    /// The item as it is kept where it goes on to be: nothing is to become of it any more.
    package var settled: Pikzonality {
        var item = self
        item.settlement = nil
        return item
    }
}

extension TrainingError {
    /// That nobody wanted the end of the training any more.
    package static func cancelled(_ mode: Mode) -> TrainingError {
        TrainingError(code: .cancelled, message: "This \(mode.rawValue) was cancelled")
    }
}
