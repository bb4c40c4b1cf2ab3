import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import Personas

/// Why the store does not do what it was asked for. Of its words only the code is kept: the rest may hold what was signed.
struct S3Refusal: Sendable, Equatable {
    /// What may be done about it.
    enum Remedy: Sendable, Equatable {
        /// Nothing: it would be refused again.
        case none
        /// Asking once more.
        case retry
        /// Asking with the time that the store takes it to be.
        case adoptTime
    }

    private static let wordBytesMax = 64

    /// The status.
    let status: Int
    /// What S3 calls the reason; nil where the answer has none.
    let code: String?
    /// Seconds after which the store wants to be asked again.
    let retryAfterSeconds: Double?
    /// The store's time.
    let date: Timestamp?
    /// The region that the bucket is in, where that is why.
    let bucketRegion: String?

    /// Reads an answer that is no success.
    /// - Parameter body: nil where it is longer than is read.
    init(_ status: Int, _ headers: HTTPHeaders, body: [UInt8]?, now: Timestamp) {
        self.status = status
        var code: String?
        let isWhole = XMLElements.read(body ?? []) { path, text in
            if path == ["Error", "Code"] { code = Self.word(text) }
        }
        self.code = isWhole ? code : nil
        date = headers.first(name: "date").flatMap(HTTPDate.moment)
        retryAfterSeconds = headers.first(name: "retry-after").flatMap { HTTPDate.seconds(retryAfter: $0, now: now) }
        bucketRegion = headers.first(name: "x-amz-bucket-region").flatMap(Self.word)
    }

    /// What may be done about it.
    var remedy: Remedy {
        switch (status, code) {
        case (403, "RequestTimeTooSkewed"): .adoptTime
        case (408, _), (429, _), (500, _), (502, _), (503, _), (504, _): .retry
        // A connection that S3 found too slow, and two writers of one name at one moment.
        case (400, "RequestTimeout"), (409, "OperationAborted"), (409, "ConditionalRequestConflict"): .retry
        default: .none
        }
    }

    /// Whether there is no such object. A proxy's own 404 and a missing bucket say nothing of it.
    var isMissingObject: Bool { status == 404 && code == "NoSuchKey" }

    /// What it is, for the log.
    var text: String { "\(status)" + (code.map { " \($0)" } ?? "") + (bucketRegion.map { ", the bucket is in \($0)" } ?? "") }

    /// A name without anything in it that a log could trip over; nil where it is none.
    private static func word(_ text: String) -> String? {
        let isWord = text.utf8.allSatisfy { S3Location.isLetterOrDigit($0 | 0x20) || "-._".utf8.contains($0) }
        return isWord && 1...wordBytesMax ~= text.utf8.count ? text : nil
    }
}
