package import CoreMetrics
import ErrorEnvelopeHummingbird
import Personas
import PersonasMetrics

/// A bound that clients can meet.
package enum ClientLimit: String, Sendable, CaseIterable {
    /// A request body is too large.
    case bodyBytes = "body_bytes"
    /// The header of a request is too large.
    case headerBytes = "header_bytes"
    /// As many connections are open as may be: a quiet one was closed for a new one, or the new one refused.
    case connections
    /// As many connections of one address are open as may be.
    case addressConnections = "address_connections"
    /// A request did not arrive in time.
    case requestTime = "request_time"
    /// An answer was not taken in time.
    case answerTime = "answer_time"
    /// A key read too often.
    case reads
    /// A key wrote too often.
    case writes
    /// A key had too many requests running.
    case inFlight = "in_flight"
    /// An account, or all of them, had no memory left for a request body.
    case bodyMemory = "body_memory"
    /// An account, or all of them, had too many downloads under way.
    case downloads
    /// As many images were being sent as may be.
    case mediaAnswers = "media_answers"
    /// As many files and sockets were open as the process may have.
    case fileDescriptors = "file_descriptors"
    /// Too many searches waited.
    case searches
    /// Too many reads waited for their item to change.
    case waits
    /// An account, or all of them, had too many streams of events open.
    case streams
    /// An account, or all of them, had too many exports or imports under way.
    case archives
}

extension ClientLimit {
    /// The limit that the guard of a connection tells of.
    init(_ limit: RequestGuard.Limit) {
        self =
            switch limit {
            case .headerSize: .headerBytes
            case .bodySize: .bodyBytes
            case .requestTime: .requestTime
            case .answerTime: .answerTime
            case .connections: .connections
            case .addressConnections: .addressConnections
            }
    }
}

extension ClientLimit {
    /// The limit that a request was refused for.
    init(_ limit: RateLimit) {
        self =
            switch limit {
            case .reads: .reads
            case .writes: .writes
            case .inFlight: .inFlight
            case .bodyBytes: .bodyMemory
            case .downloads: .downloads
            case .searches: .searches
            case .waits: .waits
            case .streams: .streams
            case .exports, .imports: .archives
            }
    }
}

extension ClientLimit {
    /// The limit that a request met when something that all share was used up.
    init(_ resource: SharedResource) {
        self =
            switch resource {
            case .connections: .connections
            case .fileDescriptors: .fileDescriptors
            case .mediaAnswers: .mediaAnswers
            case .downloads: .downloads
            case .bodyMemory: .bodyMemory
            case .archives: .archives
            }
    }
}

/// Counts how often clients meet limits. Cheap to copy and to count with.
package struct LimitCounters: Sendable {
    private let counters: [ClientLimit: Counter]

    /// Makes a counter for every limit, so that those never met are told as zero.
    package init(factory: any MetricsFactory) {
        // Which limits there are is told by the label, so that this text cannot fall behind.
        let hits = Metric("personas_limits_hit_total", help: "Times that a client met a limit, by limit.")
        counters = ClientLimit.allCases.reduce(into: [:]) { counters, limit in
            counters[limit] = hits.counter([("limit", limit.rawValue)], in: factory)
        }
    }

    /// Notes that a client met a limit.
    package func hit(_ limit: ClientLimit) { counters[limit]?.increment() }
}
