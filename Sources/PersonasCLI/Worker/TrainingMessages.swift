import Personas

/// A job as the server hands it out.
struct WorkerJob: Decodable, Sendable {
    /// The item in training.
    struct Item: Decodable, Sendable {
        let id: String
        let mode: Mode
        let name: String
    }

    let jobID: String
    let leaseToken: String
    let leaseExpiresAt: String
    let attempt: Int
    let item: Item
    /// The addresses of the reference images.
    let reference: [String]

    enum CodingKeys: String, CodingKey {
        case jobID = "job_id"
        case leaseToken = "lease_token"
        case leaseExpiresAt = "lease_expires_at"
        case item = "pikzonality"
        case attempt, reference
    }
}

/// The call for a job.
struct LeaseRequest: Encodable, Sendable {
    let waitSeconds: Int

    enum CodingKeys: String, CodingKey {
        case waitSeconds = "wait_seconds"
    }
}

/// The sign of life.
struct HeartbeatRequest: Encodable, Sendable {
    let leaseToken: String
    let progress: Int

    enum CodingKeys: String, CodingKey {
        case leaseToken = "lease_token"
        case progress
    }
}

/// The answer to a sign of life.
struct HeartbeatReply: Decodable, Sendable {
    let cancelled: Bool
}

/// The report that a job ended well.
struct CompleteRequest: Encodable, Sendable {
    let leaseToken: String
    let portraitBase64: String

    enum CodingKeys: String, CodingKey {
        case leaseToken = "lease_token"
        case portraitBase64 = "portrait_base64"
    }
}

/// The report that a job ended badly.
struct FailRequest: Encodable, Sendable {
    let leaseToken: String
    let code: TrainingErrorCode
    let message: String
    let retryable: Bool

    enum CodingKeys: String, CodingKey {
        case leaseToken = "lease_token"
        case code, message, retryable
    }
}
