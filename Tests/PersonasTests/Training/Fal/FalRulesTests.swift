import Testing

@testable import Personas

@Suite("What fal's answers mean")
struct FalRulesTests {
    private static let handle = FalHandle(requestID: "r-1", statusURL: "s", responseURL: "r", cancelURL: "c")
    private static let now = Timestamp(milliseconds: 1_795_000_000_000)

    private static func answer(_ status: Int, retryAfter: Int? = nil, _ edit: (inout FalFacts) -> Void = { _ in }) -> FalAnswer {
        var facts = FalFacts()
        edit(&facts)
        return .answer(status: status, retryAfterSeconds: retryAfter, facts)
    }

    @Test("Only what says that nothing was taken lets a request be sent again")
    func submissions() {
        #expect(FalRules.submission(.nothingSent, handle: nil) == .notTaken(retryAfterSeconds: nil))
        #expect(FalRules.submission(.lost, handle: nil) == .unknown)
        #expect(FalRules.submission(Self.answer(200), handle: Self.handle) == .accepted(Self.handle))
        #expect(FalRules.submission(Self.answer(200), handle: nil) == .unknown)
        for status in [408, 409, 425, 429] {
            #expect(FalRules.submission(Self.answer(status, retryAfter: 7), handle: nil) == .notTaken(retryAfterSeconds: 7))
        }
        #expect(FalRules.submission(Self.answer(503, retryAfter: 0), handle: nil) == .notTaken(retryAfterSeconds: 0))
        for status in [500, 502, 503, 504, 599] { #expect(FalRules.submission(Self.answer(status), handle: nil) == .unknown) }
        for status in [400, 413, 415, 422] {
            let refused = FalRules.submission(Self.answer(status) { $0.faults = ["bad", "worse"] }, handle: nil)
            #expect(refused == .refused(.rejected(words: "bad; worse")))
        }
        for status in [301, 401, 402, 403, 404, 405] {
            #expect(FalRules.submission(Self.answer(status) { $0.error = "secret" }, handle: nil) == .refused(.failed(words: "")))
        }
    }

    @Test("A result is a portrait, a refusal, an error, or nothing yet")
    func results() {
        #expect(FalRules.outcome(ofResult: Self.answer(200) { $0.portraitURL = "u" }, error: nil) == .portrait(url: "u"))
        #expect(FalRules.outcome(ofResult: Self.answer(200) { $0.portraitURL = "u" }, error: "oom") == .failed(words: "oom"))
        #expect(FalRules.outcome(ofResult: Self.answer(200), error: nil) == .failed(words: "the result has no portrait"))
        #expect(
            FalRules.outcome(ofResult: .answer(status: 200, retryAfterSeconds: nil, nil), error: nil)
                == .failed(words: "the result has no portrait"))
        #expect(FalRules.outcome(ofResult: Self.answer(422) { $0.faults = ["no face"] }, error: "x") == .rejected(words: "no face"))
        #expect(FalRules.outcome(ofResult: Self.answer(504), error: nil) == .overdue)
        #expect(FalRules.outcome(ofResult: Self.answer(500), error: "oom") == .failed(words: "oom"))
        for status in [408, 425, 429, 500, 502, 503] { #expect(FalRules.outcome(ofResult: Self.answer(status), error: nil) == nil) }
        for status in 401...407 {
            #expect(FalRules.outcome(ofResult: Self.answer(status) { $0.error = "secret" }, error: "secret") == .failed(words: ""))
        }
        #expect(FalRules.outcome(ofResult: Self.answer(410) { $0.error = "gone" }, error: nil) == .failed(words: "gone"))
        for answer in [FalAnswer.lost, .nothingSent] { #expect(FalRules.outcome(ofResult: answer, error: "x") == nil) }
    }

    @Test("What is too long to be an address is kept as that, and not all of it")
    func longAddresses() {
        let longest = String(repeating: "u", count: Limits.imageURLCharactersMax)
        #expect(FalRules.outcome(ofResult: Self.answer(200) { $0.portraitURL = longest }, error: nil) == .portrait(url: longest))
        let image = "data:image/png;base64," + String(repeating: "A", count: 1_000_000)
        guard case .portrait(let kept) = FalRules.outcome(ofResult: Self.answer(200) { $0.portraitURL = image }, error: nil) else {
            Issue.record("not kept")
            return
        }
        #expect(kept.utf8.count == Limits.imageURLCharactersMax + 1 && image.hasPrefix(kept))
    }

    @Test("A webhook says what came of it, or that there is something to be asked for")
    func webhooks() {
        func outcome(_ edit: (inout FalFacts) -> Void) -> FalOutcome? {
            var facts = FalFacts()
            facts.hasPayload = true
            edit(&facts)
            return FalRules.outcome(ofWebhook: facts)
        }
        #expect(outcome { ($0.status, $0.portraitURL) = (.ok, "u") } == .portrait(url: "u"))
        #expect(outcome { $0.status = .ok } == .failed(words: "the result has no portrait"))
        #expect(outcome { ($0.status, $0.hasPayload) = (.ok, false) } == nil)
        #expect(outcome { ($0.status, $0.error) = (.error, "oom") } == .failed(words: "oom"))
        #expect(outcome { ($0.status, $0.error, $0.faults) = (.error, "422", ["no face"]) } == .rejected(words: "no face"))
        // With the status that the question for the result would be answered with, it is what that would be.
        func status(_ number: String, _ edit: (inout FalFacts) -> Void = { _ in }) -> FalOutcome? {
            outcome {
                ($0.status, $0.error) = (.error, "Invalid status code: \(number)")
                edit(&$0)
            }
        }
        #expect(status("504") == .overdue)
        #expect(status("422") { $0.detail = "no face" } == .rejected(words: "no face"))
        #expect(status("500") { $0.faults = ["out of memory"] } == .failed(words: "Invalid status code: 500"))
        #expect(status("403") { $0.detail = "User is locked" } == .failed(words: ""))
        #expect(status("200") == .failed(words: "Invalid status code: 200") && status("5xx") == .failed(words: "Invalid status code: 5xx"))
        #expect(outcome { $0.status = .inQueue } == nil && outcome { _ in } == nil && FalRules.outcome(ofWebhook: nil) == nil)
    }

    @Test("A cancellation is heard by its word, and without one by its status")
    func cancellations() {
        for status in [FalStatus.ok, .cancellationRequested, .alreadyCompleted, .notFound] {
            #expect(FalRules.isClosed(Self.answer(500) { $0.status = status }))
        }
        for status in [200, 202, 400, 404] { #expect(FalRules.isClosed(Self.answer(status))) }
        for status in [401, 429, 500, 503] { #expect(!FalRules.isClosed(Self.answer(status))) }
        #expect(!FalRules.isClosed(.lost) && !FalRules.isClosed(.nothingSent))
        #expect(FalStatus(text: "CANCELLATION_REQUESTED") == .cancellationRequested && FalStatus(text: "ok") == nil)
    }

    @Test("Pauses grow, follow what fal asks for, and have an end")
    func pauses() {
        func pause(_ attempts: Int, _ asked: Int?) -> Int64 {
            (FalRules.retryAt(Self.now, attempts: attempts, retryAfterSeconds: asked).milliseconds - Self.now.milliseconds) / 1_000
        }
        #expect((1...8).map { pause($0, nil) } == [1, 2, 4, 8, 16, 32, 60, 60])
        #expect(pause(1, 7) == 7 && pause(3, 0) == 4 && pause(1, 100_000) == 300 && pause(.max, nil) == 60)
        let closings = (0...9).map { (FalRules.closeAt(Self.now, attempts: $0).milliseconds - Self.now.milliseconds) / 1_000 }
        #expect(closings == [2, 4, 8, 16, 32, 64, 128, 256, 512, 600])
    }

    @Test("A job outlasts its lease in no case")
    func leases() {
        let policy = FalRules.leasePolicy(timeoutSeconds: 3_600)
        #expect(policy == LeasePolicy(seconds: 90_000, attemptsMax: .max))
    }

    @Test("Words are shown on one line, bounded, harmless, and without a meaning that clients would see in them")
    func words() {
        #expect(FalWords.safe(["  No face\n\twas\u{0} found\u{202e} "]) == "No face was\u{fffd} found\u{fffd}")
        #expect(FalWords.safe(["one", "", "two"]) == "one; two")
        let long = FalWords.safe([String(repeating: "x", count: 100_000), "y"])
        #expect(long.unicodeScalars.count == FalWords.charactersMax)
        #expect(FalWords.safe(Array(repeating: "a", count: 100)) == "a; a; a; a; a")
        for text in [
            "Exhausted BALANCE", "no credits", "payment due", "Insufficient memory", "the training diverged", "model not ready",
            "still processing", "GPU busy", "overloaded", "Rate limit reached",
        ] {
            #expect(FalWords.safe([text]) == "", "\(text)")
        }
        #expect(FalWords.safe([]) == "")
    }

    @Test("An item's message names no other kind of item, and says what there is to say")
    func messages() {
        let outcome = FalOutcome.rejected(words: "style image is too small")
        #expect(outcome.error(of: .style)?.message == "The generation provider refused the input: style image is too small")
        #expect(outcome.error(of: .persona)?.message == "The generation provider refused the input")
        #expect(outcome.error(of: .style)?.code == .rejected)
        #expect(
            FalOutcome.failed(words: "").error(of: .persona)
                == TrainingError(code: .falError, message: "The generation provider reported an error"))
        #expect(FalOutcome.overdue.error(of: .style)?.code == .falTimeout)
        #expect(FalOutcome.portrait(url: "u").error(of: .style) == nil)
        let longest = FalOutcome.rejected(words: String(repeating: "x", count: FalWords.charactersMax)).error(of: .style)
        #expect(longest?.message.holdsMoreScalars(than: Limits.failureMessageCharactersMax) == false)
    }
}
