package import Personas

/// How items look on the wire.
package struct Representation {
    /// Bytes that one item's JSON seldom exceeds.
    private static let itemBytes = 1_024

    /// What stands in front of the paths of images.
    private let base: String

    /// - Parameter base: the address of the service as clients reach it, without a slash at its end.
    package init(base: String) {
        self.base = base
    }

    /// The full representation of the typed surface and of lists.
    package func full(_ item: Pikzonality, _ writer: inout JSONWriter, requestID: String? = nil) {
        writer.object { writer in
            writer.member("id", item.id.text)
            writer.member("mode", item.mode.rawValue)
            writer.member("name", item.name.text)
            writer.member("status", item.status.rawValue)
            writer.member("progress", item.progress)
            images(item, &writer)
            writer.members(item.details)
            writer.name("error")
            error(item.error, &writer)
            writer.member("created_at", item.createdAt.text)
            writer.member("updated_at", item.updatedAt.text)
            if let requestID { writer.member("request_id", requestID) }
        }
    }

    /// The eight members of the published API, and the reason where training failed.
    package func published(_ item: Pikzonality, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("name", item.name.text)
            writer.member("id", item.id.text)
            writer.member("mode", item.mode.rawValue)
            images(item, &writer)
            writer.member("progress", item.progress)
            writer.members(item.details)
            writer.member("status", item.status.rawValue)
            if let reason = item.error {
                writer.name("error")
                error(reason, &writer)
                writer.member("message", reason.message)
            }
        }
    }

    /// The tag of an item's version.
    package static func entityTag(of item: Pikzonality) -> String { "\"v\(item.version)\"" }

    /// The JSON that `write` writes, of so many items.
    package static func json(items: Int = 1, _ write: (inout JSONWriter) -> Void) -> [UInt8] {
        var writer = JSONWriter(capacity: itemBytes * max(1, items))
        write(&writer)
        return writer.bytes
    }

    /// The public URLs of images.
    package func mediaURLs(_ tokens: [RandomToken], _ writer: inout JSONWriter) {
        writer.array { writer in
            for token in tokens { mediaURL(token, &writer) }
        }
    }

    private func mediaURL(_ token: RandomToken, _ writer: inout JSONWriter) { writer.string(of: base, "/media/", token.text) }

    private func images(_ item: Pikzonality, _ writer: inout JSONWriter) {
        let isPublished = item.status == .completed
        writer.name("portrait_url")
        if isPublished, let portrait = item.portraitToken { mediaURL(portrait, &writer) } else { writer.string(nil) }
        writer.name("reference")
        if isPublished {
            mediaURLs(item.referenceTokens, &writer)
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
