import ErrorEnvelope
import HTTPTypes
import Personas
import PersonasHTTP
import TestImages
import TestSupport
import Testing

/// Creates that run into one another.
@Suite("Creates at once", .serialized)
struct ConcurrentCreateTests {
    @Test("two of one name: one is made, the other is told its id, whatever both saw before", arguments: Mount.all)
    func oneName(mount: Mount) async throws {
        try await TestService.run { service in
            for index in 1...3 { service.fetcher.serve("https://a.test/\(index)", Picture.png(seed: index)) }
            // Both have passed the look at the name before either gets an image.
            service.fetcher.answerOnlyCrowd(of: 6)
            @Sendable func create(_ name: String) async throws -> Answer {
                let urls = Picture.list((1...3).map { "https://a.test/\($0)" })
                return try await service.send(.post, mount.creation, TestBody(#"{"name":"\#(name)","image_urls":\#(urls)}"#))
            }
            async let first = create("Nova")
            async let second = create("NOVA")
            let answers = try await [first, second]
            let made = try #require(answers.first { $0.status < 300 })
            let refused = try #require(answers.first { $0.status >= 300 })
            let message = "A \(mount.mode) with this name already exists"
            refused.expect(409, .nameAlreadyExists, message, details: #"{"field":"name","message":"\#(message)","id":"<id 1>"}"#)
            let id = try #require(made.string("id"))
            #expect(refused.text.contains(id))
            #expect(try await service.footprint().items.map(\.id.text) == [id])
            #expect(try await service.training.lease(limit: 10, waiting: .zero).count == 1)
        }
    }

    @Test("twenty of one name: one is made, and all the others name it")
    func manyOfOneName() async throws {
        try await TestService.run(configuration: .crowd(64)) { service in
            let answers = try await withThrowingTaskGroup(of: Answer.self) { group in
                for _ in 0..<20 { group.addTask { try await service.send(.post, "/v2/styles", .create("Paper")) } }
                return try await group.reduce(into: [Answer]()) { $0.append($1) }
            }
            #expect(answers.filter { $0.status == 201 }.count == 1)
            #expect(answers.filter { $0.status == 409 }.count == 19)
            let id = try #require(answers.first { $0.status == 201 }?.string("id"))
            #expect(answers.allSatisfy { $0.text.contains(id) })
            #expect(try await service.footprint().items.count == 1)
        }
    }

    @Test("many of different names are all made, each once")
    func manyNames() async throws {
        try await TestService.run(configuration: .crowd(64)) { service in
            let ids = try await withThrowingTaskGroup(of: String.self) { group in
                for index in 0..<40 { group.addTask { try await service.create(.persona, "Nova \(index)") } }
                return try await group.reduce(into: Set<String>()) { $0.insert($1) }
            }
            #expect(ids.count == 40)
            #expect(Set(try await service.footprint().items.map(\.id.text)) == ids)
            #expect(try await service.mediaFiles().count == 3)
        }
    }

    @Test("an account that is deleted while its create fetches images gets nothing")
    func accountGoes() async throws {
        try await TestService.run { service in
            for index in 1...3 { service.fetcher.serve("https://a.test/\(index)", Picture.png(seed: index)) }
            service.fetcher.answerOnlyCrowd(of: 4)
            let key = try await service.newKey(account: "short-lived")
            async let answer = service.send(
                .post, "/v2/personas", #"{"name":"Nova","image_urls":["https://a.test/1","https://a.test/2","https://a.test/3"]}"#, key: key
            )
            try await eventually("the images are asked for") { service.fetcher.fetched.count == 3 }
            _ = try await service.administration.perform(DeleteAccount(name: "short-lived"))
            // One more question, and the crowd is complete.
            _ = try? await service.fetcher.fetch("https://a.test/4", before: .now + .seconds(10))
            try await answer.expect(404, .apiUserNotFound, "The account of this API key was not found")
            #expect(try await service.footprint().items.isEmpty)
        }
    }

    @Test("large bodies wait for one another, and none that was refused keeps its place")
    func largeBodies() async throws {
        try await TestService.run(decodingPlaces: 1) { service in
            let image = Picture.base64(Picture.png(byteCount: 600_000))
            let bad = String(image.dropLast(4))
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<6 {
                    group.addTask {
                        let isGood = index.isMultiple(of: 2)
                        let images = Picture.list(isGood ? [image, image, image] : [bad, bad, bad])
                        let body = TestBody(#"{"name":"Nova \#(index)","image_base64s":\#(images)\#(index == 5 ? "x" : "")}"#)
                        let answer = try await service.send(.post, "/v2/personas", body)
                        #expect(answer.status == (isGood ? 201 : 400))
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await service.footprint().items.count == 3)
        }
    }
}
