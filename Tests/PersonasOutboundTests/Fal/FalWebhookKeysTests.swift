import Crypto
import Foundation
import Personas
import Synchronization
import TestSupport
import Testing

@testable import PersonasOutbound

@Suite("Signatures of fal", .timeLimit(.minutes(1)))
struct FalWebhookKeysTests {
    /// A vector whose key has the seed 00…1f.
    private static let x = "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"
    private static let body = Array(
        #"{"request_id":"764cabcf-b745-4b3e-ae38-1200304cf45b","gateway_request_id":"764cabcf-b745-4b3e-ae38-1200304cf45b","status":"OK","payload":{"ok":true}}"#
            .utf8)
    private static let signature = FalSignature(
        requestID: "764cabcf-b745-4b3e-ae38-1200304cf45b", userID: "user_123", timestamp: "1700000000",
        signature:
            "d8a6c8618750135f225414b2ee810e822954d2fa6a0a3c2081f121aba68ec5c8c4bee9220c1b594ee6ec21c7cddc06367ade6d36ec67d55c9c6b0be5a3698c09"
    )
    private static let now = Timestamp(milliseconds: 1_700_000_000_000)

    private static func set(_ keys: [String]) -> [UInt8] {
        Array("{\"keys\":[\(keys.map { "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"\($0)\"}" }.joined(separator: ","))]}".utf8)
    }

    private static func keys(
        _ urls: [String] = ["one"], waitMax: Duration = .seconds(30),
        read: @escaping @Sendable (_ url: String, _ number: Int) async -> [UInt8]?
    ) -> (keys: FalWebhookKeys, reads: Shared<[String]>) {
        let reads = Shared<[String]>([])
        let keys = FalWebhookKeys(urls: urls, waitMax: waitMax, tell: { _ in }) { url in
            let number = reads.withLock { reads in
                reads.append(url)
                return reads.count
            }
            return await read(url, number)
        }
        return (keys, reads)
    }

    private static func verified(
        _ keys: FalWebhookKeys, _ signature: FalSignature = signature, body: [UInt8] = body, at now: Timestamp = now
    ) async -> Result<Void, Failure> {
        do throws(Failure) {
            return .success(try await keys.verify(signature, of: body, at: now))
        } catch {
            return .failure(error)
        }
    }

    private static func isInvalid(_ result: Result<Void, Failure>, _ header: String) -> Bool {
        guard case .failure(.invalid(let violations)) = result else { return false }
        return violations.map(\.field) == [.own(header)]
    }

    @Test("The vector verifies, among keys of other kinds too, and up to 300 seconds from its time")
    func vector() async throws {
        let other = "{\"kty\":\"RSA\",\"n\":\"AQAB\"},{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"short\"},"
        let mixed = String(decoding: Self.set([Self.x]), as: UTF8.self).replacing("[", with: "[\(other)", maxReplacements: 1)
        let (keys, reads) = Self.keys { _, _ in Array(mixed.utf8) }
        for seconds in [0, 300, -300] {
            guard case .success = await Self.verified(keys, at: Self.now.adding(seconds: seconds)) else {
                Issue.record("\(seconds)")
                continue
            }
        }
        for seconds in [301, -301] {
            #expect(Self.isInvalid(await Self.verified(keys, at: Self.now.adding(seconds: seconds)), "X-Fal-Webhook-Timestamp"))
        }
        #expect(reads.value == ["one"])
    }

    @Test("Each part of what is signed counts, and each header has to be there")
    func parts() async throws {
        let (keys, _) = Self.keys { _, _ in Self.set([Self.x]) }
        func changed(
            requestID: String? = Self.signature.requestID, userID: String? = Self.signature.userID,
            timestamp: String? = Self.signature.timestamp, signature text: String? = Self.signature.signature
        ) -> FalSignature {
            FalSignature(requestID: requestID, userID: userID, timestamp: timestamp, signature: text)
        }
        let header = "X-Fal-Webhook-Signature"
        #expect(Self.isInvalid(await Self.verified(keys, changed(requestID: nil)), "X-Fal-Webhook-Request-Id"))
        #expect(Self.isInvalid(await Self.verified(keys, changed(userID: nil)), "X-Fal-Webhook-User-Id"))
        #expect(Self.isInvalid(await Self.verified(keys, changed(timestamp: nil)), "X-Fal-Webhook-Timestamp"))
        #expect(Self.isInvalid(await Self.verified(keys, changed(timestamp: "soon")), "X-Fal-Webhook-Timestamp"))
        for text in [nil, "", "d8", String(repeating: "g", count: 128), String(repeating: "0", count: 128)] {
            #expect(Self.isInvalid(await Self.verified(keys, changed(signature: text)), header))
        }
        #expect(Self.isInvalid(await Self.verified(keys, changed(requestID: "other")), header))
        #expect(Self.isInvalid(await Self.verified(keys, changed(userID: "user_124")), header))
        #expect(Self.isInvalid(await Self.verified(keys, changed(timestamp: "1700000001")), header))
        #expect(Self.isInvalid(await Self.verified(keys, body: Self.body + [0x20]), header))
    }

    @Test("Where fal has other keys they are read again, once for many false signatures")
    func rotation() async throws {
        let old = Curve25519.Signing.PrivateKey().publicKey.rawRepresentation.base64EncodedString()
        let (keys, reads) = Self.keys { _, number in Self.set([number == 1 ? old : Self.x]) }
        #expect(await keys.prepare())
        guard case .success = await Self.verified(keys) else {
            Issue.record("the new key is not known")
            return
        }
        #expect(reads.value.count == 2)
        let false1 = FalSignature(
            requestID: "a", userID: "b", timestamp: "1700000000", signature: String(repeating: "0", count: 128))
        for _ in 0..<20 { #expect(Self.isInvalid(await Self.verified(keys, false1), "X-Fal-Webhook-Signature")) }
        #expect(reads.value.count == 2)
    }

    @Test("The address of before is asked where the present one has none; where none has, it is nobody's fault")
    func fallback() async throws {
        let (keys, reads) = Self.keys(["one", "two"]) { url, _ in url == "two" ? Self.set([Self.x]) : Array("<html>".utf8) }
        guard case .success = await Self.verified(keys) else {
            Issue.record("not verified")
            return
        }
        #expect(reads.value == ["one", "two"])
        let (none, attempts) = Self.keys { _, _ in nil }
        for _ in 0..<10 {
            guard case .failure(.providerUnavailable) = await Self.verified(none) else {
                Issue.record("verified without keys")
                return
            }
        }
        #expect(attempts.value.count == 1)
    }

    @Test("Keys that are being read are waited for by all, and read once")
    func singleRead() async throws {
        let signal = WakeSignal()
        let (keys, reads) = Self.keys { _, _ in
            await signal.wait(after: 0, atMost: .seconds(30))
            return Self.set([Self.x])
        }
        let waiting = (0..<10).map { _ in Task { await Self.verified(keys) } }
        try await eventually("a read") { !reads.value.isEmpty }
        signal.notify()
        for task in waiting {
            guard case .success = await task.value else {
                Issue.record("not verified")
                continue
            }
        }
        #expect(reads.value.count == 1)
    }

    @Test("No webhook waits for long: while keys are being read it is to come again", arguments: [false, true])
    func slowKeys(hasOthers: Bool) async throws {
        let signal = WakeSignal()
        let old = Curve25519.Signing.PrivateKey().publicKey.rawRepresentation.base64EncodedString()
        let (keys, reads) = Self.keys(waitMax: .milliseconds(1)) { _, number in
            if hasOthers, number == 1 { return Self.set([old]) }
            await signal.wait(after: 0, atMost: .seconds(50))
            return Self.set([Self.x])
        }
        if hasOthers { #expect(await keys.prepare()) }
        for _ in 0..<3 {
            guard case .failure(.providerUnavailable(let seconds)) = await Self.verified(keys) else {
                Issue.record("not told to come again")
                return
            }
            #expect(seconds == 2)
        }
        signal.notify()
        func isVerified() async -> Bool {
            guard case .success = await Self.verified(keys) else { return false }
            return true
        }
        try await eventually("the keys") { await isVerified() }
        #expect(reads.value.count == (hasOthers ? 2 : 1))
    }
}
