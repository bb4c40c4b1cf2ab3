package import Personas

extension Representation {
    /// What an answer tells of an endpoint's secret.
    package enum Secret {
        /// There is no such member.
        case untold
        /// This one, once.
        case shown(WebhookSecret)
        /// It was told before.
        case hidden
    }

    /// An endpoint.
    package static func webhook(
        _ endpoint: WebhookEndpoint, secret: Secret = .untold, requestID: String? = nil, _ writer: inout JSONWriter
    ) {
        writer.object { writer in
            writer.member("id", endpoint.id)
            writer.member("url", endpoint.details.url)
            writer.member("description", endpoint.details.description)
            writer.name("events")
            writer.array { writer in
                for name in endpoint.details.filter.names { writer.string(name) }
            }
            writer.member("status", word: endpoint.status)
            writer.member("disabled_reason", endpoint.disabledReason?.rawValue)
            writer.member("failing_since", endpoint.failingSince?.text)
            writer.member("pending", endpoint.pending)
            writer.member("missing", endpoint.missing)
            writer.member("previous_secret_expires_at", endpoint.previousSecretExpiresAt?.text)
            writer.name("last_delivery")
            lastDelivery(endpoint.lastDelivery, &writer)
            writer.member("created_at", endpoint.createdAt)
            writer.member("updated_at", endpoint.updatedAt)
            self.secret(secret, &writer)
            if let requestID { writer.member("request_id", requestID) }
        }
    }

    /// What a rotation answers.
    package static func rotation(_ endpoint: WebhookEndpoint, secret: Secret, requestID: String, _ writer: inout JSONWriter) {
        writer.object { writer in
            self.secret(secret, &writer)
            writer.member("previous_secret_expires_at", endpoint.previousSecretExpiresAt?.text)
            writer.member("request_id", requestID)
        }
    }

    /// What came of trying an endpoint.
    package static func test(_ test: WebhookTest, requestID: String, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("event_id", test.eventID)
            writer.member("event_type", EventType.webhookTest.text)
            members(of: test.attempt, &writer)
            writer.member("request_id", requestID)
        }
    }

    /// A delivery.
    package static func delivery(_ delivery: WebhookDelivery, requestID: String? = nil, _ writer: inout JSONWriter) {
        writer.object { writer in
            members(of: delivery, &writer)
            if let requestID { writer.member("request_id", requestID) }
        }
    }

    /// A delivery with what is sent and all attempts.
    package func delivery(_ details: WebhookDeliveryDetails, _ writer: inout JSONWriter) {
        writer.object { writer in
            Self.members(of: details.delivery, &writer)
            writer.name("request")
            request(details, &writer)
            writer.name("all_attempts")
            writer.array { writer in
                for attempt in details.attempts { writer.object { Self.members(of: attempt, &$0) } }
            }
        }
    }

    /// What an event tells of an endpoint.
    func webhook(_ notice: WebhookNotice, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("id", notice.id)
            writer.member("url", notice.url)
            writer.member("disabled_reason", notice.disabledReason?.rawValue)
            writer.member("failing_since", notice.failingSince)
        }
    }

    /// An event as it is signed and sent.
    package func body(of event: Event) -> [UInt8] { Self.bytes { self.event(event, &$0) } }

    /// The bytes of what is written.
    static func bytes(_ json: (inout JSONWriter) -> Void) -> [UInt8] {
        var room = [UInt8](repeating: 0, count: bytes(items: 1))
        while true {
            let count = room.withUnsafeMutableBytes { room in JSONWriter.write(into: room, json) }
            if count <= room.count { return Array(room[..<count]) }
            room = [UInt8](repeating: 0, count: count)
        }
    }

    /// What is sent: the body as it is at this moment, and of the header all but the signature, which tells nothing without the secret.
    private func request(_ details: WebhookDeliveryDetails, _ writer: inout JSONWriter) {
        let delivery = details.delivery
        writer.object { writer in
            writer.member("method", "POST")
            writer.member("url", delivery.lastAttempt?.url ?? details.url)
            writer.name("headers")
            writer.object { writer in
                writer.member("content-type", "application/json")
                writer.member("webhook-id", delivery.eventID)
                writer.member("webhook-timestamp", delivery.lastAttempt.map { String($0.at.milliseconds / 1_000) })
            }
            writer.member("body", String(decoding: body(of: details.event), as: UTF8.self))
        }
    }

    private static func secret(_ secret: Secret, _ writer: inout JSONWriter) {
        switch secret {
        case .untold: break
        case .shown(let secret): writer.member("secret", secret.text)
        case .hidden: writer.member("secret", String?.none)
        }
    }

    private static func lastDelivery(_ last: WebhookEndpoint.LastDelivery?, _ writer: inout JSONWriter) {
        guard let last else { return writer.string(nil) }
        writer.object { writer in
            writer.member("id", last.id)
            writer.member("event_id", last.eventID)
            writer.member("event_type", last.eventType.text)
            writer.member("status", word: last.status)
            if let attempt = last.attempt {
                writer.member("at", attempt.at)
                number("http_status", attempt.httpStatus, &writer)
                writer.member("error", attempt.error?.rawValue)
            }
        }
    }

    private static func members(of delivery: WebhookDelivery, _ writer: inout JSONWriter) {
        writer.member("id", delivery.id)
        writer.member("event_id", delivery.eventID)
        writer.member("event_type", delivery.eventType.text)
        writer.member("status", word: delivery.status)
        writer.member("attempts", delivery.attempts)
        writer.member("next_attempt_at", delivery.nextAttemptAt?.text)
        writer.name("last_attempt")
        if let attempt = delivery.lastAttempt {
            writer.object { members(of: attempt, &$0) }
        } else {
            writer.string(nil)
        }
        writer.member("created_at", delivery.createdAt)
        writer.member("finished_at", delivery.finishedAt?.text)
    }

    private static func members(of attempt: DeliveryAttempt, _ writer: inout JSONWriter) {
        writer.member("at", attempt.at)
        writer.member("url", attempt.url)
        writer.member("duration_ms", Int(attempt.durationMilliseconds))
        number("http_status", attempt.httpStatus, &writer)
        writer.member("error", attempt.error?.rawValue)
        writer.member("response_body", attempt.responseBody)
    }

    private static func number(_ name: StaticString, _ value: Int?, _ writer: inout JSONWriter) {
        if let value { return writer.member(name, value) }
        writer.member(name, String?.none)
    }
}
