import NIOCore
import Personas
import Synchronization

/// The looks of one stream at stores that answer nothing on the spot: a look begins when the stream wants to know something, and its answer is taken when the
/// stream comes again, soon.
///
/// There is one look of a kind at a time, so that however many events there are, a stream has no more than two reads under way.
final class EventLook<Question: Hashable & Sendable, Answer: Sendable>: Sendable {
    private struct State {
        var question: Question?
        /// How often the stream had been rung for when the look began.
        var ringCount = 0
        var answer: Result<Answer, Failure>?
        /// How often the stream has come in vain.
        var visits = 0
        /// When to look again at a store that could not be reached.
        var restsUntil = NIODeadline.uptimeNanoseconds(0)
    }

    /// How long a store is left alone that could not be reached.
    private static var rest: TimeAmount { .seconds(1) }
    private static var delayMillisecondsMin: Int64 { 2 }
    private static var delayDoublingsMax: Int { 6 }

    private let state = Mutex(State())

    /// When the stream is to come again: soon at first, and more seldom the longer the look takes.
    var delay: TimeAmount {
        .milliseconds(Self.delayMillisecondsMin << Int64(state.withLock { min($0.visits, Self.delayDoublingsMax) }))
    }

    /// The answer to a question, once; nil while it is not there.
    /// - Parameters:
    ///   - ringCount: how often the stream was rung for so far.
    ///   - ask: looks for it, unless that was begun before.
    /// - Returns: the answer, and how often the stream had been rung for when the look began: what was rung for since may be missing.
    /// - Throws: why there is none, unless the store may be reached soon.
    func answer(
        to question: Question, at now: NIODeadline, ringCount: Int, asking ask: @escaping @Sendable () async throws(Failure) -> Answer
    ) throws(Failure) -> (answer: Answer, ringCount: Int)? {
        let found = state.withLock { state -> (answer: Result<Answer, Failure>, ringCount: Int)? in
            if let answer = state.answer {
                let isFitting = state.question == question
                (state.question, state.answer) = (nil, nil)
                if isFitting {
                    guard case .failure(.storeBusy) = answer else {
                        state.visits = 0
                        return (answer, state.ringCount)
                    }
                    state.restsUntil = now + Self.rest
                }
            }
            state.visits += 1
            guard state.question == nil, now >= state.restsUntil else { return nil }
            (state.question, state.ringCount) = (question, ringCount)
            Task { await self.look(ask) }
            return nil
        }
        guard let found else { return nil }
        return (try found.answer.get(), found.ringCount)
    }

    private func look(_ ask: @Sendable () async throws(Failure) -> Answer) async {
        let answer: Result<Answer, Failure>
        do throws(Failure) {
            answer = .success(try await ask())
        } catch {
            answer = .failure(error)
        }
        state.withLock { $0.answer = answer }
    }
}
