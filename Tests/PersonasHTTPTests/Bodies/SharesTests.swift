import ErrorEnvelope
import Foundation
import HTTPTypes
import Personas
import PersonasHTTP
import Synchronization
import TestImages
import TestSupport
import Testing

/// What one account holds while its requests run, and what that leaves to the others.
@Suite("Shares", .serialized, .timeLimit(.minutes(5)))
struct SharesTests {
    private static let megabyte = 1_048_576

    /// A body of about that many bytes that is no create.
    private static func padded(_ count: Int, end: String = "}") -> TestBody {
        TestBody(#"{"name":"Nova","x":"\#(String(repeating: "x", count: count))"\#(end)"#)
    }

    /// A create by URL whose body is large.
    private static func create(_ name: String, urls: [String], padding: Int) -> TestBody {
        TestBody(
            #"{"name":"\#(name)","image_urls":\#(Picture.list(urls)),"x":"\#(String(repeating: "x", count: padding))"}"#)
    }

    /// A create whose images are large.
    private static func create(_ name: String, imageBytes: Int) -> TestBody {
        let image = Picture.base64(Picture.png(byteCount: imageBytes))
        return TestBody(#"{"name":"\#(name)","image_base64s":\#(Picture.list([image, image, image]))}"#)
    }

    /// The same as a form.
    private static func form(_ name: String, imageBytes: Int, images: Int = 3) -> MultipartForm {
        MultipartForm([("name", name)], images: Array(repeating: Picture.png(byteCount: imageBytes), count: images))
    }

    private static func configuration(bodyBytesInFlightMax: Int) -> HTTPConfiguration {
        var configuration = HTTPConfiguration()
        configuration.bodyBytesInFlightMax = bodyBytesInFlightMax
        return configuration
    }

    @Test("Places for decoding are not held while images are fetched", arguments: [1, 2])
    func placesDuringDownloads(places: Int) async throws {
        try await TestService.run(decodingPlaces: places) { service in
            let urls = (1...3).map { "https://a.test/\($0)" }
            for (index, url) in urls.enumerated() { service.fetcher.serve(url, Picture.png(seed: index)) }
            service.fetcher.answerOnlyCrowd(of: 16)
            let creates = (0..<5).map { index in
                Task { try await service.send(.post, "/v2/personas", Self.create("Slow \(index)", urls: urls, padding: Self.megabyte)) }
            }
            try await eventually("all images are asked for") { service.fetcher.fetched.count == 15 }
            // In the same account and in another, while all of the others wait for their images.
            #expect(try await service.send(.post, "/v2/personas", Self.create("Own", imageBytes: 600_000)).status == 201)
            let other = try await service.newKey(account: "other")
            #expect(try await service.send(.post, "/v2/personas", Self.create("Other", imageBytes: 600_000), key: other).status == 201)
            _ = try? await service.fetcher.fetch("https://a.test/last", before: .now + .seconds(10))
            for create in creates { #expect(try await create.value.status == 201) }
        }
    }

    @Test("Every large piece of work on a body is done by threads apart, and no small one")
    func threads() async throws {
        let threads = CountingThreads()
        try await TestService.run(decodingThreads: threads) { service in
            func works(_ method: HTTPRequest.Method, _ target: String, _ body: TestBody, key: TestService.Key = .own) async throws -> (
                Int, Int
            ) {
                let before = threads.works
                let answer = try await service.send(
                    method, target, body, key: key, headers: [try #require(HTTPField.Name("Idempotency-Key")): UUID().uuidString])
                return (answer.status, threads.works - before)
            }
            #expect(try await works(.post, "/v2/personas", .create("Small")) == (201, 0))
            #expect(try await works(.post, "/v2/personas", Self.padded(60_000)) == (400, 0))
            // The JSON with its fingerprint, the rules, and three images.
            #expect(try await works(.post, "/v2/personas", Self.create("Large", imageBytes: 100_000)) == (201, 5))
            #expect(try await works(.post, "/v2/personas", Self.padded(100_000)) == (400, 2))
            #expect(try await works(.post, "/v2/personas", Self.padded(100_000, end: "")) == (400, 1))
            #expect(try await works(.patch, "/v2/personas/\(UUID())", Self.padded(100_000)) == (404, 2))
            // Of a form, which is taken apart as it arrives, the three images alone.
            let form = Self.form("Form", imageBytes: 100_000)
            let before = threads.works
            #expect(try await service.send(form, to: "/v2/personas").status == 201)
            #expect(threads.works - before == 3)
            // Images by URL in a small body: each is checked.
            let urls = (1...3).map { "https://a.test/\($0)" }
            for url in urls { service.fetcher.serve(url, Picture.png(byteCount: 100_000)) }
            #expect(try await works(.post, "/v2/personas", Self.create("Fetched", urls: urls, padding: 0)) == (201, 3))
            let trainer = TestService.Key.text(try await service.key(scopes: [.trainer]).key)
            let job = try await service.training.lease(limit: 1, waiting: .zero)[0]
            let portrait = Picture.base64(Picture.png(byteCount: 100_000))
            let report = TestBody(#"{"lease_token":"\#(job.leaseToken.text)","portrait_base64":"\#(portrait)"}"#)
            #expect(try await works(.post, "/v2/training/\(job.id.text)/complete", report, key: trainer) == (200, 2))
        }
    }

    @Test("A refused body gives its memory back, whatever was wrong with it")
    func refusedBodies() async throws {
        let configuration = Self.configuration(bodyBytesInFlightMax: 6 * Self.megabyte)
        try await TestService.run(configuration: configuration) { service in
            let broken = String(Picture.base64(Picture.png(byteCount: 300_000)).dropLast(4))
            let images = TestBody(#"{"name":"Nova","image_base64s":\#(Picture.list([broken, broken, broken]))}"#)
            for body in Array(repeating: [Self.padded(Self.megabyte), Self.padded(Self.megabyte, end: ""), images], count: 10).joined() {
                let answer = try await service.send(.post, "/v2/personas", body)
                #expect(answer.status == 400, "\(answer.text)")
            }
            #expect(try await service.send(.post, "/v2/personas", Self.create("Nova", imageBytes: 600_000)).status == 201)
            #expect(try await service.send(.post, "/v2/styles", Self.create("Nova", imageBytes: 600_000)).status == 201)
        }
    }

    @Test("A form holds its images and nothing else, and gives them back whatever becomes of it")
    func forms() async throws {
        let configuration = Self.configuration(bodyBytesInFlightMax: 6 * Self.megabyte)
        try await TestService.run(configuration: configuration) { service in
            for _ in 0..<10 {
                #expect(try await service.send(Self.form("?", imageBytes: Self.megabyte), to: "/v2/personas").status == 400)
                #expect(try await service.send(Self.form("Nova", imageBytes: Self.megabyte, images: 1), to: "/v2/personas").status == 400)
                let answer = try await service.send(Self.form("Nova", imageBytes: 3 * Self.megabyte), to: "/v2/personas")
                answer.expect(
                    429, .tooManyRequests, "The account has too many large request bodies under way; try again when one has ended")
                #expect(answer.header("Retry-After") == "1")
            }
            // As base64 such a create would take more than there is.
            #expect(try await service.send(.post, "/v2/personas", Self.create("Nova", imageBytes: 1_900_000)).status == 429)
            #expect(try await service.send(Self.form("Nova", imageBytes: 1_900_000), to: "/v2/personas").status == 201)
        }
    }

    @Test("A request larger than all memory is refused, and small ones are not")
    func tooLarge() async throws {
        let configuration = Self.configuration(bodyBytesInFlightMax: 300_000)
        try await TestService.run(configuration: configuration) { service in
            try await service.withoutTrace {
                // By its body, and by what is decoded from it.
                for (index, body) in [Self.padded(Self.megabyte), Self.create("Nova", imageBytes: 60_000)].enumerated() {
                    let answer = try await service.send(.post, "/v2/personas", body)
                    answer.expect(
                        429, .tooManyRequests, "The account has too many large request bodies under way; try again when one has ended")
                    #expect(answer.header("Retry-After") == "1", "\(index)")
                }
            }
            for index in 0..<20 { #expect(try await service.send(.post, "/v2/personas", .create("Nova \(index)")).status == 201) }
        }
    }

    @Test("What is downloaded counts as what is sent")
    func downloads() async throws {
        let configuration = Self.configuration(bodyBytesInFlightMax: 2 * Self.megabyte)
        try await TestService.run(configuration: configuration) { service in
            let urls = (1...3).map { "https://a.test/\($0)" }
            for url in urls { service.fetcher.serve(url, Picture.png(byteCount: Self.megabyte)) }
            let answer = try await service.send(.post, "/v2/personas", Self.create("Nova", urls: urls, padding: 0))
            answer.expect(429, .tooManyRequests, "The account has too many large request bodies under way; try again when one has ended")
            for url in urls { service.fetcher.serve(url, Picture.png(byteCount: Self.megabyte / 2)) }
            for name in ["Nova", "Orion"] {
                #expect(try await service.send(.post, "/v2/personas", Self.create(name, urls: urls, padding: 0)).status == 201)
            }
        }
    }

    @Test("No place for a download is said as such, and never as a fault of the image")
    func noPlace() async throws {
        try await TestService.run { service in
            let urls = (1...3).map { "https://a.test/\($0)" }
            for url in urls { service.fetcher.serve(url, Picture.png(seed: 1)) }
            for (failure, status, code, message) in [
                (
                    Failure.tooManyRequests(.downloads, retryAfterSeconds: 1), 429, ErrorCode.tooManyRequests,
                    "The account has too many image downloads under way; try again when one has ended"
                ),
                (
                    .usedUp(.downloads, retryAfterSeconds: 1), 503, .serviceUnavailable,
                    "Too many images are being downloaded; try again later"
                ),
            ] {
                service.fetcher.refuse(urls[1], .refused(failure))
                let answer = try await service.send(
                    .post, "/v2/personas", Self.create("Nova", urls: urls, padding: 0), isFailureExpected: status == 503)
                answer.expect(status, code, message)
                #expect(answer.header("Retry-After") == "1")
            }
        }
    }
}

/// Runs work on the system's threads, and counts it.
private final class CountingThreads: TaskExecutor {
    private let count = Mutex(0)

    var works: Int { count.withLock { $0 } }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        count.withLock { $0 += 1 }
        Thread.detachNewThread { [executor = asUnownedTaskExecutor()] in job.runSynchronously(on: executor) }
    }
}
