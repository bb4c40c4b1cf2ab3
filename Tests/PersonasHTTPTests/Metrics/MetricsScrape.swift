import HTTPTypes
import Testing

/// The numbers of one scrape, by name and labels as they are written.
struct MetricsScrape {
    let answer: Answer
    let samples: [String: String]

    init(_ service: TestService, key: TestService.Key = .none) async throws {
        answer = try await service.send(.get, "/metrics", key: key)
        #expect(answer.status == 200)
        let lines = answer.text.split(separator: "\n").filter { !$0.hasPrefix("#") }
        samples = try lines.reduce(into: [:]) { samples, line in
            let blank = try #require(line.lastIndex(of: " "))
            samples[String(line[..<blank])] = String(line[line.index(after: blank)...])
        }
    }

    subscript(_ sample: String) -> String? { samples[sample] }

    func requests(_ method: String, _ route: String, _ status: Int) -> String? {
        samples["personas_http_requests_total{method=\"\(method)\",route=\"\(route)\",status=\"\(status)\"}"]
    }
}
