import ErrorEnvelopeHummingbird
import HTTPTypes
import NIOHTTP1

/// What is looked at of a request that may be answered on the spot.
///
/// Only heads that leave no doubt make one: a target of the form that links have, and of the header fields that count each of plain characters and,
/// but for `X-Forwarded-For`, at most once. Whatever else there is goes through Hummingbird, which knows what to make of it.
struct ReadHead {
    let method: HTTPRequest.Method
    /// The path, of `/`, letters, digits, and `-._~`.
    let path: String
    /// What follows the question mark, as it stands there.
    let query: String?
    private(set) var apiKey: String?
    private(set) var requestID: String?
    private(set) var origin: String?
    private(set) var knownTags: String?
    private(set) var prefer: String?
    private(set) var accept: String?
    private(set) var lastEventID: String?
    private(set) var trace: TraceParent?
    /// For whom proxies have passed the request on, as they say.
    private(set) var forwardedFor: [String] = []

    init?(_ head: HTTPRequestHead) {
        switch head.method {
        case .GET: method = .get
        case .HEAD: method = .head
        default: return nil
        }
        var target = head.uri
        guard let pathBytes = target.withUTF8(Self.pathBytes) else { return nil }
        if pathBytes == target.utf8.count {
            (path, query) = (target, nil)
        } else {
            let rest = target.utf8.dropFirst(pathBytes + 1)
            guard rest.allSatisfy({ (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "#") }) else { return nil }
            (path, query) = (String(Substring(target.utf8.prefix(pathBytes))), String(Substring(rest)))
        }
        var seen = 0
        for (name, value) in head.headers {
            guard let field = Field(name) else { continue }
            guard Self.isPlain(value), field == .forwardedFor || seen & field.rawValue == 0 else { return nil }
            seen |= field.rawValue
            switch field {
            case .apiKey: apiKey = value
            case .requestID: requestID = value
            case .ifNoneMatch: knownTags = value
            case .prefer: prefer = value
            case .traceParent: trace = TraceParent(value)
            case .forwardedFor: forwardedFor.append(value)
            case .origin: origin = value
            case .accept: accept = value
            case .lastEventID: lastEventID = value
            }
        }
    }

    /// A header field that a read may depend on.
    private enum Field: Int {
        case apiKey = 1
        case requestID = 2
        case ifNoneMatch = 4
        case traceParent = 8
        case forwardedFor = 16
        case origin = 32
        case prefer = 64
        case accept = 128
        case lastEventID = 256

        init?(_ name: String) {
            let name = name.utf8
            // Comparing lengths first keeps this cheap.
            switch name.count {
            case 6 where name.isEqual(ignoringCaseOf: "origin"): self = .origin
            case 6 where name.isEqual(ignoringCaseOf: "accept"): self = .accept
            case 6 where name.isEqual(ignoringCaseOf: "prefer"): self = .prefer
            case 9 where name.isEqual(ignoringCaseOf: "x-api-key"): self = .apiKey
            case 11 where name.isEqual(ignoringCaseOf: "traceparent"): self = .traceParent
            case 12 where name.isEqual(ignoringCaseOf: "x-request-id"): self = .requestID
            case 13 where name.isEqual(ignoringCaseOf: "if-none-match"): self = .ifNoneMatch
            case 13 where name.isEqual(ignoringCaseOf: "last-event-id"): self = .lastEventID
            case 15 where name.isEqual(ignoringCaseOf: "x-forwarded-for"): self = .forwardedFor
            default: return nil
            }
        }
    }

    /// The length of the path of a target, nil where it is not of the plain form, in which every segment stands for itself.
    private static func pathBytes(_ target: UnsafeBufferPointer<UInt8>) -> Int? {
        let end = target.firstIndex(of: UInt8(ascii: "?")) ?? target.endIndex
        guard end > 1, target[0] == UInt8(ascii: "/"), target[end - 1] != UInt8(ascii: "/") else { return nil }
        for index in 0..<end {
            switch target[index] {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"): break
            case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"): break
            case UInt8(ascii: "/") where target[index + 1] != UInt8(ascii: "/"): break
            default: return nil
            }
        }
        return end
    }

    /// Whether a value is made of visible characters and of spaces between them.
    private static func isPlain(_ value: String) -> Bool {
        let bytes = value.utf8
        guard let first = bytes.first, let last = bytes.last, first != 0x20, last != 0x20 else { return false }
        return bytes.allSatisfy { (0x20...0x7E).contains($0) }
    }
}
