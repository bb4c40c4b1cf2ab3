import Foundation
import NIOHTTP1
package import Personas
import PersonasWire

/// The queue of fal over HTTP. The key is shown to the origin of the queue alone, wherever an answer points.
package final class FalQueueClient: FalQueue {
    /// What the operator has chosen.
    package struct Configuration: Sendable {
        /// The secret, of visible ASCII.
        package let key: String
        /// `owner/app`, and what may follow.
        package let model: FalModel
        /// The address of the queue.
        package let queueURL: DownloadURL
        /// What is taken as the address of a queue.
        package let rules: DownloadURL.Rules
        /// Where the portrait is in a result.
        package let portrait: JSONPointer

        package init(key: String, model: FalModel, queueURL: DownloadURL, rules: DownloadURL.Rules, portrait: JSONPointer) {
            self.key = key
            self.model = model
            self.queueURL = queueURL
            self.rules = rules
            self.portrait = portrait
        }
    }

    private let configuration: Configuration
    private let http: FalHTTP
    private let reader: FalFactsReader
    private let clock: WallClock
    /// The address of the queue without a slash at its end.
    private let base: String

    /// Asks by way of a client that the caller closes.
    package init(_ configuration: Configuration, http: FalHTTP, clock: WallClock = .system) {
        self.configuration = configuration
        self.http = http
        self.clock = clock
        reader = FalFactsReader(portrait: configuration.portrait)
        let text = configuration.queueURL.text
        base = text.utf8.last == UInt8(ascii: "/") ? String(text.dropLast()) : text
    }

    package func handle(of requestID: String) -> FalHandle? {
        guard Self.isRequestID(requestID) else { return nil }
        let request = "\(base)/\(configuration.model.application)/requests/\(requestID)"
        return FalHandle(
            requestID: requestID, statusURL: "\(request)/status", responseURL: request, cancelURL: "\(request)/cancel")
    }

    package func submit(_ input: [UInt8], webhook: String) async -> FalSubmission {
        let url = "\(base)/\(configuration.model.path)?fal_webhook=\(Self.encoded(webhook))"
        let answer = await answer(.POST, url, body: input, isAlone: true)
        var handle: FalHandle?
        if case .answer(_, _, let facts?) = answer { handle = self.handle(in: facts) }
        return FalRules.submission(answer, handle: handle)
    }

    package func standing(of handle: FalHandle) async -> FalStanding {
        guard case .answer(200..<300, _, let facts?) = await answer(.GET, handle.statusURL), facts.status == .completed else {
            return .open
        }
        let result = await answer(.GET, handle.responseURL)
        return FalRules.outcome(ofResult: result, error: facts.error).map { .done($0) } ?? .open
    }

    package func cancel(_ handle: FalHandle) async -> Bool { FalRules.isClosed(await answer(.PUT, handle.cancelURL)) }

    private func answer(_ method: HTTPMethod, _ url: String, body: [UInt8]? = nil, isAlone: Bool = false) async -> FalAnswer {
        // What an earlier process has stored, with other settings perhaps, is not trusted either.
        guard isOfQueue(url) else { return .nothingSent }
        let call = FalHTTP.Call(
            method: method, url: url, authorization: "Key \(configuration.key)", body: body, isAlone: isAlone)
        switch await http.reply(to: call) {
        case .nothingSent: return .nothingSent
        case .lost: return .lost
        case .answer(let status, let retryAfter, let body):
            return .answer(
                status: status, retryAfterSeconds: retryAfter.flatMap { RetryAfter.seconds($0, now: clock.now) },
                body.flatMap { reader.facts(ofAnswer: $0) })
        }
    }

    /// How the request is found that an answer names: at the addresses that it gives, where they lie within the queue, and else at those that follow
    /// from its id.
    private func handle(in facts: FalFacts) -> FalHandle? {
        guard let own = facts.requestID.flatMap({ handle(of: $0) }) else { return nil }
        func taken(_ url: String?, else own: String) -> String { url.flatMap { isOfQueue($0) ? $0 : nil } ?? own }
        return FalHandle(
            requestID: own.requestID, statusURL: taken(facts.statusURL, else: own.statusURL),
            responseURL: taken(facts.responseURL, else: own.responseURL), cancelURL: taken(facts.cancelURL, else: own.cancelURL))
    }

    private func isOfQueue(_ text: String) -> Bool {
        guard let url = try? DownloadURL(text, rules: configuration.rules) else { return false }
        let queue = configuration.queueURL
        return url.scheme == queue.scheme && url.host == queue.host && url.port == queue.port
    }

    /// Whether a text can be a request's id, and stand in a path as it is.
    private static func isRequestID(_ text: String) -> Bool {
        (1...128).contains(text.utf8.count) && text.utf8.allSatisfy(isUnreserved) && !text.utf8.allSatisfy { $0 == UInt8(ascii: ".") }
    }

    /// A text as the value of a parameter (RFC 3986, 2.3).
    private static func encoded(_ text: String) -> String {
        text.utf8.map { isUnreserved($0) ? String(UnicodeScalar($0)) : "%" + String(format: "%02X", $0) }.joined()
    }

    private static func isUnreserved(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: "-._~".utf8.contains(byte)
        }
    }
}

/// A model of fal: `owner/app`, and a path within the app, if it has several.
package struct FalModel: Sendable, Equatable {
    /// All of it, as requests are sent to it.
    package let path: String
    /// Owner and app, under which requests are found.
    package let application: String

    /// Reads a model; nil for a text that is none.
    package init?(_ text: String) {
        let parts = text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        let isPlain = parts.allSatisfy { part in
            !part.isEmpty && part.first != UInt8(ascii: ".")
                && part.allSatisfy { byte in
                    byte.lowercasedASCII != byte || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                        || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || "-._~".utf8.contains(byte)
                }
        }
        guard text.utf8.count <= 256, parts.count >= 2, isPlain else { return nil }
        path = text
        application = parts.prefix(2).map { String(Substring($0)) }.joined(separator: "/")
    }
}
