import ErrorEnvelope
import HTTPTypes
import Personas
import PersonasDB
import TestImages
import Testing

/// Deleting an item: not while it is in processing, once, and for good.
@Suite("Deleting", .serialized)
struct DeleteTests {
    @Test("takes the item, its name and its images away; a second time is 404", arguments: Mount.all)
    func delete(mount: Mount) async throws {
        try await TestService.run { service in
            let id = try await service.createCompleted(mount.mode, "Nova")
            let item = try await service.send(.get, mount.item(id))
            let links = try [#require(item.string("portrait_url"))] + #require(item.object?["reference"] as? [String])
            let media = links.map { String($0.dropFirst(TestService.baseURL.count)) }
            for path in media { #expect(try await service.send(.get, path, key: .none).status == 200) }

            let message = mount.isTyped ? "\(mount.word) deleted" : "Persona or style deleted"
            try await service.send(.delete, mount.item(id.uppercased())).expect(200, #"{"message":"\#(message)"}"#)

            for path in media { try await service.send(.get, path, key: .none).expect(404, .notFound, "Not found") }
            try await service.withoutTrace {
                try await service.send(.delete, mount.item(id)).expect(404, .notFound, "Not found")
                try await service.send(.get, mount.item(id)).expect(404, .notFound, "Not found")
                try await service.send(.patch, mount.item(id), "{}").expect(404, .notFound, "Not found")
            }
            #expect(try await service.send(.get, mount.items).items.isEmpty)
            #expect(try await service.collect() == 3)
            #expect(try await service.mediaFiles().isEmpty)
            #expect(try await service.send(.post, mount.creation, .create("NOVA")).string("id") != nil)
        }
    }

    @Test("is refused while the item is in processing, and goes after it failed", arguments: Mount.all)
    func processing(mount: Mount) async throws {
        try await TestService.run { service in
            let id = try await service.create(mount.mode, "Nova")
            let message = "This \(mount.mode) is still processing"
            try await service.withoutTrace {
                try await service.send(.delete, mount.item(id)).expect(400, .cannotDeleteProcessing, message)
            }
            let job = try #require(try await service.training.lease(limit: 1, waiting: .zero).first)
            try await service.withoutTrace {
                try await service.send(.delete, mount.item(id)).expect(400, .cannotDeleteProcessing, message)
            }
            try await service.training.fail(
                job.id, token: job.leaseToken, error: TrainingError(code: .failed, message: "It broke"), retryable: false)
            #expect(try await service.send(.delete, mount.item(id)).status == 200)
        }
    }

    @Test("of two at once one succeeds and one finds nothing")
    func twoAtOnce() async throws {
        try await TestService.run { service in
            for round in 0..<10 {
                let id = try await service.createCompleted(.persona, "Nova \(round)")
                async let first = service.send(.delete, "/v2/personas/\(id)")
                async let second = service.send(.delete, "/v2/pikzonality/\(id)")
                #expect(try await [first.status, second.status].sorted() == [200, 404])
            }
        }
    }

    @Test("leaves the images of another item alone, though they are the same bytes")
    func sharedBytes() async throws {
        try await TestService.run { service in
            let first = try await service.createCompleted(.persona, "First")
            let second = try await service.createCompleted(.style, "Second")
            let link = try #require(try await service.send(.get, "/v2/styles/\(second)").string("portrait_url"))
            #expect(try await service.send(.delete, "/v2/personas/\(first)").status == 200)
            #expect(try await service.collect() == 0)
            let image = try await service.send(.get, String(link.dropFirst(TestService.baseURL.count)), key: .none)
            #expect(image.bytes == Picture.png(seed: 1))
        }
    }
}
