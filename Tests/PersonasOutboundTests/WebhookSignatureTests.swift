import Personas
import TestSupport
import Testing

@testable import PersonasOutbound

@Suite("What receivers check and ask for")
struct WebhookSignatureTests {
    private static let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

    @Test("The vector of Standard Webhooks comes out, and one signature for each secret, in their order")
    func vector() throws {
        let (secret, other) = (try #require(WebhookSecret(Self.secret)), WebhookSecret.random())
        func header(_ secrets: [WebhookSecret]) -> String {
            WebhookSignature.header(
                id: "msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp: 1_614_265_330, body: Array(#"{"test": 2432232314}"#.utf8), secrets: secrets)
        }
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        #expect(header([secret]) == expected)
        #expect(header([other, secret]) == "\(header([other])) \(expected)")
        #expect(header([other]) != expected)
    }

    @Test("A secret is read as it is written, and nothing of it gets into a log")
    func secrets() throws {
        let secret = WebhookSecret.random()
        #expect(secret.bytes.count == 32 && secret != WebhookSecret.random())
        #expect(WebhookSecret(secret.text) == secret && secret.text.hasPrefix("whsec_"))
        #expect(WebhookSecret(Self.secret)?.text == Self.secret)
        #expect("\(secret)" == "whsec_…")
        for text in ["", "whsec_", "whsek_AAAA", "whsec_***", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
            #expect(WebhookSecret(text)?.bytes.isEmpty ?? true, "\(text)")
        }
    }

    @Test(
        "Retry-After is taken as seconds and as a date of any of the three forms",
        arguments: [
            ("120", 120), ("0", 0), ("99999999999999999999999999", Int.max), ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
            ("Sun, 22 Nov 2026 10:01:00 GMT", 60), ("Sunday, 22-Nov-26 10:01:00 GMT", 60), ("Sun Nov 22 10:01:00 2026", 60),
            ("Tue Dec  1 10:00:00 2026", 9 * 86_400), ("-1", nil), ("1.5", nil), ("soon", nil), ("", nil),
            ("Sun, 22 Nov 2026 10:01:00 CET", nil), ("Sun, 32 Nov 2026 10:01:00 GMT", nil), ("Sun, 22 Foo 2026 10:01:00 GMT", nil),
            (String(repeating: "1", count: 41), nil), ("٣", nil),
        ] as [(String, Int?)]
    )
    func retryAfter(value: String, seconds: Int?) throws {
        let now = try #require(Timestamp(text: "2026-11-22T10:00:00Z"))
        #expect(RetryAfter.seconds(value, now: now) == seconds)
    }

    @Test("Of an answer the first 1,024 characters are kept, and none that does harm where it is shown")
    func excerpts() {
        func excerpt(_ text: String) -> String { ReceivedAnswer.excerpt(of: Array(text.utf8)) }
        #expect(excerpt("all\tis\r\nwell ü😀") == "all\tis\r\nwell ü😀")
        #expect(excerpt("\u{1b}[31mred\0\u{7f}\u{85}\u{202e}\u{2066}") == "\u{fffd}[31mred\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}")
        #expect(ReceivedAnswer.excerpt(of: [0x61, 0xff, 0x62]) == "a\u{fffd}b")
        #expect(excerpt(String(repeating: "😀", count: 2_000)) == String(repeating: "😀", count: 1_024))
        // One letter may have any number of accents; these count, too.
        #expect(excerpt("a" + String(repeating: "\u{301}", count: 5_000)).unicodeScalars.count == 1_024)
    }
}
