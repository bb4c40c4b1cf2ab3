import ArgumentParser
import HTTPTypes
import Hummingbird
import NIOCore
import Synchronization
import TestSupport

/// A bucket that costs next to nothing: objects in memory, by their paths, without a look at signatures. What a real one costs is another's figure.
struct ObjectsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "objects", abstract: "Keep objects in memory, as a bucket of S3 does.")

    private static let objectBytesMax = 64 * 1_048_576
    private static let emptyListing = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
    private static let missing = "<Error><Code>NoSuchKey</Code></Error>"

    func run() async throws {
        let objects = Objects()
        let router = Router()
        router.put("**") { request, _ in
            objects.set(try await request.body.collect(upTo: Self.objectBytesMax), at: request.uri.path)
            return HTTPResponse.Status.ok
        }
        router.delete("**") { request, _ in
            objects.set(nil, at: request.uri.path)
            return HTTPResponse.Status.noContent
        }
        router.get("**") { request, _ in
            if request.uri.query?.contains("list-type") == true {
                return Response(status: .ok, body: ResponseBody(byteBuffer: ByteBuffer(string: Self.emptyListing)))
            }
            guard let object = objects[request.uri.path] else {
                return Response(status: .notFound, body: ResponseBody(byteBuffer: ByteBuffer(string: Self.missing)))
            }
            return Response(status: .ok, body: ResponseBody(byteBuffer: object))
        }
        let application = Application(
            router: router, configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: 0), serverName: nil),
            onServerRunning: { channel in Console.note("listening at http://127.0.0.1:\(channel.localAddress?.port ?? 0)") })
        try await application.runService()
    }

    private final class Objects: Sendable {
        private let content = Mutex<[String: ByteBuffer]>([:])

        subscript(path: String) -> ByteBuffer? { content.withLock { $0[path] } }

        func set(_ object: ByteBuffer?, at path: String) { content.withLock { $0[path] = object } }
    }
}
