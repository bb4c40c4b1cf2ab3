import NIOCore

// Requests that wait for something else than their client.
extension RequestGuard {
    /// A request waits from now on. Like a client that sends nothing for a while, it leaves its place to another where places are short.
    /// - Parameter end: Has it answered as things stand.
    func beginWait(_ end: @escaping () -> Void) {
        self.endWait = end
        if self.isQuiescing || self.hasClientEnded {
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
