import Foundation
import HTTPTypes
import Personas
import TestSupport
import Testing

/// What tests of archives ask of a service, and what they make of its answers.
extension TestService {
    static let exportPath = "/v2/account/export"
    static let importPath = "/v2/account/import"

    /// The archive of an account.
    func export(_ key: Key = .own, sourceLocation: SourceLocation = #_sourceLocation) async throws -> TarFile {
        let answer = try await send(.get, Self.exportPath, key: key, sourceLocation: sourceLocation)
        #expect(answer.status == 200, "\(answer.text.prefix(300))", sourceLocation: sourceLocation)
        return TarFile(parsing: answer.bytes)
    }

    /// Sends an archive.
    func takeIn(
        _ archive: [UInt8], _ key: Key = .own, under idempotencyKey: String? = nil, type: String = "application/x-tar",
        isFailureExpected: Bool = false, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> Answer {
        var headers: HTTPFields = [.contentType: type]
        if let idempotencyKey { headers[HTTPField.Name("Idempotency-Key")!] = idempotencyKey }
        return try await send(
            .post, Self.importPath, TestBody(bytes: archive), key: key, headers: headers, isFailureExpected: isFailureExpected,
            sourceLocation: sourceLocation)
    }
}

extension Answer {
    /// The documents of an answer of JSON Lines.
    var lines: [[String: Any]] {
        text.split(separator: "\n").compactMap { (try? JSONSerialization.jsonObject(with: Data($0.utf8))) as? [String: Any] }
    }

    /// What became of each item of an import: `created`, or the code of what stood against it.
    var fates: [String] {
        lines.dropLast().map { line in
            (line["error"] as? [String: Any])?["code"] as? String ?? line["status"] as? String ?? ""
        }
    }

    /// The totals that an import ends with.
    var totals: [String: Int]? { lines.last?["totals"] as? [String: Int] }
}
