import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import Personas
import Synchronization

/// What a receiver has answered so far. What came before the time was up counts, however the answer goes on or ends.
final class ReceivedAnswer: Sendable {
    struct Content: Sendable {
        var status: Int?
        /// The value of `Retry-After`.
        var retryAfter: String?
        /// The beginning of the body, as much as its excerpt is made of.
        var body: [UInt8] = []
    }

    /// Bytes of which the excerpt is made: no character takes more than four.
    private static let excerptBytesMax = DeliveryRules.responseCharactersMax * 4

    private let state = Mutex(Content())

    var content: Content { state.withLock { $0 } }

    /// Reads an answer to its end, or as far as it is read.
    func read(_ response: HTTPClientResponse) async throws {
        state.withLock { content in
            content.status = Int(response.status.code)
            content.retryAfter = response.headers.first(name: "retry-after")
        }
        var count = 0
        for try await chunk in response.body {
            count += chunk.readableBytes
            state.withLock { $0.body += chunk.readableBytesView.prefix(Self.excerptBytesMax - $0.body.count) }
            guard count < DeliveryRules.responseBytesMax else { break }
        }
    }

    /// The first characters of a body, without what could do harm to a terminal, a log or a page that shows them: control characters but for tabs and
    /// line ends, and the marks that turn the direction of writing around.
    static func excerpt(of body: [UInt8]) -> String {
        var excerpt = String.UnicodeScalarView()
        for (count, scalar) in String(decoding: body, as: UTF8.self).unicodeScalars.enumerated() {
            guard count < DeliveryRules.responseCharactersMax else { break }
            excerpt.append(isBlank(scalar) || scalar.isHarmless ? scalar : "\u{fffd}")
        }
        return String(excerpt)
    }

    private static func isBlank(_ scalar: Unicode.Scalar) -> Bool { [0x09, 0x0a, 0x0d].contains(scalar.value) }
}
