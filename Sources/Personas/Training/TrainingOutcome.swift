/// How training ended.
package enum TrainingOutcome: Sendable, Equatable {
    /// Well.
    case completed
    /// Badly.
    case failed(TrainingError)
}

extension TrainingOutcome: Codable {
    private enum CodingKeys: String, CodingKey {
        case failed
    }

    private static let completedText = "completed"

    /// Reads the form that people write into seed files: `"completed"` or `{"failed": {"code": "…", "message": "…"}}`.
    package init(from decoder: any Decoder) throws {
        if let container = try? decoder.container(keyedBy: CodingKeys.self) {
            self = .failed(try container.decode(TrainingError.self, forKey: .failed))
            return
        }
        let container = try decoder.singleValueContainer()
        guard try container.decode(String.self) == Self.completedText else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "an outcome is \"completed\" or {\"failed\": {\"code\": …, \"message\": …}}")
        }
        self = .completed
    }

    /// Writes the same form.
    package func encode(to encoder: any Encoder) throws {
        switch self {
        case .completed:
            var container = encoder.singleValueContainer()
            try container.encode(Self.completedText)
        case .failed(let error):
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(error, forKey: .failed)
        }
    }
}
