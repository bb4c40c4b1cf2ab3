import Crypto
import Foundation
import NIOHTTP1
package import Personas
import PersonasWire

/// fal's public keys, and what is signed with them (Ed25519 over JWKS).
package actor FalWebhookKeys: FalWebhookVerifier {
    /// What happens to the keys, for logs.
    package enum News: Sendable {
        /// They were read: so many.
        case read(Int)
        /// None of the addresses had any.
        case unavailable
    }

    /// Where fal publishes its keys: where its documentation says now, and where it said before.
    package static let defaultURLs = ["https://rest.fal.ai/.well-known/jwks.json", "https://rest.alpha.fal.ai/.well-known/jwks.json"]

    /// How long keys are taken for good: a day, as fal asks.
    private static let goodFor = Duration.seconds(86_400)
    /// How old they are when they are read again ahead of time.
    private static let renewedAfter = Duration.seconds(43_200)
    /// How often a signature that no key fits may have them read again: keys change, and then no signature fits the old ones.
    private static let rereadPause = Duration.seconds(60)
    /// How often they are asked for where there are none.
    private static let failurePause = Duration.seconds(2)
    /// Bytes of the largest set of keys, and keys that are taken of it.
    private static let (setBytesMax, keysMax) = (65_536, 32)
    private static let callSecondsMax = 5.0
    /// How long a webhook waits for keys that are being read: each is to be answered within 100 ms, and fal sends it again.
    private static let ownWaitMax = Duration.milliseconds(50)

    private let urls: [String]
    private let waitMax: Duration
    private let read: @Sendable (_ url: String) async -> [UInt8]?
    private let tell: @Sendable (News) -> Void
    private var keys: [Curve25519.Signing.PublicKey] = []
    private var readAt: ContinuousClock.Instant?
    private var failedAt: ContinuousClock.Instant?
    private var rereadAt: ContinuousClock.Instant?
    /// Given when the keys that are being read are there, or cannot be had; nil while none are being read.
    private var reading: WakeSignal?

    /// - Parameter urls: where the keys are, tried in their order.
    package init(urls: [String], http: FalHTTP, tell: @escaping @Sendable (News) -> Void) {
        self.init(urls: urls, waitMax: Self.ownWaitMax, tell: tell) { url in
            let call = FalHTTP.Call(method: .GET, url: url, bodyBytesMax: Self.setBytesMax, secondsMax: Self.callSecondsMax)
            guard case .answer(200, _, let body?) = await http.reply(to: call) else { return nil }
            return body
        }
    }

    /// The same with another way to read what stands at an address, and other patience with it.
    init(
        urls: [String], waitMax: Duration, tell: @escaping @Sendable (News) -> Void,
        read: @escaping @Sendable (_ url: String) async -> [UInt8]?
    ) {
        self.urls = urls
        self.waitMax = waitMax
        self.tell = tell
        self.read = read
    }

    package func prepare() async -> Bool {
        if let readAt, readAt.duration(to: .now) < Self.renewedAfter { return true }
        let done = renew()
        while done.count == 0, !Task.isCancelled { await done.wait(after: 0, atMost: .seconds(60)) }
        return areGood
    }

    package func verify(_ signature: FalSignature, of body: [UInt8], at now: Timestamp) async throws(Failure) {
        let (bytes, message) = try Self.parts(of: signature, body, at: now)
        try await requireKeys()
        if fits(bytes, message) { return }
        // fal may have other keys by now. Not asked for at every false signature, or anybody's would have them asked for.
        let mayReread = rereadAt.map { $0.duration(to: .now) >= Self.rereadPause } ?? true
        if mayReread || reading != nil {
            rereadAt = .now
            await renew().wait(after: 0, atMost: waitMax)
            if fits(bytes, message) { return }
            // Whether the new ones fit nobody knows yet.
            if reading != nil { throw Self.unavailable }
        }
        throw Self.invalid("X-Fal-Webhook-Signature", "is not fal's signature of this body")
    }

    /// Whether there are keys that are not too old.
    private var areGood: Bool { readAt.map { $0.duration(to: .now) < Self.goodFor } ?? false }

    /// Has keys at hand that are good.
    private func requireKeys() async throws(Failure) {
        if areGood { return }
        let isPausing = failedAt.map { $0.duration(to: .now) < Self.failurePause } ?? false
        if !isPausing || reading != nil { await renew().wait(after: 0, atMost: waitMax) }
        guard areGood else { throw Self.unavailable }
    }

    private func fits(_ signature: [UInt8], _ message: [UInt8]) -> Bool {
        keys.contains { $0.isValidSignature(signature, for: message) }
    }

    /// Begins to read the keys, unless they are being read.
    /// - Returns: given when that has come to an end.
    private func renew() -> WakeSignal {
        if let reading { return reading }
        let done = WakeSignal()
        reading = done
        Task { [urls, read] in
            var found: [Curve25519.Signing.PublicKey] = []
            for url in urls where found.isEmpty { found = await read(url).flatMap { Self.keys(in: $0) } ?? [] }
            take(found)
            done.notify()
        }
        return done
    }

    private func take(_ found: [Curve25519.Signing.PublicKey]) {
        reading = nil
        guard !found.isEmpty else {
            failedAt = .now
            return tell(.unavailable)
        }
        (keys, readAt, failedAt) = (found, .now, nil)
        tell(.read(found.count))
    }

    /// The keys of a set (RFC 7517, RFC 8037) that can have signed anything; nil where it is none.
    static func keys(in set: [UInt8]) -> [Curve25519.Signing.PublicKey]? {
        guard let object = try? JSONObject(set) else { return nil }
        let members = JSONPointer.root.member("keys")
        func text(_ index: Int, _ name: String) -> String? {
            guard case .value(let text) = object.string(at: members.element(index).member(name)) else { return nil }
            return text
        }
        return (0..<keysMax).prefix { object.hasValue(at: members.element($0)) }.compactMap { index in
            guard text(index, "kty")?.utf8.elementsEqual("OKP".utf8) == true, text(index, "crv")?.utf8.elementsEqual("Ed25519".utf8) == true
            else { return nil }
            return text(index, "x").flatMap(base64URL).flatMap { try? Curve25519.Signing.PublicKey(rawRepresentation: $0) }
        }
    }

    /// What is signed, and the signature.
    /// - Throws: `invalid` that names the header which is missing, malformed or not of now.
    private static func parts(
        of signature: FalSignature, _ body: [UInt8], at now: Timestamp
    ) throws(Failure) -> (signature: [UInt8], message: [UInt8]) {
        func required(_ text: String?, _ header: String) throws(Failure) -> String {
            guard let text, !text.utf8.isEmpty else { throw invalid(header, "is required") }
            return text
        }
        let requestID = try required(signature.requestID, "X-Fal-Webhook-Request-Id")
        let userID = try required(signature.userID, "X-Fal-Webhook-User-Id")
        let timestamp = try required(signature.timestamp, "X-Fal-Webhook-Timestamp")
        let secondsOff = Int64(timestamp).map { abs(Double($0) - Double(now.milliseconds) / 1_000) }
        guard let secondsOff, secondsOff <= Double(FalRules.signatureSecondsMax) else {
            throw invalid("X-Fal-Webhook-Timestamp", "is not within \(FalRules.signatureSecondsMax) seconds of now")
        }
        guard let bytes = hexadecimalBytes(try required(signature.signature, "X-Fal-Webhook-Signature")), bytes.count == 64 else {
            throw invalid("X-Fal-Webhook-Signature", "must be 128 hexadecimal digits")
        }
        let digest = hexadecimal(Array(SHA256.hash(data: body)))
        return (bytes, Array("\(requestID)\n\(userID)\n\(timestamp)\n\(digest)".utf8))
    }

    private static var unavailable: Failure { .providerUnavailable(retryAfterSeconds: Int(failurePause.components.seconds)) }

    private static func invalid(_ header: String, _ rule: String) -> Failure { .invalid([Violation(header, rule)]) }

    private static func base64URL(_ text: String) -> Data? {
        let standard = text.utf8.map { byte in
            switch byte {
            case UInt8(ascii: "-"): UInt8(ascii: "+")
            case UInt8(ascii: "_"): UInt8(ascii: "/")
            default: byte
            }
        }
        let padding = [UInt8](repeating: UInt8(ascii: "="), count: (4 - standard.count % 4) % 4)
        return Data(base64Encoded: Data(standard + padding))
    }

    private static func hexadecimalBytes(_ text: String) -> [UInt8]? {
        let digits = text.utf8.map { UInt8(String(UnicodeScalar($0)), radix: 16) }
        guard digits.count.isMultiple(of: 2), !digits.contains(nil) else { return nil }
        let values = digits.compactMap { $0 }
        return stride(from: 0, to: values.count, by: 2).map { values[$0] << 4 | values[$0 + 1] }
    }
}
