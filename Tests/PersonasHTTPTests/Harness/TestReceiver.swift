import Personas
import Synchronization

/// The internet as webhooks see it: remembers what was sent, and answers what a test says.
final class TestReceiver: WebhookSender, WebhookTargetCheck {
    private let sent = Mutex<[WebhookMessage]>([])
    private let status = Mutex(200)

    /// What was sent, in its order.
    var messages: [WebhookMessage] { sent.withLock { $0 } }

    /// Answers so from now on.
    func answer(_ newStatus: Int) { status.withLock { $0 = newStatus } }

    func send(_ message: WebhookMessage) async -> DeliveryAttempt? {
        sent.withLock { $0.append(message) }
        return DeliveryAttempt(
            at: .now, url: message.url, durationMilliseconds: 12, httpStatus: status.withLock { $0 }, responseBody: "heard")
    }

    /// By the URL alone: names that end in `.internal` lead inside, and others anywhere.
    func problem(of url: String, for accountID: Identifier) async -> WebhookURLProblem? {
        guard url.utf8.starts(with: "https://".utf8), !url.utf8.contains(UInt8(ascii: "@")) else { return .malformed }
        return url.contains(".internal") || url.contains("//127.") ? .forbidden : nil
    }
}
