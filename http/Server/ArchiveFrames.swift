import Foundation
package import NIOCore
package import Personas

/// What is answered to an export over the socket of operators: pieces of the archive, each behind its length, and behind a length of zero how the export
/// has ended, as JSON. A status is sent before the first byte, when nobody knows yet.
package struct ArchiveFrames {
    /// Bytes of the largest piece: no image is sent in larger ones, and no file of items is much larger than a mebibyte.
    private static let pieceBytesMax = 64 * 1_024 * 1_024
    static let contentType = "application/octet-stream"

    /// What was read of an answer.
    package enum Part: Sendable {
        /// Bytes of the archive.
        case archive([UInt8])
        /// The end of the export: why it could not go on, or nil where all of the archive came. Nothing follows.
        case end(Failure?)
    }

    private var rest = ByteBuffer()

    /// Nothing was read yet.
    package init() {}

    /// A piece of an archive, as it is sent.
    static func frame(_ bytes: [UInt8]) -> ByteBuffer {
        var buffer = ByteBuffer()
        guard !bytes.isEmpty else { return buffer }
        buffer.writeInteger(UInt32(bytes.count))
        buffer.writeBytes(bytes)
        return buffer
    }

    /// The end of an export, as it is sent.
    static func end(_ reason: Failure?) throws -> ByteBuffer {
        let json = try JSONEncoder().encode(AdministrationMessage<Confirmation>(failure: reason))
        var buffer = ByteBuffer(integer: UInt32(0))
        buffer.writeInteger(UInt32(json.count))
        buffer.writeBytes(json)
        return buffer
    }

    /// Takes in what has arrived.
    package mutating func add(_ bytes: ByteBuffer) {
        rest.discardReadBytes()
        rest.writeImmutableBuffer(bytes)
    }

    /// The next part that has arrived whole; nil where more has to come.
    /// - Throws: what tells that the answer is none of these.
    package mutating func next() throws -> Part? {
        var ahead = rest
        guard var length = ahead.readInteger(as: UInt32.self) else { return nil }
        let isEnd = length == 0
        if isEnd {
            guard let end = ahead.readInteger(as: UInt32.self) else { return nil }
            length = end
        }
        guard length <= Self.pieceBytesMax else {
            throw DecodingError.dataCorrupted(.init(codingPath: [], debugDescription: "the answer is no archive in pieces"))
        }
        guard let bytes = ahead.readBytes(length: Int(length)) else { return nil }
        rest = ahead
        return isEnd ? .end(try Self.reason(in: bytes)) : .archive(bytes)
    }

    private static func reason(in json: [UInt8]) throws -> Failure? {
        try JSONDecoder().decode(AdministrationMessage<Confirmation>.self, from: Data(json)).failure
    }
}
