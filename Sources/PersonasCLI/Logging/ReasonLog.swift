import Personas
import Synchronization

/// Remembers why something does not go well, so that each reason is logged once until it goes well again.
final class ReasonLog: Sendable {
    /// Subjects whose reasons are remembered; beyond that all are forgotten, and logged again.
    private static let subjectsMax = 10_000

    private let reasons = Mutex<[Identifier?: String]>([:])

    /// Takes note of how something goes.
    /// - Parameters:
    ///   - reason: why it does not go well; nil where it does.
    ///   - subject: with whom; nil with nobody, which is not so any more as soon as anything is known of anybody.
    ///   - log: called where that is news.
    func note(_ reason: String?, of subject: Identifier?, _ log: (String) -> Void) {
        let isNew = reasons.withLock { reasons in
            if subject != nil { reasons[nil] = nil }
            let before = reasons.removeValue(forKey: subject)
            guard let reason else { return false }
            if reasons.count >= Self.subjectsMax { reasons = [:] }
            reasons[subject] = reason
            return before != reason
        }
        if isNew, let reason { log(reason) }
    }
}
