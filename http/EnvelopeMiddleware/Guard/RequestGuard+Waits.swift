import NIOCore

// Requests that wait for something else than their client, before their answer or in the midst of it.
extension RequestGuard {
    /// Whether Hummingbird writes an answer that waits for something else than its client, and may be ended by the connection.
    var isStreaming: Bool { self.openAnswer != nil && self.endWait != nil }

    /// A request waits from now on. Like a client that sends nothing for a while, it leaves its place to another where places are short.
    /// - Parameter end: Has it answered as things stand.
    func beginWait(_ end: @escaping () -> Void) {
        self.endWait = end
        // A stream has no end of its own behind which another request could have its turn.
        let isFollowed = self.openAnswer != nil && self.requestsStarted > self.requestsAnswered + 1
        if self.isQuiescing || self.hasClientEnded || isFollowed {
            self.endWaiting()
        } else {
            self.place?.becomesQuiet(after: self.limits.quietDelay)
        }
    }

    /// Has the request that waits, if one does, answered as things stand.
    func endWaiting() {
        guard let end = self.endWait else { return }
        self.noteWaitAnswered()
        end()
    }

    /// The request that waited, if one did, is about to be answered.
    func noteWaitAnswered() {
        guard self.endWait != nil else { return }
        self.endWait = nil
        self.place?.becomesBusy()
    }
}
