import TestSupport
import Testing

@testable import Personas

@Suite("A request at fal")
struct FalRequestTests {
    private static let start = Timestamp(milliseconds: 1_795_000_000_000)
    private static let handle = FalHandle(requestID: "r-1", statusURL: "s", responseURL: "r", cancelURL: "c")

    private static func request() -> FalRequest { FalRequest(jobID: .random(), token: .random(), at: start) }

    private static func intended() -> FalRequest {
        var request = request()
        _ = request.intend(at: start)
        return request
    }

    /// Whether a request may be sent at a moment, and is from then on.
    private static func sends(_ request: inout FalRequest, after seconds: Int) -> Bool {
        request.intend(at: start.adding(seconds: seconds))
    }

    @Test("is sent when it is due, once, and again only where fal certainly has not taken it")
    func intents() {
        var request = Self.request()
        var sent = Self.sends(&request, after: 0)
        #expect(sent && request.state == .intended && request.attempts == 1)
        for seconds in [0, 1, 1_000_000] {
            sent = Self.sends(&request, after: seconds)
            #expect(!sent)
        }
        request.take(.notTaken(retryAt: Self.start.adding(seconds: 5)), at: Self.start)
        sent = Self.sends(&request, after: 4)
        #expect(!sent)
        sent = Self.sends(&request, after: 5)
        #expect(sent && request.attempts == 2 && request.intendedAt == Self.start)
        request.take(.accepted(Self.handle), at: Self.start)
        #expect(request.state == .submitted && request.handle == Self.handle)
        sent = Self.sends(&request, after: 1_000_000)
        #expect(!sent)
    }

    @Test("that nobody knows of is found by its webhook, with and without a result")
    func reconciled() {
        var request = Self.intended()
        request.take(.reported(.portrait(url: "u")), at: Self.start)
        #expect(request.state == .reported && request.outcome == .portrait(url: "u"))
        request = Self.intended()
        request.take(.unread(nil), at: Self.start)
        #expect(request.state == .intended)
        request.take(.unread(Self.handle), at: Self.start)
        #expect(request.state == .submitted && request.handle == Self.handle)
        // What comes twice, or another way, changes nothing.
        request.take(.unread(FalHandle(requestID: "r-2", statusURL: "", responseURL: "", cancelURL: "")), at: Self.start)
        #expect(request.handle == Self.handle)
        request.take(.reported(.overdue), at: Self.start)
        request.take(.reported(.portrait(url: "late")), at: Self.start)
        request.take(.notTaken(retryAt: Self.start), at: Self.start)
        #expect(request.state == .reported && request.outcome == .overdue)
    }

    @Test("whose job ends is closed where fal may still work on it, and over where not")
    func endOfJob() {
        var request = Self.request()
        request.followEndOfJob()
        #expect(request.state == .ended)
        request = Self.intended()
        request.take(.reported(.overdue), at: Self.start)
        request.followEndOfJob()
        #expect(request.state == .ended)
        request = Self.intended()
        request.followEndOfJob()
        #expect(request.state == .closing && request.handle == nil)
        // The answer comes while it is closed, or says that there is nothing to close.
        var other = request
        other.take(.notTaken(retryAt: Self.start), at: Self.start)
        #expect(other.state == .ended)
        request.take(.accepted(Self.handle), at: Self.start)
        #expect(request.state == .closing && request.handle == Self.handle && request.dueAt == Self.start)
        request.take(.closed, at: Self.start)
        #expect(request.state == .ended && request.dueAt == nil)
    }

    @Test("that fal does not want to hear of is left alone in the end, and one that is done is not closed")
    func closing() {
        var request = Self.intended()
        request.take(.accepted(Self.handle), at: Self.start)
        request.followEndOfJob()
        for attempt in 1..<FalRequest.closeAttemptsMax {
            request.take(.closeFailed(retryAt: Self.start.adding(seconds: attempt)), at: Self.start)
            #expect(request.state == .closing && request.attempts == attempt && request.dueAt == Self.start.adding(seconds: attempt))
        }
        var other = request
        request.take(.closeFailed(retryAt: Self.start), at: Self.start)
        #expect(request.state == .ended)
        other.take(.reported(.portrait(url: "u")), at: Self.start)
        #expect(other.state == .ended && other.outcome == nil)
    }

    @Test("is never sent after it may have been taken, and never comes back, whatever happens", arguments: 0..<200 as Range<UInt64>)
    func randomly(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var request = Self.request()
        var now = Self.start
        var isInDoubt = false
        for _ in 0..<60 {
            now = now.adding(seconds: Int.random(in: 0...3, using: &random))
            let before = request
            switch Int.random(in: 0..<9, using: &random) {
            case 0, 1:
                if request.intend(at: now) {
                    #expect(!isInDoubt)
                    isInDoubt = true
                }
            case 2: request.take(.accepted(Self.handle), at: now)
            case 3:
                request.take(.notTaken(retryAt: now.adding(seconds: 1)), at: now)
                if before.state == .intended { isInDoubt = false }
            case 4: request.take(.reported(Bool.random(using: &random) ? .overdue : .portrait(url: "u")), at: now)
            case 5: request.take(.unread(Bool.random(using: &random) ? Self.handle : nil), at: now)
            case 6: request.take(.closeFailed(retryAt: now.adding(seconds: 1)), at: now)
            case 7: request.take(.closed, at: now)
            default: if Int.random(in: 0..<6, using: &random) == 0 { request.followEndOfJob() }
            }
            let ranks: [FalRequest.State: Int] = [.waiting: 0, .intended: 0, .submitted: 1, .reported: 2, .closing: 2, .ended: 3]
            #expect(ranks[request.state, default: -1] >= ranks[before.state, default: 9])
            if before.outcome != nil { #expect(request.outcome == before.outcome) }
            if before.handle != nil { #expect(request.handle == before.handle) }
            #expect((request.dueAt != nil) == [.waiting, .closing].contains(request.state))
            #expect(request.state != .submitted || request.handle != nil)
            #expect(request.state != .reported || request.outcome != nil)
        }
    }
}
