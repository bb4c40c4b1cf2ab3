/// How long the secret that a key had stays good beside the one that a rotation gives it.
package struct KeyOverlap: Sendable, Equatable {
    /// Time to bring the new secret to wherever the old one is used, unless an operator says otherwise.
    package static let `default` = KeyOverlap(stored: 24)
    /// Thirty days: who needs longer is better served by a second key, whose use shows by itself.
    package static let hoursMax = 720

    /// Whole hours; 0 ends the old secret at once.
    package let hours: Int

    /// - Throws: `invalid` for what is below 0 or above `hoursMax`.
    package init(hours: Int) throws(Failure) {
        guard (0...Self.hoursMax).contains(hours) else {
            throw .invalid([Violation(.overlap, "must be from 0 to \(Self.hoursMax) hours")])
        }
        self.hours = hours
    }

    private init(stored hours: Int) {
        self.hours = hours
    }
}

extension APIKey {
    /// From when on its present secret is good for nothing, if the key gets another one now. It never outlasts the key.
    /// - Throws: `keyStaysDeleted`, `keyDisabled`, `keyExpired`: another secret would be good for nothing either.
    package func endOfPresentSecret(after overlap: KeyOverlap, at now: Timestamp) throws(Failure) -> Timestamp {
        switch state {
        case .deleted: throw .keyStaysDeleted(id)
        case .disabled: throw .keyDisabled(id)
        case .active: break
        }
        let end = now.adding(seconds: overlap.hours * 3_600)
        guard let expiresAt else { return end }
        guard now < expiresAt else { throw .keyExpired(id) }
        return min(end, expiresAt)
    }
}
