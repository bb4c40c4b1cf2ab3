import JSONText
package import Personas

/// How items look on the wire.
package struct Representation {
    /// Bytes that one item's JSON seldom exceeds, and those around a list of them.
    private static let (itemBytes, listBytes) = (768, 256)

    /// What the addresses of images begin with, escaped once for all of them.
    private let mediaBase: [UInt8]

    /// - Parameter base: the address of the service as clients reach it, without a slash at its end.
    package init(base: String) {
        var mediaBase: [UInt8] = []
        mediaBase.append(json: base, .answers)
        mediaBase.append(contentsOf: "/media/".utf8)
        self.mediaBase = mediaBase
    }

    /// The full representation of the typed surface and of lists.
    package func full(_ item: Pikzonality, _ writer: inout JSONWriter, requestID: String? = nil) {
        writer.object { writer in
            writer.member("id", item.id)
            writer.member("mode", word: item.mode)
            writer.member("name", item.name)
            writer.member("status", word: item.status)
            writer.member("progress", item.progress)
            images(item, &writer)
            writer.allMembers(item.details)
            writer.member("delete_when_settled", item.settlement != nil)
            writer.name("error")
            error(item.error, &writer)
            writer.member("created_at", item.createdAt)
            writer.member("updated_at", item.updatedAt)
            if let requestID { writer.member("request_id", requestID) }
        }
    }

    /// The eight members of the published API, and the reason where training failed.
    package func published(_ item: Pikzonality, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("name", item.name)
            writer.member("id", item.id)
            writer.member("mode", word: item.mode)
            images(item, &writer)
            writer.member("progress", item.progress)
            writer.members(item.details)
            writer.member("status", word: item.status)
            if let reason = item.error {
                writer.name("error")
                error(reason, &writer)
                writer.member("message", reason.message)
            }
        }
    }

    /// An event: what streams and lists tell, and the body of a webhook (Standard Webhooks 1.0.0: `type`, `timestamp`, `data`).
    package func event(_ event: Event, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("id", event.id)
            // What only tries an endpoint is not among the account's events.
            if event.type != .webhookTest { writer.member("sequence", Int(event.sequence)) }
            writer.member("type", event.type.text)
            writer.member("timestamp", event.at)
            writer.name("data")
            switch event.subject {
            case .item(let item): full(item, &writer)
            case .gone(let id, let mode):
                writer.object { writer in
                    writer.member("id", id)
                    writer.member("mode", word: mode)
                }
            case .webhook(let notice): webhook(notice, &writer)
            case .credits(let entry): credits(entry, &writer)
            case .smartBalance(let paused): Self.smartBalance(paused, &writer)
            }
            writer.name("changed")
            writer.array { writer in
                for member in event.changed { writer.string(member) }
            }
            writer.member("request_id", event.requestID)
        }
    }

    /// Bytes that JSON of so many items seldom exceeds.
    package static func bytes(items: Int) -> Int { itemBytes * items + listBytes }

    /// The public URLs of images.
    package func mediaURLs(_ tokens: ReferenceTokens, _ writer: inout JSONWriter) {
        writer.array { writer in
            for token in tokens { mediaURL(token, &writer) }
        }
    }

    private func mediaURL(_ token: RandomToken, _ writer: inout JSONWriter) { writer.string(after: mediaBase, token) }

    private func images(_ item: Pikzonality, _ writer: inout JSONWriter) {
        // What is in the trash has no tokens here.
        let isPublished = item.status == .completed && !item.referenceTokens.isEmpty
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
            writer.member("code", word: error.code)
            writer.member("message", error.message)
        }
    }
}
