import HTTPTypes
import Hummingbird
import NIOCore
import Personas

/// How items look on the wire.
struct Representation {
    /// Bytes that one item's JSON seldom exceeds.
    private static let itemBytes = 1_024

    let base: String

    /// The full representation of the typed surface and of lists.
    func full(_ item: Pikzonality, _ writer: inout JSONWriter, requestID: String? = nil) {
        writer.object { writer in
            writer.member("id", item.id.text)
            writer.member("mode", item.mode.rawValue)
            writer.member("name", item.name.text)
            writer.member("status", item.status.rawValue)
            writer.member("progress", item.progress)
            images(item, &writer)
            writer.member("special_instructions", item.specialInstructions)
            writer.name("error")
            error(item.error, &writer)
            writer.member("created_at", item.createdAt.text)
            writer.member("updated_at", item.updatedAt.text)
            if let requestID { writer.member("request_id", requestID) }
        }
    }

    /// The eight members of the published API, and the reason where training failed.
    func published(_ item: Pikzonality, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("name", item.name.text)
            writer.member("id", item.id.text)
            writer.member("mode", item.mode.rawValue)
            images(item, &writer)
            writer.member("progress", item.progress)
            writer.member("special_instructions", item.specialInstructions)
            writer.member("status", item.status.rawValue)
            if let reason = item.error {
                writer.name("error")
                error(reason, &writer)
                writer.member("message", reason.message)
            }
        }
    }

    /// An answer with one item, tagged with its version.
    func response(_ item: Pikzonality, _ write: (inout JSONWriter) -> Void) -> Response {
        Self.response(headers: [.eTag: Self.entityTag(of: item)], write)
    }

    /// The tag of an item's version.
    static func entityTag(of item: Pikzonality) -> String { "\"v\(item.version)\"" }

    /// Any JSON answer.
    static func response(
        status: HTTPResponse.Status = .ok, headers: HTTPFields = [:], items: Int = 1, _ write: (inout JSONWriter) -> Void
    ) -> Response {
        var headers = headers
        headers[.contentType] = "application/json"
        return Response(status: status, headers: headers, body: ResponseBody(byteBuffer: json(items: items, write)))
    }

    /// The bytes of any JSON answer.
    static func json(items: Int = 1, _ write: (inout JSONWriter) -> Void) -> ByteBuffer {
        var writer = JSONWriter(capacity: itemBytes * max(1, items))
        write(&writer)
        return writer.buffer
    }

    /// The public URL of an image.
    func mediaURL(_ token: RandomToken, _ writer: inout JSONWriter) { writer.string(of: base, "/media/", token.text) }

    private func images(_ item: Pikzonality, _ writer: inout JSONWriter) {
        let isPublished = item.status == .completed
        writer.name("portrait_url")
        if isPublished, let portrait = item.portraitToken { mediaURL(portrait, &writer) } else { writer.string(nil) }
        writer.name("reference")
        if isPublished {
            writer.array(item.referenceTokens) { writer, token in mediaURL(token, &writer) }
        } else {
            writer.string(nil)
        }
    }

    private func error(_ error: TrainingError?, _ writer: inout JSONWriter) {
        guard let error else { return writer.string(nil) }
        writer.object { writer in
            writer.member("code", error.code.rawValue)
            writer.member("message", error.message)
        }
    }
}
