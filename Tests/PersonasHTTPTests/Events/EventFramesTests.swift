import Foundation
import NIOCore
import Personas
import Testing

@testable import PersonasHTTP

@Suite("Frames of streams of events")
struct EventFramesTests {
    private struct Epoch: EpochStore {
        let epoch = RandomToken(text: "0123456789abcdef0123456789abcdef")!
    }

    private let frames = EventFrames(epoch: Epoch(), publicURL: PublicURL("https://a.example"))

    private func deleted(_ sequence: Int64) -> Event {
        Event(
            id: Identifier("019dd0a5-7f4d-7d2e-8c1b-5d7f8e2f3b44")!, accountID: .random(), sequence: sequence,
            type: .item(.persona, .deleted),
            at: Timestamp(text: "2026-11-21T03:29:02.456Z")!, subject: .gone(Identifier("019dd0a5-6f3c-7c1e-9b0a-4c6f7d1e2a33")!, .persona))
    }

    @Test("are what the document says, byte for byte")
    func bytes() {
        #expect("\(EventFrames.retry)" == "retry: 3000\n\n" && "\(EventFrames.ping)" == ": ping\n\n")
        #expect(String(buffer: frames.ready(at: 7)) == "id: 7.01234567\nevent: ready\ndata: {}\n\n")
        #expect(String(buffer: frames.end(at: 0)) == "id: 0.01234567\nevent: end\ndata: {}\n\n")
        #expect(String(buffer: frames.resync(.expired, at: 8)) == "id: 8.01234567\nevent: resync\ndata: {\"reason\":\"expired\"}\n\n")
        #expect(String(buffer: frames.resync(.restored, at: 8)) == "id: 8.01234567\nevent: resync\ndata: {\"reason\":\"restored\"}\n\n")
        let json =
            #"{"id":"019dd0a5-7f4d-7d2e-8c1b-5d7f8e2f3b44","sequence":4182,"type":"persona.deleted","timestamp":"2026-11-21T03:29:02.456Z","#
            + #""data":{"id":"019dd0a5-6f3c-7c1e-9b0a-4c6f7d1e2a33","mode":"persona"},"changed":[],"request_id":null}"#
        for isRecent in [true, false] {
            #expect(
                String(buffer: frames.event(deleted(4_182), isRecent: isRecent))
                    == "id: 4182.01234567\nevent: persona.deleted\ndata: \(json)\n\n")
        }
    }

    @Test("are remembered for those who follow, but never longer than what they tell of")
    func memory() {
        let event = deleted(1)
        let first = frames.event(event, isRecent: true)
        #expect(frames.event(event, isRecent: true) == first)
        // The same event once more, of an item that is still there: as it would be remembered from before it went.
        let webhook = Event(
            id: event.id, accountID: event.accountID, sequence: 1, type: .webhookDisabled, at: event.at,
            subject: .webhook(WebhookNotice(id: event.id, url: "https://example.com/hook")))
        #expect(String(buffer: frames.event(webhook, isRecent: true)).contains(#""url":"https://example.com/hook""#))
        #expect(frames.event(event, isRecent: true) == first)
    }
}
