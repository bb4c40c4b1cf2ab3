package import AsyncHTTPClient
package import CoreMetrics
import Crypto
import NIOPosix
package import Personas

/// Blobs as objects of a bucket, which several processes share; see `ObjectName`.
///
/// No name is ever used twice, for each key has an object's id of its own: a removal that comes late hurts nobody.
package final class S3ObjectStore: BlobStore {
    /// Bytes whose digest takes less time than going to another thread and back.
    private static let smallBytesMax = 16_384

    private let client: S3Client

    /// Connects to nobody yet.
    /// - Parameters:
    ///   - client: whose connections are used; nil for those of its own, which `close` must end. One that is given must not follow redirects.
    ///   - clock: what requests are dated by.
    package init(
        location: S3Location, credentials: S3Credentials, client: HTTPClient? = nil, bounds: S3Bounds = S3Bounds(),
        clock: WallClock = .system, factory: any MetricsFactory
    ) {
        self.client = S3Client(
            location: location, credentials: credentials, client: client, bounds: bounds, clock: clock, metrics: S3Metrics(factory: factory)
        )
    }

    /// Ends its connections. No call may follow.
    package func close() async { await client.close() }

    /// Asks whether the bucket is there, and these credentials may list it, which is what a start and a check want to know.
    /// - Throws: `unexpected` with S3's word for why not, `storeBusy`, `usedUp`, `cancelled`.
    package func probe() async throws(Failure) {
        _ = try await page(of: client.location.prefix, count: 1, after: nil)
    }

    package func digest(of bytes: [UInt8]) async throws(Failure) -> [UInt8] {
        guard bytes.count > Self.smallBytesMax else { return Array(SHA256.hash(data: bytes)) }
        do {
            return try await NIOThreadPool.singleton.runIfActive { Array(SHA256.hash(data: bytes)) }
        } catch {
            throw .mediaNotStored("\(error)")
        }
    }

    /// - Throws: `storeBusy`, `usedUp`, `unexpected`, `cancelled`. In each case the object may be there all the same.
    package func put(_ bytes: [UInt8], under key: BlobKey) async throws(Failure) {
        let request = S3Request.put(
            bytes, digest: key.digest, name: try ObjectName.name(of: key, in: client.location), encryption: client.location.encryption)
        switch try await client.answer(to: request) {
        case .done: break
        // An earlier try has come through. Nothing else is ever written under the name.
        case .refused(let refusal) where refusal.status == 412: break
        case .refused(let refusal): throw client.failure(of: refusal, for: .put)
        }
    }

    /// Asks for the whole object, and holds the answer until it is read: so one request does for most readings, and deleting the object meanwhile
    /// does not cut them off.
    package func open(_ key: BlobKey) async throws(Failure) -> any Blob { try await openObject(key) }

    package func isIntact(_ key: BlobKey) async throws(Failure) -> Bool {
        let object = try await openObject(key)
        var digest = SHA256()
        do {
            _ = try await object.read(0..<Int.max, isTailWanted: true) { digest.update(data: $0) }
        } catch let failure as Failure {
            throw failure
        } catch {
            throw .cancelled
        }
        return Array(digest.finalize()) == key.digest
    }

    private func openObject(_ key: BlobKey) async throws(Failure) -> S3Blob {
        try await S3Blob.open(try ObjectName.name(of: key, in: client.location), by: client)
    }

    package func delete(_ key: BlobKey) async throws(Failure) {
        let name = try ObjectName.name(of: key, in: client.location)
        let reply: S3Client.Reply<[UInt8]>
        do throws(Failure) {
            reply = try await client.answer(to: .delete(name))
        } catch {
            guard case .storeBusy(let reason) = error else { throw error }
            throw .mediaNotRemoved(reason)
        }
        switch reply {
        case .done: break
        case .refused(let refusal) where refusal.isMissingObject: break
        case .refused(let refusal): throw .mediaNotRemoved("The object store refuses: \(refusal.text)")
        }
    }

    package func list(_ prefix: UInt8, to sink: ([BlobKey]) async throws(Failure) -> Void) async throws(Failure) {
        try await listWithTimes(prefix) { (blobs) async throws(Failure) in try await sink(blobs.map(\.key)) }
    }

    /// The same with the times at which objects were written: a check leaves those alone that are so new that their rows may still come.
    package func listWithTimes(
        _ prefix: UInt8, to sink: ([ListedBlob]) async throws(Failure) -> Void
    ) async throws(Failure) {
        let folder = ObjectName.folder(prefix, in: client.location)
        var token: String?
        for _ in 0..<client.bounds.listingPagesMax {
            let page = try await page(of: folder, count: client.bounds.listingNamesMax, after: token)
            try await sink(page.blobs)
            guard let next = page.nextToken else { return }
            guard next != token else { throw .unexpected("The object store's listing goes in circles") }
            token = next
        }
        throw .unexpected("The object store's listing has no end")
    }

    private func page(of prefix: String, count: Int, after token: String?) async throws(Failure) -> ListingPage {
        let request = S3Request.list(prefix: prefix, count: count, after: token)
        switch try await client.answer(to: request, bytesMax: client.bounds.listingBytesMax) {
        case .done(let document):
            guard let page = ListingPage(document, in: client.location) else {
                throw .unexpected("The object store's listing cannot be read")
            }
            return page
        case .refused(let refusal): throw client.failure(of: refusal, for: .list)
        }
    }
}
