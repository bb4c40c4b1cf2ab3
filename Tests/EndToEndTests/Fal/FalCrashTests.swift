import Foundation
import NIOHTTP1
import Personas
import TestFal
import TestImages
import TestSupport
import Testing

/// kill -9 at every step of a request to fal. Whatever may have cost money is never sent twice.
@Suite("Training at fal under kill -9", .timeLimit(.minutes(10)))
struct FalCrashTests {
    @Test("Between the intent and the submit: nobody can know that nothing was sent, and it ends in FAL_TIMEOUT")
    func beforeSubmit() async throws {
        // Whatever comes first is lost on its way.
        try await FalStage.run(reply: { $0 == 0 ? .silence : .accept }) { test in
            let service = try await test.serve(pollSeconds: 1, timeoutSeconds: 5)
            let id = try await test.client(service).create(name: "Lost").id
            try await eventually("the submit") { test.fal.arrivals == 1 }
            try await service.process.kill()
            let again = try await test.serve(pollSeconds: 1, timeoutSeconds: 5)
            let item = try await test.client(again).trained(id)
            #expect(item["error"]?["code"] == "FAL_TIMEOUT")
            #expect(test.fal.arrivals == 1)
        }
    }

    @Test("Between the submit and its answer: the webhook finds its request, of which the service knows no id")
    func beforeAnswer() async throws {
        try await FalStage.run(reply: { _ in .acceptInSilence }) { test in
            let service = try await test.serve()
            let id = try await test.client(service).create(name: "Unanswered").id
            let request = try await test.request()
            try await service.process.kill()
            test.fal.finish(request.id, test.result())
            let again = try await test.serve()
            try await test.fal.deliver(request.id)
            #expect(try await test.client(again).trained(id)["status"] == "completed")
            #expect(test.fal.arrivals == 1)
        }
    }

    @Test("After a webhook without a result, of a request without an id, the result is asked for")
    func unreadWebhook() async throws {
        try await FalStage.run(reply: { _ in .acceptInSilence }) { test in
            let service = try await test.serve()
            let id = try await test.client(service).create(name: "Unread").id
            let request = try await test.request()
            try await service.process.kill()
            let again = try await test.serve()
            let unread = test.fal.report(of: request.id)
            test.fal.finish(request.id, test.result())
            try await test.fal.deliver(request.id, body: unread)
            #expect(try await test.client(again).trained(id)["status"] == "completed")
            #expect(test.fal.arrivals == 1)
        }
    }

    @Test("After the answer: the webhook completes the item, or fal is asked where none comes", arguments: [true, false])
    func beforeWebhook(comes: Bool) async throws {
        try await FalStage.run { test in
            let service = try await test.serve()
            let id = try await test.client(service).create(name: "Answered").id
            let request = try await test.request()
            try await test.accepted(service)
            try await service.process.kill()
            test.fal.finish(request.id, test.result())
            let again = try await test.serve(pollSeconds: comes ? 3_600 : 1)
            if comes { try await test.fal.deliver(request.id) }
            #expect(try await test.client(again).trained(id)["status"] == "completed")
            #expect(test.fal.arrivals == 1)
        }
    }

    @Test("During the webhook, at any moment: what was answered with 200 is kept, and what was not comes again")
    func duringWebhook() async throws {
        try await FalStage.run { test in
            var random = SplitMix64(seed: 20_261_122)
            for round in 0..<6 {
                let service = try await test.serve()
                let id = try await test.client(service).create(name: "Round \(round)").id
                let request = try await test.request(round + 1)
                try await test.accepted(service)
                test.fal.finish(request.id, test.result())
                let pause = Duration.milliseconds(Int.random(in: 0...12, using: &random))
                async let kill: Void = {
                    try await Task.sleep(for: pause)
                    try await service.process.kill()
                }()
                let status = try? await test.fal.sendWebhook(of: request.id)
                try await kill
                let again = try await test.serve()
                // fal sends it again only where it was not taken.
                if status != 200 { try await test.fal.deliver(request.id) }
                #expect(try await test.client(again).trained(id)["status"] == "completed", "round \(round)")
                #expect(test.fal.arrivals == round + 1)
                try await again.process.kill()
            }
        }
    }

    @Test("Before and during the download: it is done after the restart, from what the webhook has said")
    func duringDownload() async throws {
        let signal = WakeSignal()
        try await FalStage.run(portrait: { $0 == "/held" ? .held(until: signal, Picture.png(seed: 78)) : .content([]) }) { test in
            let service = try await test.serve()
            let id = try await test.client(service).create(name: "Held").id
            let request = try await test.request()
            test.fal.finish(request.id, test.result("/held"))
            try await test.fal.deliver(request.id)
            try await eventually("the download") { test.portraits.paths == ["/held"] }
            try await service.process.kill()
            signal.notify()
            let again = try await test.serve()
            let item = try await test.client(again).trained(id)
            #expect(item["status"] == "completed")
            #expect(try await again.client().get(try #require(item["portrait_url"]?.string)).body == Picture.png(seed: 78))
            #expect(test.fal.arrivals == 1)
        }
    }

    @Test("During the cancellation: fal is told again after the restart, until it has heard")
    func duringCancellation() async throws {
        try await FalStage.run { test in
            test.fal.holdCancellations(true)
            let service = try await test.serve()
            let client = test.client(service)
            let id = try await client.create(name: "Unwanted").id
            let request = try await test.request()
            try await test.accepted(service)
            #expect(try await client.send(.POST, "/v2/personas/\(id)/cancel").status == 200)
            try await eventually("the cancellation") { test.fal.requests.first?.cancellations == 1 }
            try await service.process.kill()
            test.fal.holdCancellations(false)
            let again = try await test.serve()
            try await eventually("the cancellation again", detail: { again.process.standardError }) {
                !again.log("called off at fal").isEmpty
            }
            #expect(test.fal.requests.first?.cancellations == 2)
            test.fal.finish(request.id, test.result())
            try await test.fal.deliver(request.id)
            #expect(try await test.client(again).get("/v2/personas/\(id)").json["error"]?["code"] == "CANCELLED")
            #expect(test.fal.arrivals == 1)
        }
    }

    @Test("While fal refuses to take it: it is sent after the restart, for nothing has begun")
    func whileWaiting() async throws {
        try await FalStage.run(reply: { $0 == 0 ? .refuse(status: 429, retryAfter: 2) : .accept }) { test in
            let service = try await test.serve()
            let id = try await test.client(service).create(name: "Patient").id
            try await eventually("the refusal") { test.fal.arrivals == 1 }
            try await eventually("a note of it") { try FalRows.states(test.stage) == ["waiting"] }
            try await service.process.kill()
            let again = try await test.serve()
            let request = try await test.request()
            test.fal.finish(request.id, test.result())
            try await test.fal.deliver(request.id)
            #expect(try await test.client(again).trained(id)["status"] == "completed")
            #expect(test.fal.arrivals == 2)
        }
    }
}
